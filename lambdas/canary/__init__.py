"""A client that comes every minute, to see what clients see."""
