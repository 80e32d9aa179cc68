"""One stack a file, stateful ones apart from stateless ones."""
