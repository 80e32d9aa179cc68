"""A crypto exchange on the laptop: the WebSocket protocols of four feeds, from a market simulator or recordings."""
