"""A venue to copy: a tiny feed, complete and tested, in a format of its own.

To add a venue
--------------
1. Copy this folder to ``tickwire/venues/<venue>/`` and ``tests/unit/venues/template/`` to
   ``tests/unit/venues/<venue>/``. Keep the file names: a reader who knows one venue knows all.
2. Record some minutes of its socket, a frame a line (``<receive ns> <frame>``), before writing any
   code, and follow the recording where the venue's documentation differs. Answer from it:

   * Are trade ids dense per symbol? All that follows rests on it: de-duplication, gaps, the proof.
   * Is ``side`` the taker's or the maker's? Look at which way the price moved: after an aggressive
     buy it does not fall. Coinbase names the maker's.
   * Are numbers strings or bare JSON numbers? Never let one become a float (see ``kraken``).
   * Are times in ms, µs or ns, or RFC 3339 with how many digits?
   * What comes after subscribing: a snapshot that overlaps? In which order?
   * What proves that the connection lives when nobody trades: heartbeats, pings?

3. ``symbols.py``: the venue's symbols to canonical ones (``BTC-USD``) and back.
4. ``parse.py``: typed msgspec messages with only the fields that are read, the fields that are
   expected (so that a change of schema is noticed), and rows into :class:`ParsedFrames`. Count
   what is of no use in ``ignored``; raise ``UnreadableFrame`` for what cannot be read, with
   the field and its value. Nothing that a frame holds may raise anything else: fuzz it.
5. ``subscribe.py``: the frames to send, or the path to connect to.
6. This file: the feed class, with ``liveness`` from the venue's own rules.
7. Name it in ``tickwire/venues/registry.py``, and teach ``tickwire.capture.feed_of_frame`` to know
   its frames. The ingestor, ``tickwire normalize`` and the stages after it need no change.
8. Test: documented frames, the recording (ids contiguous, prices equal to the text of the frame),
   properties, fuzzing. ``local/exchange`` speaks it once it has a simulator in its format.

The format of this example
--------------------------
A text frame is one JSON object::

    {"type":"trade","market":"BTC_USD","id":17,"price":"63501.60","size":"0.0185","taker":"buy","time":1783465205562}
    {"type":"top","market":"BTC_USD","bid":["63501.60","1.5"],"ask":["63501.70","0.2"],"time":1783465205562}
    {"type":"alive"}                          each second
    {"type":"notice","text":"maintenance at 10:00"}

``id`` is dense per market, ``taker`` the aggressor's side, ``time`` Unix ms. One subscribes with
``{"type":"subscribe","markets":["BTC_USD"]}`` and is answered ``{"type":"subscribed",…}``.
"""

from collections.abc import Sequence

from tickwire.venues.feed import Feed, Liveness, ParsedFrames
from tickwire.venues.frames import read_or_reject
from tickwire.venues.template.parse import Parser
from tickwire.venues.template.subscribe import subscribe_frame
from tickwire.venues.template.symbols import VENUE, native_symbol

__all__ = ["TemplateFeed"]


class TemplateFeed(Feed):
    """Trades and best bids and offers of the example venue."""

    name = "template"
    venue = VENUE
    default_url = "wss://feed.example.com"
    # ``alive`` comes each second: five missed ones are a dead socket.
    liveness = Liveness(silence_seconds=5, stream_silence_seconds=60)

    def __init__(self) -> None:
        self._parser = Parser()

    def parse(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Read one text frame into ``out``; see :meth:`Feed.parse`."""
        read_or_reject(self._parser.read, frame, receive_time=receive_time, out=out)

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
