"""What OKX must be sent after connecting."""

from collections.abc import Sequence

import msgspec

from tickwire.venues.feed import AttemptLimit
from tickwire.venues.rate_budget import RateRules

PATH = "/ws/v5/business"
"""The only path that serves :data:`CHANNEL`."""

CHANNEL = "trades-all"

PING = b"ping"
"""A text frame of its own, not JSON; the answer is the text ``pong``."""

ATTEMPTS = AttemptLimit(RateRules(burst=1, per_second=1), weight=1)
"""One a second: OKX allows an address 3."""


def subscribe_frame(native_symbols: Sequence[str]) -> bytes:
    """Give the one frame that subscribes to all trades of these instruments.

    OKX takes 64 KB of channels in all, which are some 1,200 instruments.
    """
    args = [{"channel": CHANNEL, "instId": native} for native in native_symbols]
    return msgspec.json.encode({"op": "subscribe", "args": args})
