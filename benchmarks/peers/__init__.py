"""How others do the same, in an environment of their own (``make setup-peers``) that has no Tickwire."""
