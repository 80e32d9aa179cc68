"""What every venue's feed offers: frames in, columns and counts out; what to send; when it is dead."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from tickwire.columns import QuoteRows, TradeRows
from tickwire.records import Heartbeat
from tickwire.symbols import Instrument
from tickwire.venues.layout import Layout
from tickwire.venues.rate_budget import RateRules

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tickwire.venues.frame_buffer import FrameBuffer
    from tickwire.venues.layout_reader import LayoutReader

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Larger frames are rejected unread; Coinbase's largest book snapshot is about 5 MB."""


class RejectReason(StrEnum):
    """Why a frame went to frames-dlq as received."""

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_NUMBER = "bad_number"
    BAD_TIME = "bad_time"
    UNKNOWN_SYMBOL = "unknown_symbol"
    CHECKSUM = "checksum"
    TOO_LARGE = "too_large"
    PARSER_FAILED = "parser_failed"
    """The parser itself raised, which is its fault: the host keeps the frame."""


@dataclass(frozen=True, slots=True)
class FrameReject:
    """A frame that could not be read, kept as received."""

    reason: RejectReason
    detail: str
    frame: bytes
    receive_time: int


@dataclass(frozen=True, slots=True)
class VenueStatus:
    """A venue's word about itself.

    ``reconnect`` asks for a new connection at once (Binance's serverShutdown). ``halted`` says that
    the venue does not trade for now (maintenance), so that silence is no fault of the connection, or
    that it does again; None says nothing about that. ``text`` is for people: ``system online``,
    ``error: …``.
    """

    text: str
    reconnect: bool = False
    halted: bool | None = None


@dataclass(slots=True)
class ParsedFrames:
    """What a run of frames held. A feed adds to it; the host takes it and starts a new one.

    ``ignored`` counts messages by type that carry nothing for us; ``drift`` counts changes of
    schema as ``<type>.<field> appeared|vanished|type_changed``; ``checksum_failures`` counts
    Kraken books that did not match their CRC32. ``replies`` are text frames that the parser wants
    sent on the connection that it reads, in order, such as those that fetch a new book.
    ``slow_frames`` counts those of ``frames`` that were read together with others and matched none of
    the feed's layouts: when nearly all do, the venue has changed how it writes its frames.
    """

    trades: TradeRows = field(default_factory=TradeRows)
    quotes: QuoteRows = field(default_factory=QuoteRows)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    rejects: list[FrameReject] = field(default_factory=list)
    statuses: list[VenueStatus] = field(default_factory=list)
    frames: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    checksum_failures: int = 0
    replies: list[bytes] = field(default_factory=list)
    slow_frames: int = 0


@dataclass(frozen=True, slots=True)
class Liveness:
    """When a connection, or one stream of it, must be taken for dead.

    Attributes
    ----------
    silence_seconds : no frame at all for this long (control frames count) means a dead socket
    stream_silence_seconds : a liquid symbol silent this long while its siblings speak is dead
    ping_payload : text frame to send every ``ping_seconds`` where the venue wants one, or None
    connection_seconds : the venue cuts a connection after this long (Binance: 24 h), or None
    """

    silence_seconds: float
    stream_silence_seconds: float
    ping_payload: bytes | None = None
    ping_seconds: float = 30.0
    connection_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """How often one address may try to connect: half of what the venue allows.

    The other half is left for others behind the address, and for tasks that cannot reach the count
    that they share.

    Attributes
    ----------
    rules : the budget, in units
    weight : units that one attempt costs
    """

    rules: RateRules
    weight: int


class Feed(ABC):
    """One venue's WebSocket feed. A parser may keep state (a book, a sequence), one a connection.

    ``venue`` is the name in columns (``binance``, ``binance-us``, ``coinbase``, ``kraken``; both
    Coinbase feeds are ``coinbase``, as their trade ids are one space); ``name`` tells feeds apart
    (``coinbase-advanced``).
    """

    name: str
    venue: str
    liveness: Liveness
    default_url: str
    attempts: AttemptLimit = AttemptLimit(RateRules(burst=300, per_second=1), weight=4)
    """75 at once and one each 4 s, for a venue that says nothing."""
    messages_per_second: int = 5
    """Text frames that may be sent on one connection; of the venues here Binance allows the fewest, 5."""
    layouts: ClassVar[tuple[Layout, ...]] = ()
    """The frames that come most, byte for byte: :meth:`parse_frames` reads them about forty times as fast."""
    _reader: "LayoutReader | None" = None

    @abstractmethod
    def parse(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Read one text frame into ``out``. Never raises for what a frame holds.

        An unreadable frame becomes a :class:`FrameReject`. Where a frame carries several trades
        and one cannot be read, the readable ones are kept and the frame is a reject as well:
        redriving it adds only what is new, since trades are known by their ids.
        """

    def parse_frames(self, frames: "FrameBuffer", out: ParsedFrames) -> None:
        """Read text frames into ``out``: the same as :meth:`parse` of one after the other, and faster.

        Those that match one of :attr:`layouts` a kernel reads, the others :meth:`parse`. A frame on which
        the parser raises, which is its fault, becomes a reject PARSER_FAILED, and the others go on.
        """
        self.prepare()
        if self._reader is not None:
            self._reader.read(frames, out)
            return
        for k in range(len(frames)):
            self.parse_guarded(frames.frame(k), frames.receive_time(k), out)

    def prepare(self) -> None:
        """Load the kernel of :attr:`layouts`, so that the first frames do not wait for it."""
        if self._reader is None and self.layouts:
            # Here, not above: a feed whose frames are parsed one by one needs no compiler.
            from tickwire.venues.layout_reader import LayoutReader

            self._reader = LayoutReader(self)

    def parse_guarded(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Read one text frame as :meth:`parse` does, and keep it as a reject if the parser raises."""
        try:
            self.parse(frame, receive_time, out)
        except Exception as error:  # whatever it is, the frame must not be lost with it
            detail = f"{type(error).__name__}: {error}"
            out.rejects.append(FrameReject(RejectReason.PARSER_FAILED, detail, frame, receive_time))

    def instrument_of(self, native: str) -> Instrument:
        """Give the instrument that the parser takes ``native`` in a ``<symbol>`` of :attr:`layouts` for.

        Raises
        ------
        UnreadableFrame
            UNKNOWN_SYMBOL, as the parser would.
        NotImplementedError
            If the feed has no layouts.
        """
        raise NotImplementedError(f"{self.name} has no layouts")

    def follow(self, sequences: "npt.NDArray[np.int64]", out: ParsedFrames) -> None:
        """Take note of the ``<sequence>`` of each frame that a layout matched, int64 (n,), in order of arrival.

        Called for what lies between frames that :meth:`parse` reads, so that both see the numbers in order.
        Only for layouts that have one; all layouts of a feed have it, or none.

        Raises
        ------
        NotImplementedError
            If the feed has no such layouts.
        """
        raise NotImplementedError(f"{self.name} numbers no messages")

    @abstractmethod
    def reconnected(self) -> None:
        """Forget what belongs to one connection (books, connection-wide sequence numbers)."""

    @abstractmethod
    def connect_path(self, symbols: Sequence[str]) -> str:
        """Give the path and query to connect to for these canonical symbols (``BTC-USDT``)."""

    @abstractmethod
    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Give the text frames to send after connecting, in order; empty where the path says it."""
