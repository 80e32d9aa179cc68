"""Binance streams are named in the path of the connection, so nothing has to be sent after it."""

from collections.abc import Iterable

from tickwire.venues.feed import AttemptLimit
from tickwire.venues.rate_budget import RateRules

MAX_STREAMS = 1024
"""On one connection, by Binance's WebSocket limits."""

ATTEMPTS = AttemptLimit(RateRules(burst=300, per_second=1), weight=4)
"""75 at once and one each 4 s, which are 150 in 5 minutes: Binance's WebSocket limits allow an address 300."""


def stream_path(native_symbols: Iterable[str], channels: Iterable[str]) -> str:
    """Give ``/stream?streams=btcusdt@trade/btcusdt@bookTicker/…``: every channel of every symbol.

    Raises
    ------
    ValueError
        If that is more than :data:`MAX_STREAMS`, or none.
    """
    channels = tuple(channels)
    streams = [f"{native.lower()}@{channel}" for native in native_symbols for channel in channels]
    if not 0 < len(streams) <= MAX_STREAMS:
        raise ValueError(f"{len(streams)} streams asked for, a Binance connection takes 1 to {MAX_STREAMS}")
    return "/stream?streams=" + "/".join(streams)
