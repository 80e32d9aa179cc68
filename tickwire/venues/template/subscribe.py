"""What the example venue must be sent after connecting."""

from collections.abc import Sequence

import msgspec

from tickwire.venues.feed import AttemptLimit
from tickwire.venues.rate_budget import RateRules

# Half of what the venue allows an address, here 4 connections a second.
ATTEMPTS = AttemptLimit(RateRules(burst=1, per_second=1), weight=1)


def subscribe_frame(native_symbols: Sequence[str]) -> bytes:
    """Give the one frame that subscribes to trades and quotes of these markets."""
    return msgspec.json.encode({"type": "subscribe", "markets": list(native_symbols)})
