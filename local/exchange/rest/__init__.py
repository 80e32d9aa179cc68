"""The REST histories of the venues."""
