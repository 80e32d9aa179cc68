"""market-events to the screens: coalesced updates, and the last values that snapshots are made of."""
