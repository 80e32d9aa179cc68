"""What Advanced Trade must be sent within 5 s of connecting: one frame a channel."""

from collections.abc import Sequence

import msgspec

from tickwire.venues.feed import AttemptLimit
from tickwire.venues.rate_budget import RateRules

CHANNELS = ("market_trades", "ticker")

ATTEMPTS = AttemptLimit(RateRules(burst=3, per_second=1), weight=3)
"""In messages, as each attempt is followed by three: Advanced Trade allows an address 8 unauthenticated ones
and 8 connections a second."""


def subscribe_frames(product_ids: Sequence[str]) -> list[bytes]:
    """Give the frames for heartbeats (without them idle channels are closed), trades and tickers."""
    products = list(product_ids)
    messages: list[dict[str, object]] = [{"type": "subscribe", "channel": "heartbeats"}]
    messages += [{"type": "subscribe", "product_ids": products, "channel": channel} for channel in CHANNELS]
    return [msgspec.json.encode(message) for message in messages]
