"""Whether a dataset may be learnt from: the gate before any training. Pure."""

from collections.abc import Collection, Sequence

import msgspec
import numpy as np

from tickwire.model.bars import BarColumns
from tickwire.model.features import SCHEMA

_INTERVAL = SCHEMA.interval * 1_000_000_000
MIN_COVERAGE = 0.8
"""Share of the intervals of the holdout that have a bar, below which an instrument is no basis for a judgement."""

MAX_MOVE = 0.5
"""Largest log return between neighbouring closes, up or down, that is taken for a market's: 65 % in 15 minutes."""


class InstrumentQuality(msgspec.Struct, frozen=True):
    """What was found of one instrument's bars.

    Attributes
    ----------
    instrument : ``venue:SYMBOL``
    bars : in the whole dataset
    coverage : share of the holdout's intervals that have a bar
    impossible : bars with a price outside its own range, a price or volume not above 0, or more bought than traded
    largest_move : the largest absolute log return between closes of neighbouring bars
    """

    instrument: str
    bars: int
    coverage: float
    impossible: int
    largest_move: float


class DatasetQuality(msgspec.Struct, frozen=True):
    """What the gate found, by instrument, and why it stays shut: no ``faults`` open it."""

    instruments: tuple[InstrumentQuality, ...]
    faults: tuple[str, ...]


def judge_dataset(
    train: Sequence[BarColumns], holdout: Sequence[BarColumns], *, expected: Collection[str], holdout_days: int
) -> DatasetQuality:
    """Judge the bars of a dataset's two parts.

    Parameters
    ----------
    expected : ``venue:SYMBOL`` of the instruments that the stage ingests
    holdout_days : that the holdout spans

    Returns
    -------
    Faults, if an expected instrument is missing or has gaps, if a bar is impossible, or a price jumps.
    """
    learnt, judged = ({_name(bars): bars for bars in part} for part in (train, holdout))
    intervals = holdout_days * 86_400 // SCHEMA.interval
    found = tuple(_measure(name, learnt.get(name), judged.get(name), intervals) for name in sorted({*learnt, *judged}))
    faults = []
    for name in sorted(expected):
        if name not in learnt:
            faults.append(f"{name} has no bar to learn from")
        if name not in judged:
            faults.append(f"{name} has no bar in the holdout")
    for quality in found:
        if quality.impossible:
            faults.append(f"{quality.instrument} has {quality.impossible} impossible bars")
        if quality.instrument in expected and 0 < quality.coverage < MIN_COVERAGE:
            faults.append(f"{quality.instrument} has bars in {quality.coverage:.0%} of the holdout's intervals")
        if quality.largest_move > MAX_MOVE:
            faults.append(f"{quality.instrument} jumps by {np.expm1(quality.largest_move):.0%} within a bar's time")
    return DatasetQuality(found, tuple(faults))


def _name(bars: BarColumns) -> str:
    return f"{bars.venue}:{bars.symbol}"


def _measure(name: str, train: BarColumns | None, holdout: BarColumns | None, intervals: int) -> InstrumentQuality:
    parts = [part for part in (train, holdout) if part is not None]
    return InstrumentQuality(
        instrument=name,
        bars=sum(len(part) for part in parts),
        coverage=len(holdout) / intervals if holdout is not None else 0.0,
        impossible=sum(_impossible(part) for part in parts),
        largest_move=max(_largest_move(part) for part in parts),
    )


def _impossible(bars: BarColumns) -> int:
    prices = np.stack([bars.open, bars.close])
    with np.errstate(invalid="ignore"):
        possible = (
            ((bars.low <= prices) & (prices <= bars.high)).all(axis=0)
            & (bars.low > 0)
            & (bars.volume > 0)
            & ~(bars.buy_volume < 0)
            & ~(bars.buy_volume > bars.volume * (1 + 1e-9))
            & ~(bars.trades <= 0)
            & np.isfinite(bars.high)
        )
    return int(len(bars) - np.count_nonzero(possible))


def _largest_move(bars: BarColumns) -> float:
    neighbours = np.diff(bars.start) == _INTERVAL
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = np.abs(np.diff(np.log(bars.close)))[neighbours]
    moves = moves[np.isfinite(moves)]
    return float(moves.max()) if len(moves) else 0.0
