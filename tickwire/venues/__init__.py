"""One folder a venue, the same file names in each: parse.py, subscribe.py, symbols.py."""
