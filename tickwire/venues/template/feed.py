"""The feed class: what the ingestor asks of a venue, put together from the modules beside this one."""

from collections.abc import Sequence

from tickwire.symbols import Instrument
from tickwire.venues.feed import Feed, Liveness, ParsedFrames
from tickwire.venues.frames import read_or_reject
from tickwire.venues.template.layout import LAYOUTS
from tickwire.venues.template.parse import Parser
from tickwire.venues.template.subscribe import ATTEMPTS, subscribe_frame
from tickwire.venues.template.symbols import VENUE, instrument_of, native_symbol

__all__ = ["TemplateFeed"]


class TemplateFeed(Feed):
    """Trades and best bids and offers of the example venue."""

    name = "template"
    venue = VENUE
    default_url = "wss://feed.example.com"
    # ``alive`` comes each second: five missed ones are a dead socket.
    liveness = Liveness(silence_seconds=5, stream_silence_seconds=60)
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
        """Nothing belongs to one connection here; a book or a sequence number would."""

    def connect_path(self, symbols: Sequence[str]) -> str:
        """Give ``/``; what is wanted is said by :meth:`subscribe`."""
        return "/"

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Give the one frame that subscribes to these canonical symbols.

        Raises
        ------
        UnknownSymbol
            If one is not canonical.
        """
        return [subscribe_frame([native_symbol(symbol) for symbol in symbols])]
