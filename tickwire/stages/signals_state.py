"""What the signals stage remembers of a partition, and its bytes: a version, then MessagePack."""

from dataclasses import dataclass, field, fields
from itertools import accumulate
from operator import attrgetter

import msgspec

from tickwire.bars import BarSums, SymbolBars
from tickwire.errors import UnreadableState
from tickwire.stages.continuity import SymbolContinuity
from tickwire.stages.continuity_state import PackedContinuity, pack_continuity, unpack_continuity
from tickwire.stages.stale_bars import StaleBars
from tickwire.symbols import Instrument

_VERSION = 2
_READABLE = (bytes([1]), bytes([_VERSION]))
"""Version 1 had nothing after the quotes."""
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
    bars : those that can still be amended, by (venue, symbol)
    quotes : their pace
    newest : highest id of a trade, by (venue, symbol)
    stale : bars to recompute that no record has told yet
    continuity : by (venue, symbol)
    """

    counter: int = 0
    source: int = 0
    bars: dict[tuple[str, str], SymbolBars] = field(default_factory=dict)
    quotes: dict[Instrument, QuotePace] = field(default_factory=dict)
    newest: dict[tuple[str, str], int] = field(default_factory=dict)
    stale: StaleBars = field(default_factory=StaleBars)
    continuity: dict[tuple[str, str], SymbolContinuity] = field(default_factory=dict)


class _Symbol(msgspec.Struct, array_like=True):
    venue: str
    symbol: str
    price_scale: int
    size_scale: int
    watermark: int
    closed: dict[int, int]
    # The fields of BarSums as decimal text, since its sums may pass 64 bits.
    bars: dict[int, list[tuple[str, ...]]]


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
    symbols: list[_Symbol]
    quotes: list[_Quotes]
    newest: list[tuple[str, str, int]] = []
    stale: list[_Stale] = []
    continuity: list[PackedContinuity] = []


_decode = msgspec.msgpack.Decoder(_Partition).decode
_encode = msgspec.msgpack.Encoder().encode
_bar_fields = attrgetter(*(f.name for f in fields(BarSums)))


def dump_state(state: SignalsState) -> bytes:
    """Give the bytes of a state between two records; the same state always gives the same bytes."""
    symbols = [_dump_symbol(*key, state.bars[key]) for key in sorted(state.bars)]
    quotes = [_dump_quotes(instrument, state.quotes[instrument]) for instrument in sorted(state.quotes)]
    newest = [(*key, state.newest[key]) for key in sorted(state.newest)]
    stale = [_dump_stale(*group, starts) for group, starts in state.stale.waiting.items()]
    continuity = [pack_continuity(*key, state.continuity[key]) for key in sorted(state.continuity)]
    return bytes([_VERSION]) + _encode(
        _Partition(state.counter, state.source, symbols, quotes, newest, stale, continuity)
    )


def load_state(data: bytes) -> SignalsState:
    """Read what :func:`dump_state` wrote.

    Raises
    ------
    UnreadableState
        If the bytes are of another version, or damaged.
    """
    if data[:1] not in _READABLE:
        raise UnreadableState(f"signals state of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
    try:
        partition = _decode(memoryview(data)[1:])
        bars = {(item.venue, item.symbol): _load_symbol(item) for item in partition.symbols}
        stale = {(item.venue, item.symbol, item.interval): _load_stale(item) for item in partition.stale}
        continuity = {(item.venue, item.symbol): unpack_continuity(item) for item in partition.continuity}
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise UnreadableState(f"damaged signals state: {error}") from error
    quotes = {
        Instrument(*item.instrument): QuotePace(item.second, item.sent, item.waiting) for item in partition.quotes
    }
    newest = {(venue, symbol): trade_id for venue, symbol, trade_id in partition.newest}
    return SignalsState(partition.counter, partition.source, bars, quotes, newest, StaleBars(stale), continuity)


def _dump_symbol(venue: str, symbol: str, live: SymbolBars) -> _Symbol:
    bars = {
        interval: [tuple(map(str, _bar_fields(bars[start]))) for start in sorted(bars)]
        for interval, bars in live.bars.items()
    }
    return _Symbol(venue, symbol, live.price_scale, live.size_scale, live.watermark, live.closed, bars)


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


def _load_symbol(item: _Symbol) -> SymbolBars:
    bars = {
        interval: {sums.start: sums for sums in (BarSums(*map(int, texts)) for texts in rows)}
        for interval, rows in item.bars.items()
    }
    return SymbolBars(item.price_scale, item.size_scale, item.watermark, item.closed, bars)
