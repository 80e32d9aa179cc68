"""trades-raw to trades-clean: see handler.py and tickwire/stages/validator.py."""
