"""Fills what the validator says is missing from the venues' REST histories."""
