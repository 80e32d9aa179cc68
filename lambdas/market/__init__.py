"""market-events to market-events: what only several symbols or venues together tell; see market_function.py."""
