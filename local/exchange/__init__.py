"""A crypto exchange on the laptop: sockets and REST histories of the venues, from a simulator or recordings."""
