"""PostgreSQL as the functions use it."""
