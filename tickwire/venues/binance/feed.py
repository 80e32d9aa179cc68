"""Binance Spot and Binance.US, over the JSON market streams."""

from collections.abc import Sequence

from tickwire.symbols import Instrument
from tickwire.venues.binance.layout import LAYOUTS
from tickwire.venues.binance.parse import Parser
from tickwire.venues.binance.subscribe import ATTEMPTS, stream_path
from tickwire.venues.binance.symbols import SymbolTable
from tickwire.venues.feed import Feed, Liveness, ParsedFrames
from tickwire.venues.frames import read_or_reject

__all__ = ["BinanceFeed", "BinanceUsFeed"]


class BinanceFeed(Feed):
    """Trades and best bids and offers of Binance Spot.

    ``@trade`` carries every single trade under dense ids, and is what Tickwire takes. An
    ``@aggTrade`` sums the trades of one taker order at one price: the single trades cannot be had
    back from it, and its ids are counted apart. So it is never put among the trades. By default
    it is counted in ``ignored``; with ``aggregate=True`` the feed subscribes to it instead of
    ``@trade``, and its rows bear the venue ``binance-agg`` (``binance-us-agg``) and the
    aggregate's id, so that the two spaces of keys never mix.

    Times in ms and in µs (``timeUnit=MICROSECOND``) are told apart by their magnitude. The
    aggressor sold where ``m``, buyer is maker, is true.
    """

    name = "binance"
    venue = "binance"
    default_url = "wss://stream.binance.com:9443"
    # There is no heartbeat in the stream, and a quiet pair was silent for 10.5 s: a ping frame
    # each 20 s is the only proof of life, so two may be lost. Connections are cut after 24 h.
    liveness = Liveness(silence_seconds=45, stream_silence_seconds=30, connection_seconds=24 * 3600)
    attempts = ATTEMPTS
    layouts = LAYOUTS

    def __init__(self, *, aggregate: bool = False) -> None:
        self._symbols = SymbolTable(self.venue)
        self._aggregates = SymbolTable(f"{self.venue}-agg") if aggregate else None
        self._parser = Parser(self._symbols, aggregates=self._aggregates)

    def parse(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Read one text frame into ``out``; see :meth:`Feed.parse`."""
        read_or_reject(self._parser.read, frame, receive_time=receive_time, out=out)

    def instrument_of(self, native: str) -> Instrument:
        """Give the instrument of ``BTCUSDT``, as subscribed to or by its ending; see :meth:`Feed.instrument_of`."""
        return self._symbols[native]

    def reconnected(self) -> None:
        """Nothing belongs to one connection: ids and times go on across it."""

    def connect_path(self, symbols: Sequence[str]) -> str:
        """Give the path of the combined stream; remembers the symbols, whose frames it then names exactly.

        Raises
        ------
        ValueError
            If the symbols need more than 1,024 streams, or there are none.
        UnknownSymbol
            If one is not canonical.
        """
        # What a symbol names may change with this, so what was learnt of it before is forgotten.
        self._reader = None
        native = [self._symbols.subscribe(symbol) for symbol in symbols]
        if self._aggregates is None:
            return stream_path(native, ("trade", "bookTicker"))
        for symbol in symbols:
            self._aggregates.subscribe(symbol)
        return stream_path(native, ("aggTrade", "bookTicker"))

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Give nothing to send: the path names the streams."""
        return []


class BinanceUsFeed(BinanceFeed):
    """Binance.US: the same formats, other symbols and ids. Binance.com refuses US addresses with 451."""

    name = "binance-us"
    venue = "binance-us"
    default_url = "wss://stream.binance.us:9443"
