"""Whether models find something where there is nothing: on shuffled labels, and on a market without memory.

A feature that looks ahead, or a split whose sides share a bar, shows as skill in both.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from tickwire.features import Float64
from tickwire.model.bars import BarColumns
from tickwire.model.out_of_sample import BASE_RATE
from tickwire.model.rows import LabelledRows
from tickwire.model.scores import log_losses, mean_estimate
from tickwire.model.significance import Estimate

CONFIDENCE = 0.95


class Nothing(msgspec.Struct, frozen=True):
    """What a model found where there is nothing.

    Attributes
    ----------
    test : ``shuffled labels`` or ``random walk``
    over_base_rate : mean difference of the log losses of a row, nats, between its bounds
    passed : whether the lower bound is not above 0
    """

    test: str
    name: str
    over_base_rate: Estimate
    passed: bool


def shuffled(rows: LabelledRows, *, seed: int) -> LabelledRows:
    """Give rows whose labels and moves have changed places by chance."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return LabelledRows(
        start=rows.start,
        label=rows.label[order],
        move=rows.move[order],
        instrument=rows.instrument,
        last=rows.last,
        bars=rows.bars,
        instruments=rows.instruments,
    )


def random_walks(instruments: Sequence[BarColumns], *, seed: int) -> list[BarColumns]:
    """Give the same market with each interval's bars mirrored or not, by the toss of a coin.

    Mirrored, the log of each price's distance to the close before has the other sign, and what was bought was sold. So
    sizes of moves, ranges, volumes, the times of day and that instruments move together stay as they were, and the next
    direction is a fair coin whatever was before.
    """
    starts = np.unique(np.concatenate([bars.start for bars in instruments]))
    flips = np.random.default_rng(seed).uniform(size=len(starts)) < 0.5
    return [_mirrored(bars, flips[np.searchsorted(starts, bars.start)]) for bars in instruments]


def _mirrored(bars: BarColumns, flip: npt.NDArray[np.bool_]) -> BarColumns:
    before = np.concatenate([bars.open[:1], bars.close[:-1]])
    sign = np.where(flip, -1.0, 1.0)
    with np.errstate(all="ignore"):
        step = {name: np.log(bars.columns[name] / before) for name in ("open", "high", "low", "close")}
        vwap = np.log(bars.notional / bars.volume / before)
    close = bars.close[0] * np.exp(np.cumsum(sign * step["close"]))
    base = np.concatenate([bars.close[:1], close[:-1]])
    high, low = np.where(flip, -step["low"], step["high"]), np.where(flip, -step["high"], step["low"])
    return BarColumns(
        bars.venue,
        bars.symbol,
        bars.start,
        open=base * np.exp(sign * step["open"]),
        high=base * np.exp(high),
        low=base * np.exp(low),
        close=close,
        volume=bars.volume,
        buy_volume=np.where(flip, bars.volume - bars.buy_volume, bars.buy_volume),
        notional=bars.volume * base * np.exp(sign * vwap),
        trades=bars.trades,
    )


def verdicts(test: str, rows: LabelledRows, probabilities: Mapping[str, Float64], *, comparisons: int) -> list[Nothing]:
    """Say of each model but the base rate whether it found anything, by its probabilities of the same rows.

    Parameters
    ----------
    comparisons : bounds that are looked at in all. Each is as wide as leaves 5 % for a false alarm of any of them
        (Bonferroni).
    """
    level = 1 - 2 * (1 - CONFIDENCE) / comparisons
    base_rate = log_losses(probabilities[BASE_RATE], rows.label)
    found = []
    for name, probability in probabilities.items():
        if name != BASE_RATE:
            over = mean_estimate(base_rate - log_losses(probability, rows.label), start=rows.start, level=level)
            found.append(Nothing(test, name, over, over.low is not None and over.low <= 0))
    return found
