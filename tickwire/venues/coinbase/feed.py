"""Coinbase Exchange (``ws-feed``): the full-precision feed with one message a match."""

from collections.abc import Sequence

from tickwire.symbols import Instrument
from tickwire.venues.coinbase.layout import LAYOUTS
from tickwire.venues.coinbase.parse import Parser
from tickwire.venues.coinbase.subscribe import ATTEMPTS, subscribe_frame
from tickwire.venues.coinbase.symbols import VENUE, instrument_of, native_symbol
from tickwire.venues.feed import Feed, Liveness, ParsedFrames
from tickwire.venues.frames import read_or_reject

__all__ = ["CoinbaseFeed"]


class CoinbaseFeed(Feed):
    """Trades, best bids and offers, and heartbeats of Coinbase Exchange.

    Trade ids are dense per product, and one space with Advanced Trade. ``last_match`` is the last
    trade before the subscription (flag SNAPSHOT): after a reconnect its id says exactly how many
    trades were missed. The wire's side is the maker's; rows bear the aggressor's.
    """

    name = "coinbase"
    venue = VENUE
    default_url = "wss://ws-feed.exchange.coinbase.com"
    # A heartbeat comes each second for each product.
    liveness = Liveness(silence_seconds=5, stream_silence_seconds=30)
    attempts = ATTEMPTS
    layouts = LAYOUTS

    def __init__(self) -> None:
        self._parser = Parser()

    def parse(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Read one text frame into ``out``; see :meth:`Feed.parse`."""
        read_or_reject(self._parser.read, frame, receive_time=receive_time, out=out)

    def instrument_of(self, native: str) -> Instrument:
        """Give the instrument of the venue's own name; see :meth:`Feed.instrument_of`."""
        return instrument_of(native)

    def reconnected(self) -> None:
        """Nothing belongs to one connection: the ids go on across it."""

    def connect_path(self, symbols: Sequence[str]) -> str:
        """Give ``/``; what is wanted is said by :meth:`subscribe`."""
        return "/"

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Give the one frame that Coinbase wants within 5 s.

        Raises
        ------
        UnknownSymbol
            If one is not canonical.
        """
        return [subscribe_frame([native_symbol(symbol) for symbol in symbols])]
