"""What the validator remembers of a partition, and its bytes.

The bytes are a version (one byte), then MessagePack. Sets of ids are compact ranges, deflated
where that helps: a symbol without trouble takes about 500 bytes, nearly all of them the recent prices,
and the worst one (every other id of the window lost) about 16 KiB.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from zlib import compress, decompress
from zlib import error as zlib_error

import msgspec

from tickwire.errors import UnreadableState
from tickwire.intervals import IntervalSet
from tickwire.validation.price_band import PriceBand
from tickwire.validation.sequence import CAUSES, TradeSequence
from tickwire.validation.sequence_table import SequenceTable, SymbolState
from tickwire.validation.spans import Span

__all__ = ["SymbolState", "ValidatorState", "dump_state", "load_state"]

_VERSION = 2
_DEFLATE_FROM = 256
"""Shorter sets are kept plain: deflating them would make them longer."""


@dataclass(slots=True)
class ValidatorState:
    """What is remembered of a partition: the last output's counter, the last input's Kinesis
    sequence number, and its symbols by (venue, symbol). ``table`` is where their numbers lie while records are
    processed, and no part of what is remembered."""

    counter: int = 0
    source: int = 0
    symbols: dict[tuple[str, str], SymbolState] = field(default_factory=dict)
    table: SequenceTable | None = field(default=None, compare=False, repr=False)


class _Symbol(msgspec.Struct, array_like=True):
    venue: str
    symbol: str
    price_scale: int
    first_id: int
    last_id: int
    missing: bytes
    quarantined_ids: bytes
    absent: bytes
    # accepted, duplicates, quarantined
    rows: tuple[int, int, int]
    # missing, quarantined, absent, highest id of them
    forgotten: tuple[int, int, int, int]
    far_ids: list[int]
    # id, time
    tail: tuple[int, int]
    last_time: int
    # first, last, place in CAUSES, after time, before time
    spans: list[tuple[int, int, int, int, int]]
    # Ranges not yet reported, in the order of CAUSES.
    unreported: list[bytes]
    # The first price, then differences.
    recent_prices: list[int]
    # fresh, low, high
    band: tuple[int, int, int]
    # update id, time
    quote: tuple[int, int]


class _Partition(msgspec.Struct, array_like=True):
    counter: int
    # Decimal text: Kinesis sequence numbers have 56 digits.
    source: str
    symbols: list[_Symbol]


_decode = msgspec.msgpack.Decoder(_Partition).decode
_encode = msgspec.msgpack.Encoder().encode


def dump_state(state: ValidatorState) -> bytes:
    """Give the bytes of a state between two records; the same state always gives the same bytes."""
    symbols = [_dump_symbol(*key, state.symbols[key]) for key in sorted(state.symbols)]
    return bytes([_VERSION]) + _encode(_Partition(state.counter, str(state.source), symbols))


def load_state(data: bytes) -> ValidatorState:
    """Read what :func:`dump_state` wrote.

    Raises
    ------
    UnreadableState
        If the bytes are of another version, or damaged.
    """
    if data[:1] != bytes([_VERSION]):
        raise UnreadableState(f"validator state of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
    try:
        partition = _decode(memoryview(data)[1:])
        symbols = {(item.venue, item.symbol): _load_symbol(item) for item in partition.symbols}
        return ValidatorState(partition.counter, int(partition.source), symbols)
    except (msgspec.MsgspecError, ValueError, IndexError, zlib_error) as error:
        raise UnreadableState(f"damaged validator state: {error}") from error


def _dump_symbol(venue: str, symbol: str, state: SymbolState) -> _Symbol:
    sequence, band = state.sequence, state.band
    prices = band.recent
    return _Symbol(
        venue,
        symbol,
        state.price_scale,
        sequence.first_id,
        sequence.last_id,
        _dump_ids(sequence.missing),
        _dump_ids(sequence.quarantined_ids),
        _dump_ids(sequence.absent),
        (sequence.accepted, sequence.duplicates, sequence.quarantined),
        (
            sequence.forgotten_missing,
            sequence.forgotten_quarantined,
            sequence.forgotten_absent,
            sequence.forgotten_until,
        ),
        sequence.far_ids,
        (sequence.tail_id, sequence.tail_time),
        sequence.last_time,
        [(s.first, s.last, CAUSES.index(s.cause), s.after_time, s.before_time) for s in sequence.spans],
        [_dump_ids(sequence.unreported[cause]) for cause in CAUSES],
        prices[:1] + [new - old for old, new in pairwise(prices)],
        (band.fresh, band.low, band.high),
        (state.quote_update_id, state.quote_time),
    )


def _load_symbol(item: _Symbol) -> SymbolState:
    accepted, duplicates, quarantined = item.rows
    forgotten_missing, forgotten_quarantined, forgotten_absent, forgotten_until = item.forgotten
    prices: list[int] = []
    for difference in item.recent_prices:
        prices.append(difference + prices[-1] if prices else difference)
    sequence = TradeSequence(
        first_id=item.first_id,
        last_id=item.last_id,
        missing=_load_ids(item.missing),
        quarantined_ids=_load_ids(item.quarantined_ids),
        absent=_load_ids(item.absent),
        accepted=accepted,
        duplicates=duplicates,
        quarantined=quarantined,
        forgotten_missing=forgotten_missing,
        forgotten_quarantined=forgotten_quarantined,
        forgotten_absent=forgotten_absent,
        forgotten_until=forgotten_until,
        far_ids=item.far_ids,
        tail_id=item.tail[0],
        tail_time=item.tail[1],
        last_time=item.last_time,
        spans=[Span(first, last, CAUSES[cause], after, before) for first, last, cause, after, before in item.spans],
        unreported={cause: _load_ids(ids) for cause, ids in zip(CAUSES, item.unreported, strict=True)},
    )
    return SymbolState(item.price_scale, sequence, PriceBand(prices, *item.band), *item.quote)


def _dump_ids(ids: IntervalSet) -> bytes:
    plain = ids.to_bytes()
    return b"\1" + compress(plain, 6) if len(plain) >= _DEFLATE_FROM else b"\0" + plain


def _load_ids(data: bytes) -> IntervalSet:
    return IntervalSet.from_bytes(decompress(data[1:]) if data[:1] == b"\1" else data[1:])
