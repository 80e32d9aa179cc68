"""What Coinbase Exchange must be sent within 5 s of connecting."""

from collections.abc import Sequence

import msgspec

from tickwire.venues.feed import AttemptLimit
from tickwire.venues.rate_budget import RateRules

CHANNELS = ("matches", "ticker", "heartbeat")

ATTEMPTS = AttemptLimit(RateRules(burst=2, per_second=2), weight=1)
"""4 in any second: Coinbase Exchange's WebSocket rate limits allow an address 8, in bursts 20."""


def subscribe_frame(product_ids: Sequence[str]) -> bytes:
    """Give the one frame that subscribes to matches, ticker and heartbeat of these products."""
    return msgspec.json.encode({"type": "subscribe", "product_ids": list(product_ids), "channels": list(CHANNELS)})
