"""What the signals stage remembers of a partition, and its bytes: a version, then MessagePack."""

from dataclasses import dataclass, field, fields
from operator import attrgetter

import msgspec

from tickwire.bars import BarSums, SymbolBars
from tickwire.errors import UnreadableState
from tickwire.symbols import Instrument

_VERSION = 1

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
    """What is remembered of a partition: the last output's and the last input's counter, the bars
    that can still be amended, and the pace of the quotes."""

    counter: int = 0
    source: int = 0
    bars: dict[tuple[str, str], SymbolBars] = field(default_factory=dict)
    quotes: dict[Instrument, QuotePace] = field(default_factory=dict)


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


class _Partition(msgspec.Struct, array_like=True):
    counter: int
    source: int
    symbols: list[_Symbol]
    quotes: list[_Quotes]


_decode = msgspec.msgpack.Decoder(_Partition).decode
_encode = msgspec.msgpack.Encoder().encode
_bar_fields = attrgetter(*(f.name for f in fields(BarSums)))


def dump_state(state: SignalsState) -> bytes:
    """Give the bytes of a state between two records; the same state always gives the same bytes."""
    symbols = [_dump_symbol(*key, state.bars[key]) for key in sorted(state.bars)]
    quotes = [_dump_quotes(instrument, state.quotes[instrument]) for instrument in sorted(state.quotes)]
    return bytes([_VERSION]) + _encode(_Partition(state.counter, state.source, symbols, quotes))


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
        bars = {(item.venue, item.symbol): _load_symbol(item) for item in partition.symbols}
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise UnreadableState(f"damaged signals state: {error}") from error
    quotes = {
        Instrument(*item.instrument): QuotePace(item.second, item.sent, item.waiting) for item in partition.quotes
    }
    return SignalsState(partition.counter, partition.source, bars, quotes)


def _dump_symbol(venue: str, symbol: str, live: SymbolBars) -> _Symbol:
    bars = {
        interval: [tuple(map(str, _bar_fields(bars[start]))) for start in sorted(bars)]
        for interval, bars in live.bars.items()
    }
    return _Symbol(venue, symbol, live.price_scale, live.size_scale, live.watermark, live.closed, bars)


def _dump_quotes(instrument: Instrument, pace: QuotePace) -> _Quotes:
    return _Quotes(instrument, pace.second, pace.sent, pace.waiting)


def _load_symbol(item: _Symbol) -> SymbolBars:
    bars = {
        interval: {sums.start: sums for sums in (BarSums(*map(int, texts)) for texts in rows)}
        for interval, rows in item.bars.items()
    }
    return SymbolBars(item.price_scale, item.size_scale, item.watermark, item.closed, bars)
