"""What to send to Kraken v2 after connecting."""

from collections.abc import Sequence

import msgspec

from tickwire.venues.feed import AttemptLimit
from tickwire.venues.rate_budget import RateRules

BOOK_DEPTH = 10
"""The checksum covers ten levels, so deeper books prove nothing more."""

PING = b'{"method":"ping"}'

ATTEMPTS = AttemptLimit(RateRules(burst=600, per_second=1), weight=16)
"""37 at once and one each 16 s, which are 75 in 10 minutes: Kraken's edge, Cloudflare, lets an address try
about 150 times, and bans it for 10 minutes if it goes on."""


def subscribe_frames(native_symbols: Sequence[str]) -> list[bytes]:
    """Give one frame a channel: trade, ticker on every change of the best bid or offer, book.

    ``snapshot`` is always said, as Kraken's pages disagree on trade's default.
    """
    native = list(native_symbols)
    channels: list[dict[str, object]] = [
        {"channel": "trade", "symbol": native, "snapshot": True},
        {"channel": "ticker", "symbol": native, "event_trigger": "bbo", "snapshot": True},
        {"channel": "book", "symbol": native, "depth": BOOK_DEPTH, "snapshot": True},
    ]
    return [
        msgspec.json.encode({"method": "subscribe", "params": params, "req_id": number})
        for number, params in enumerate(channels, start=1)
    ]


def resubscribe_book_frames(native_symbol: str) -> list[bytes]:
    """Give the frames that fetch a new snapshot of one book after its checksum failed."""
    params = {"channel": "book", "symbol": [native_symbol], "depth": BOOK_DEPTH}
    return [
        msgspec.json.encode({"method": "unsubscribe", "params": params}),
        msgspec.json.encode({"method": "subscribe", "params": params | {"snapshot": True}}),
    ]
