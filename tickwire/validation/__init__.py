"""What makes a trade good, and a symbol's trades complete: rules, the recent price band, the sequence of ids."""
