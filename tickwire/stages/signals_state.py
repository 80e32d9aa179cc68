"""What the signals stage remembers of a partition, and its bytes: a version, then MessagePack."""

from dataclasses import dataclass, field
from itertools import accumulate

import msgspec

from tickwire.bar_table import BarTable
from tickwire.detect.detectors import Detectors, PackedDetectors
from tickwire.errors import UnreadableState
from tickwire.stages.bar_table_state import PackedBars, pack_bars, unpack_bars
from tickwire.stages.continuity import SymbolContinuity
from tickwire.stages.continuity_state import PackedContinuity, pack_continuity, unpack_continuity
from tickwire.stages.signals_minutes import Rings
from tickwire.stages.signals_pending import PackedPending, Pending
from tickwire.stages.stale_bars import StaleBars
from tickwire.symbols import Instrument

_VERSION = 5
_SECOND = 1_000_000_000

QuoteRow = tuple[int, ...]
"""A quote: the columns of :class:`~tickwire.columns.QuoteBatch` after ``instrument``."""


@dataclass(slots=True)
class QuotePace:
    """The newest quote of a symbol that waits, and how many went out in the current second.

    ``second`` is when the current second began, ns by the records' own clock.
    """

    second: int = 0
    sent: int = 0
    waiting: QuoteRow | None = None


@dataclass(slots=True)
class SignalsState:
    """What is remembered of a partition.

    Attributes
    ----------
    counter, source : of the last output and of the last input
    bars : those that can still be amended
    quotes : their pace
    stale : bars to recompute that no record has told yet
    continuity : by (venue, symbol)
    closed : end of the newest minute that closed, ns UTC
    pending : predictions whose horizon has not come
    detectors : of whales and anomalies
    rings : the minutes of the last day, where they are in memory; not saved
    waiting : instruments of which a quote waits
    changed : keys of ``continuity`` of which something is to be told
    """

    counter: int = 0
    source: int = 0
    bars: BarTable = field(default_factory=BarTable)
    quotes: dict[Instrument, QuotePace] = field(default_factory=dict)
    stale: StaleBars = field(default_factory=StaleBars)
    continuity: dict[tuple[str, str], SymbolContinuity] = field(default_factory=dict)
    closed: int = 0
    pending: Pending = field(default_factory=Pending.none)
    detectors: Detectors = field(default_factory=Detectors)
    rings: Rings | None = None
    waiting: set[Instrument] = field(init=False)
    changed: set[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        # What a record brings is all that it should cost, however many symbols are known.
        self.waiting = {instrument for instrument, pace in self.quotes.items() if pace.waiting is not None}
        self.changed = {key for key, one in self.continuity.items() if one.changed or one.urgent}


class _Quotes(msgspec.Struct, array_like=True):
    instrument: tuple[str, str, int, int]
    second: int
    sent: int
    waiting: tuple[int, ...] | None


class _Stale(msgspec.Struct, array_like=True):
    venue: str
    symbol: str
    interval: int
    # Of each bar, in intervals, how far its start lies behind the one before; and its trades.
    steps: list[int]
    trades: list[int]


class _Partition(msgspec.Struct, array_like=True):
    counter: int
    source: int
    bars: PackedBars
    quotes: list[_Quotes]
    stale: list[_Stale]
    continuity: list[PackedContinuity]
    closed: int
    pending: PackedPending
    detectors: PackedDetectors


_decode = msgspec.msgpack.Decoder(_Partition).decode
_encode = msgspec.msgpack.Encoder().encode


def dump_state(state: SignalsState) -> bytes:
    """Give the bytes of a state between two records; the same state always gives the same bytes."""
    quotes = [_dump_quotes(instrument, state.quotes[instrument]) for instrument in sorted(state.quotes)]
    stale = [_dump_stale(*group, starts) for group, starts in state.stale.waiting.items()]
    continuity = [pack_continuity(*key, state.continuity[key]) for key in sorted(state.continuity)]
    bars, pending = pack_bars(state.bars), state.pending.pack()
    return bytes([_VERSION]) + _encode(
        _Partition(
            *(state.counter, state.source, bars, quotes, stale, continuity, state.closed, pending),
            detectors=state.detectors.pack(),
        )
    )


def load_state(data: bytes) -> SignalsState:
    """Read what :func:`dump_state` wrote.

    Raises
    ------
    UnreadableState
        If the bytes are of another version, or damaged.
    """
    if data[:1] != bytes([_VERSION]):
        raise UnreadableState(f"signals state of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
    try:
        partition = _decode(memoryview(data)[1:])
        bars = unpack_bars(partition.bars)
        stale = {(item.venue, item.symbol, item.interval): _load_stale(item) for item in partition.stale}
        continuity = {(item.venue, item.symbol): unpack_continuity(item) for item in partition.continuity}
        pending = Pending.unpack(partition.pending, symbols=len(bars))
        detectors = Detectors.unpack(partition.detectors)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise UnreadableState(f"damaged signals state: {error}") from error
    quotes = {
        Instrument(*item.instrument): QuotePace(item.second, item.sent, item.waiting) for item in partition.quotes
    }
    return SignalsState(
        *(partition.counter, partition.source, bars, quotes, StaleBars(stale), continuity),
        closed=partition.closed,
        pending=pending,
        detectors=detectors,
    )


def _dump_quotes(instrument: Instrument, pace: QuotePace) -> _Quotes:
    return _Quotes(instrument, pace.second, pace.sent, pace.waiting)


def _dump_stale(venue: str, symbol: str, interval: int, starts: dict[int, int]) -> _Stale:
    order = sorted(starts)
    places = [start // (interval * _SECOND) for start in order]
    steps = [place - before for before, place in zip([0, *places], places, strict=False)]
    return _Stale(venue, symbol, interval, steps, [starts[start] for start in order])


def _load_stale(item: _Stale) -> dict[int, int]:
    width = item.interval * _SECOND
    return {place * width: trades for place, trades in zip(accumulate(item.steps), item.trades, strict=True)}
