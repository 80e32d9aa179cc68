"""PostgreSQL as the functions that write to it use it."""
