"""trades-clean to market-events: see handler.py and tickwire/stages/signals.py."""
