"""Kraken Spot, WebSocket v2: trades, best bids and offers, and books that prove nothing was lost."""

from collections.abc import Sequence

from tickwire.symbols import Instrument
from tickwire.venues.feed import Feed, Liveness, ParsedFrames
from tickwire.venues.frames import read_or_reject
from tickwire.venues.kraken.layout import LAYOUTS
from tickwire.venues.kraken.parse import Parser
from tickwire.venues.kraken.subscribe import ATTEMPTS, PING, subscribe_frames
from tickwire.venues.kraken.symbols import VENUE, instrument_of, native_symbol

__all__ = ["KrakenFeed"]


class KrakenFeed(Feed):
    """Trades and quotes of Kraken's public WebSocket v2.

    Trade ids are dense per symbol; the snapshot after a subscription (flag SNAPSHOT) holds the last
    50 trades and so heals a gap of that many. The wire's side is the aggressor's already. Books are
    kept ten levels deep only to check them: a checksum that fails shows lost or altered messages,
    which Kraken does not number.
    """

    name = "kraken"
    venue = VENUE
    default_url = "wss://ws.kraken.com"
    # A heartbeat comes each second beside the data (measured: at most 1.2 s), and Kraken's page on
    # reconnecting gives 5 s. A quiet pair's book alone may rest for 26 s.
    liveness = Liveness(silence_seconds=5, stream_silence_seconds=60, ping_payload=PING, ping_seconds=30)
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
        """Forget the books and their depths."""
        self._parser.reconnected()

    def connect_path(self, symbols: Sequence[str]) -> str:
        """Give ``/v2``; what is wanted is said by :meth:`subscribe`."""
        return "/v2"

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Give one frame a channel: trade, ticker and book.

        Raises
        ------
        UnknownSymbol
            If one is not canonical.
        """
        return subscribe_frames([native_symbol(symbol) for symbol in symbols])
