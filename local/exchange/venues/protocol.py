"""What every feed's protocol offers to the server."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import ClassVar

from local.exchange.events import Event
from local.exchange.market import Market
from tickwire.errors import TickwireError

EVERYONE = ""
"""Topic of frames that go to every connection that has subscribed to anything."""

_BEAT_PATIENCE = 1_500_000_000
"""ns; venues beat once a second."""

TradeRange = tuple[str, int, int]
"""(canonical symbol, first id, last id), inclusive."""


class UnknownPath(TickwireError, ValueError):
    """A client asked for a path that the venue's WebSocket does not have."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A frame on its way to whoever subscribed to one of its topics.

    Attributes
    ----------
    body : the frame's text; a session may still wrap it or put its own number between it and ``tail``
    topics : as in :attr:`Session.topics`; empty for an answer to one connection
    trades : the trades in it, which count as announced once a socket took the whole frame
    recorded : a frame of a capture, which goes out byte for byte
    holders : connections that have it queued; ``written`` once one of them sent it whole, or a
        fault took care that none will
    """

    body: bytes
    topics: tuple[str, ...] = ()
    trades: tuple[TradeRange, ...] = ()
    tail: bytes | None = None
    recorded: bool = False
    holders: int = 0
    written: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a captured frame is: who wants it, which trades it announces, and the venue's time in it (ns UTC)."""

    topics: tuple[str, ...]
    trades: tuple[TradeRange, ...] = ()
    time: int | None = None
    symbols: tuple[str, ...] = ()
    """Canonical."""
    beat: bool = False
    """A venue's heartbeat."""


UNREADABLE = Recorded((EVERYONE,))
"""A frame that nobody can read is sent to everyone, as whoever recorded it also got it."""


@dataclass(slots=True)
class Desk:
    """What a protocol knows of the source behind it.

    Attributes
    ----------
    markets : by canonical symbol; None for a symbol of a recording, which has no state to show
    beat_replayed : ns UTC when a recorded heartbeat was sent last
    recorded_ids : newest trade id sent from recordings, by canonical symbol
    maintenances : reasons why the venue is under maintenance at present
    """

    markets: Mapping[str, Market | None]
    beat_replayed: int = 0
    recorded_ids: dict[str, int] = field(default_factory=dict)
    maintenances: int = 0

    @property
    def system(self) -> str:
        """Kraken's word for how the venue is."""
        return "maintenance" if self.maintenances else "online"

    @property
    def is_recorded(self) -> bool:
        """Whether the symbols are those of recordings."""
        return not any(market is not None for market in self.markets.values())

    def beats_itself(self, now: int) -> bool:
        """Whether the venue's heartbeats must be made, as no recorded one was sent for a while."""
        return now - self.beat_replayed > _BEAT_PATIENCE

    def last_trade_id(self, symbol: str) -> int:
        """Give the newest trade's id, or 0 where there is none."""
        market = self.markets.get(symbol)
        return self.recorded_ids.get(symbol, 0) if market is None else market.last_trade_id


class Session(ABC):
    """One client's connection: what it subscribed to, and the answers to what it sends."""

    deadline_seconds: ClassVar[float | None] = None
    """A client that has not subscribed within this is cut."""
    ping_seconds: ClassVar[float | None] = None
    """The server sends a ping frame this often and cuts who stays silent for three of them."""
    incoming_per_second: ClassVar[int] = 100
    """More messages (ping and pong frames too) cut the connection."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.topics: set[str] = set()

    def greeting(self, now: int) -> list[Outgoing]:
        """Give what the venue says first, at ``now`` (ns UTC)."""
        return []

    @abstractmethod
    def receive(self, text: str, now: int) -> list[Outgoing]:
        """Take a client's message and give the answers, in order. Never raises for what it holds."""

    def render(self, outgoing: Outgoing) -> bytes:
        """Give the frame as this connection gets it."""
        return outgoing.body


class FeedProtocol(ABC):
    """One feed: its sessions, and its frames from the market's events."""

    def __init__(self, feed: str, venue: str, desk: Desk) -> None:
        self.feed = feed
        self.venue = venue
        self.desk = desk

    @abstractmethod
    def open(self, path: str, query: Mapping[str, str]) -> Session:
        """Start a session of a client that connected to ``path``.

        Raises
        ------
        UnknownPath
            If the venue has no such path.
        """

    @abstractmethod
    def encode(self, event: Event, interest: AbstractSet[str]) -> Iterable[Outgoing]:
        """Give the frames of a market event; topics outside ``interest`` may be left out."""

    def beat(self, now: int, interest: AbstractSet[str]) -> list[Outgoing]:
        """Give what the venue sends once a second, at ``now`` (ns UTC)."""
        return []

    @abstractmethod
    def describe(self, frame: bytes) -> Recorded | None:
        """Tell what a captured frame is; None for what the server itself answers (acks, status)."""
