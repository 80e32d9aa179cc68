"""The wire protocols of the feeds: what a venue sends, and what it answers to what it is sent."""
