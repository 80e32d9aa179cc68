"""What Coinbase Exchange must be sent within 5 s of connecting."""

from collections.abc import Sequence

import msgspec

CHANNELS = ("matches", "ticker", "heartbeat")


def subscribe_frame(product_ids: Sequence[str]) -> bytes:
    """Give the one frame that subscribes to matches, ticker and heartbeat of these products."""
    return msgspec.json.encode({"type": "subscribe", "product_ids": list(product_ids), "channels": list(CHANNELS)})
