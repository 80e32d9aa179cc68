"""The files in ``frames/``: a venue's recorded frames, and what a parser must make of each.

``frames/<feed>.jsonl`` holds an object a line, told apart by its first key:

``about``
    Once: where the frames come from, a ``symbol`` of the feed, and its ``native`` text in frames.
    ``sides`` gives the text in a trade's frame that says that the aggressor bought or sold.
``frame``
    A frame as recorded or documented, an object or a string, and all that must come of it:
    ``trades``, ``quotes``, ``heartbeats``, ``ignored``, ``statuses`` (texts that they hold),
    ``reconnect``, ``reject`` (the reason). Numbers are text, times RFC 3339, sides the aggressor's.
``history``
    Once: the venue's REST pages, see :class:`HistoryFacts`; or ``{"history_of": "<feed>"}``.
``reply``
    A REST reply that is no page, and the name of the error that it means.
``candles``
    A REST reply with candles, and what must come of it.

Expected values are written by hand from the frame's own text, never from what a parser made of it.
"""

from functools import lru_cache
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent / "frames"


class About(msgspec.Struct, forbid_unknown_fields=True):
    """The ``about`` line; ``unlisted`` are native texts of what the venue lists beside spot pairs."""

    about: str
    symbol: str
    native: str
    sides: dict[str, str]
    unlisted: list[str] = []


class Trade(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    price: str
    size: str
    side: str
    time: str
    symbol: str | None = None
    snapshot: bool = False


class Quote(msgspec.Struct, forbid_unknown_fields=True):
    """``time`` is left out where the venue states none: then it is the time of receipt."""

    bid: str
    bid_size: str
    ask: str
    ask_size: str
    time: str | None = None
    symbol: str | None = None


class Beat(msgspec.Struct, forbid_unknown_fields=True):
    last_id: int
    time: str
    symbol: str | None = None


class Frame(msgspec.Struct, forbid_unknown_fields=True):
    frame: msgspec.Raw
    trades: list[Trade] = []
    quotes: list[Quote] = []
    heartbeats: list[Beat] = []
    ignored: list[str] = []
    statuses: list[str] = []
    reconnect: bool = False
    reject: str | None = None

    @property
    def wire(self) -> bytes:
        """The bytes of the text frame, an object's as they stand in the file."""
        raw = bytes(self.frame)
        return msgspec.json.decode(raw, type=str).encode() if raw[:1] == b'"' else raw


class Cursor(msgspec.Struct, forbid_unknown_fields=True):
    """A query's field that says where a page starts, and by which ``rule``: ``id>=``, ``id<`` or ``ns>``."""

    name: str
    rule: str


class Limit(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    most: int


class Rate(msgspec.Struct, forbid_unknown_fields=True):
    """The documented limit: ``weight`` in any ``seconds``; or a bucket of ``burst``, ``per_second`` coming back."""

    weight: int = 0
    seconds: int = 0
    burst: int = 0
    per_second: int = 0


class HistoryFacts(msgspec.Struct, forbid_unknown_fields=True):
    """How the venue's pages of trades look.

    ``row`` has ``{id}`` and the time as ``{ms}``, ``{seconds}`` or ``{rfc3339}``; ``page`` has
    ``{rows}``, and ``{last}`` for the time in ns of the last row. ``symbol`` is what the query
    must hold. ``price``, ``size`` and ``side`` are what each row states.
    """

    row: str
    page: str
    rising: bool
    cursor: Cursor
    limit: Limit
    rate: Rate
    symbol: str
    price: str
    size: str
    side: str


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    reply: msgspec.Raw
    error: str
    status: int = 200
    headers: dict[str, str] = {}
    seconds: float | None = None
    """How long a throttled client must wait at least."""


class CandleRow(msgspec.Struct, forbid_unknown_fields=True):
    start: str
    open: str
    high: str
    low: str
    close: str
    volume: str


class Candles(msgspec.Struct, forbid_unknown_fields=True):
    candles: msgspec.Raw
    interval: int
    start: str
    end: str
    expected: list[CandleRow]


class VenueFile(msgspec.Struct):
    """All that ``frames/<feed>.jsonl`` says."""

    feed: str
    about: About
    frames: list[Frame]
    history: HistoryFacts
    replies: list[Reply]
    candles: list[Candles]


@lru_cache
def venue_file(feed: str) -> VenueFile:
    """Read a feed's file; fails where it is missing or a line is not as described above."""
    path = FOLDER / f"{feed}.jsonl"
    assert path.exists(), f"record frames of {feed} into {path}: see docs/adding-a-venue.md"
    kinds: dict[str, list[bytes]] = {}
    for line in path.read_bytes().splitlines():
        if line:
            first = next(iter(msgspec.json.decode(line, type=dict[str, msgspec.Raw])))
            kinds.setdefault(first, []).append(line)
    replies, candles = kinds.pop("reply", []), kinds.pop("candles", [])
    (about,), frames = kinds.pop("about"), kinds.pop("frame")
    if "history_of" in kinds:
        shared = venue_file(msgspec.json.decode(kinds.pop("history_of")[0])["history_of"])
        history, shared_replies, shared_candles = shared.history, shared.replies, shared.candles
    else:
        (facts,), shared_replies, shared_candles = kinds.pop("history"), [], []
        history = msgspec.json.decode(facts, type=dict[str, HistoryFacts])["history"]
    assert not kinds, f"{path} has lines of an unknown kind: {', '.join(kinds)}"
    return VenueFile(
        feed,
        msgspec.json.decode(about, type=About),
        [msgspec.json.decode(line, type=Frame) for line in frames],
        history,
        [msgspec.json.decode(line, type=Reply) for line in replies] + shared_replies,
        [msgspec.json.decode(line, type=Candles) for line in candles] + shared_candles,
    )
