"""The compact form of a symbol's continuity within the state of the signals stage."""

import msgspec

from tickwire.intervals import IntervalSet
from tickwire.stages.continuity import HourTally, SymbolContinuity
from tickwire.stages.gap_tally import HOUR, GapTally, Share
from tickwire.validation.sequence import CAUSES


class _PackedGap(msgspec.Struct, array_like=True):
    first: int
    length: int
    # The number of the cause, since three words come again and again.
    cause: int
    noticed: int
    after_time: int
    before_time: int
    closed: int
    # (first id, last id, hour), ids from the gap's first one on, hours since 1970.
    shares: list[tuple[int, int, int]]
    missing: bytes
    absent: bytes
    quarantined: bytes
    history: bytes


class PackedContinuity(msgspec.Struct, array_like=True):
    """What :func:`unpack_continuity` reads."""

    venue: str
    symbol: str
    told: int
    changed: bool
    urgent: bool
    hours: list[tuple[int, int, int, int, int, int, int]]
    gaps: list[_PackedGap]


def pack_continuity(venue: str, symbol: str, continuity: SymbolContinuity) -> PackedContinuity:
    """Give the form to be encoded; the same for the same continuity."""
    hours = [
        (start // HOUR, hour.trades, hour.low, hour.high - hour.low, hour.missing, hour.absent, hour.quarantined)
        for start, hour in sorted(continuity.hours.items())
    ]
    gaps = [_pack_gap(gap) for gap in continuity.gaps]
    return PackedContinuity(venue, symbol, continuity.told, continuity.changed, continuity.urgent, hours, gaps)


def unpack_continuity(packed: PackedContinuity) -> SymbolContinuity:
    """Read what :func:`pack_continuity` made.

    Raises
    ------
    ValueError, IndexError
        If it is damaged.
    """
    hours = {
        hour * HOUR: HourTally(trades, low, low + ids, missing, absent, quarantined)
        for hour, trades, low, ids, missing, absent, quarantined in packed.hours
    }
    gaps = [_unpack_gap(gap) for gap in packed.gaps]
    return SymbolContinuity(gaps, hours, packed.told, packed.changed, packed.urgent)


def _pack_gap(gap: GapTally) -> _PackedGap:
    return _PackedGap(
        gap.first,
        gap.last - gap.first,
        CAUSES.index(gap.cause),
        gap.noticed,
        gap.after_time,
        gap.before_time,
        gap.closed,
        [(share.first - gap.first, share.last - gap.first, share.hour // HOUR) for share in gap.shares],
        *(ids.to_bytes() for ids in (gap.missing, gap.absent, gap.quarantined, gap.history)),
    )


def _unpack_gap(packed: _PackedGap) -> GapTally:
    first = packed.first
    return GapTally(
        first,
        first + packed.length,
        CAUSES[packed.cause],
        packed.noticed,
        packed.after_time,
        packed.before_time,
        [Share(first + low, first + high, hour * HOUR) for low, high, hour in packed.shares],
        missing=IntervalSet.from_bytes(packed.missing),
        absent=IntervalSet.from_bytes(packed.absent),
        quarantined=IntervalSet.from_bytes(packed.quarantined),
        history=IntervalSet.from_bytes(packed.history),
        closed=packed.closed,
    )
