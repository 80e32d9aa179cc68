"""Who a client is and what it may do: tokens of Cognito, one-use tickets, roles."""
