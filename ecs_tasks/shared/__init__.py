"""What tasks share with one another: leases and budgets in one DynamoDB table."""
