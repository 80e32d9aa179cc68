"""The feed class of OKX Spot."""

from collections.abc import Sequence

from tickwire.symbols import Instrument
from tickwire.venues.feed import Feed, Liveness, ParsedFrames
from tickwire.venues.frames import read_or_reject
from tickwire.venues.okx.layout import LAYOUTS
from tickwire.venues.okx.parse import Parser
from tickwire.venues.okx.subscribe import ATTEMPTS, PATH, PING, subscribe_frame
from tickwire.venues.okx.symbols import VENUE, instrument_of, native_symbol

__all__ = ["OkxFeed"]


class OkxFeed(Feed):
    """Trades of OKX Spot, from the channel ``trades-all``.

    Its updates hold one trade each, under ids that are dense per instrument: OKX's page says of
    the channel ``trades`` that an aggregate with ``count`` 3 and ``tradeId`` 123 stands for the
    trades 121 to 123. ``side`` is the taker's.

    There are no quotes: the channels that carry them (``bbo-tbt``, ``tickers``, ``books5``) are
    served by ``/ws/v5/public`` alone and ``trades-all`` by ``/ws/v5/business`` alone, and a feed
    is one connection.
    """

    name = "okx"
    venue = VENUE
    default_url = "wss://ws.okx.com:8443"
    # OKX cuts a connection on which nothing was pushed for 30 s, and answers the text `ping` with
    # `pong`: a ping each 15 s keeps a quiet one alive and proves it, two answers may be lost.
    # A service upgrade is announced 60 s ahead on the public path; where it is not, the cut tells.
    liveness = Liveness(silence_seconds=35, stream_silence_seconds=60, ping_payload=PING, ping_seconds=15)
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
        """Nothing belongs to one connection: the ids go on across it, and there is no snapshot."""

    def connect_path(self, symbols: Sequence[str]) -> str:
        """Give ``/ws/v5/business``; what is wanted is said by :meth:`subscribe`."""
        return PATH

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Give the one frame that subscribes to the trades of these canonical symbols.

        Raises
        ------
        UnknownSymbol
            If one is not canonical.
        """
        return [subscribe_frame([native_symbol(symbol) for symbol in symbols])]
