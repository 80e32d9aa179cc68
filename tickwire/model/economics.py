"""What following a model would have earned after costs, beside buying and holding.

A position is taken at a bar's close, at that price plus slippage, and held to the next close. What was earned by each
instrument's equal part of the capital is added up bar by bar and compounded. A position that stays from one bar to the
next costs nothing; where the next bar cannot be predicted from, it is closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.features.bar_grid import on_grid
from tickwire.forecast.trading_signals import Costs, decide, volatility
from tickwire.lake import DAY_NANOSECONDS
from tickwire.model.bars import BarColumns
from tickwire.model.features import SCHEMA
from tickwire.model.rows import LabelledRows
from tickwire.model.significance import Estimate, estimate, resampled

DAYS_A_YEAR = 365
"""Crypto trades every day: a Sharpe ratio of daily returns times √365 is one a year."""

_INTERVAL = SCHEMA.interval * 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """What a strategy did in T neighbouring intervals, and what came of it.

    Attributes
    ----------
    time : int64 (T,), ns UTC, end of each interval
    returns : float64 (T,), fraction of the capital, after costs
    gross : float64 (T,), before costs
    turnover : float64 (T,), traded, in multiples of the capital; entering costs 1 and turning around 2
    entries : positions that were taken
    exposure : mean share of the capital that was in a position
    """

    time: Int64
    returns: Float64
    gross: Float64
    turnover: Float64
    entries: int
    exposure: float

    @property
    def equity(self) -> Float64:
        """The capital after each interval, 1 at the start: float64 (T,)."""
        return np.asarray(np.cumprod(1 + self.returns), np.float64)

    @property
    def daily(self) -> Float64:
        """Returns of the UTC days, fractions: float64 (days,)."""
        # An interval belongs to the day in which it begins.
        day = (self.time - _INTERVAL) // DAY_NANOSECONDS
        last = np.flatnonzero(np.append(np.diff(day) != 0, True))
        at_end = np.concatenate([[1.0], self.equity[last]])
        returns: Float64 = np.diff(at_end) / at_end[:-1]
        return returns


class Economics(msgspec.Struct, frozen=True):
    """A track in figures.

    Attributes
    ----------
    days, entries, exposure : as of :class:`Track`
    turnover : a day, in multiples of the capital
    total : return over all days, fraction, after costs
    sharpe : mean over standard deviation of the daily returns, times √365; no interest on capital; None where nothing
        was ever traded
    drawdown : largest fall from a peak, fraction of the peak
    break_even_bps : costs a side, in 1/10,000 of what is traded, at which nothing is left
    deflated : probability that the true Sharpe ratio is above the best of as many trials by luck alone
    """

    days: int
    entries: int
    exposure: float
    turnover: float
    total: Estimate
    sharpe: Estimate
    drawdown: float
    break_even_bps: float | None
    deflated: float | None = None


def volatilities(bars: Sequence[BarColumns], rows: LabelledRows) -> Float64:
    """Give the volatility that was known at the close of each of n rows' newest bars: float64 (n,).

    As the live path has it; ``bars`` are those that the rows were made of. NaN where too few are there.
    """
    sigma = np.full(len(rows), np.nan)
    for it in bars:
        if it.name not in rows.instruments:
            continue
        mine = rows.instrument == rows.instruments.index(it.name)
        grid, _ = on_grid(it.start, it.columns, interval=_INTERVAL)
        if mine.any():
            sigma[mine] = volatility(grid.close)[(rows.start[mine] - grid.start[0]) // _INTERVAL]
    return sigma


def signals(probability: Float64, sigma: Float64, costs: Costs) -> Float64:
    """Give the positions that the live path's trading signals say, for n predictions: float64 (n,), 1, 0 or -1."""
    direction, _ = decide(probability, sigma, costs)
    return direction.astype(np.float64)


def follow(rows: LabelledRows, direction: Float64, *, cost: float) -> Track:
    """Trade n rows by their directions.

    Parameters
    ----------
    rows : sorted in no particular way; several instruments share the capital equally
    direction : float64 (n,), position from a row's close to the next: 1 long, 0 none, -1 short
    cost : fees and slippage of one side, fraction of what is traded
    """
    first, last = int(rows.start.min()), int(rows.start.max())
    steps = (last - first) // _INTERVAL + 1
    gross, turnover, exposure = np.zeros(steps), np.zeros(steps + 1), np.zeros(steps)
    entries = 0
    held_by = np.unique(rows.instrument)
    for instrument in held_by:
        mine = rows.instrument == instrument
        place = (rows.start[mine] - first) // _INTERVAL
        position, move = np.zeros(steps), np.zeros(steps)
        position[place], move[place] = direction[mine], rows.move[mine]
        gross += position * np.expm1(move)
        exposure += np.abs(position)
        change = np.diff(position, prepend=0.0, append=0.0)
        turnover += np.abs(change)
        entries += int(np.count_nonzero((change[:-1] != 0) & (position != 0)))
    # What is closed at the end of the last interval is paid for in it.
    turnover[-2] += turnover[-1]
    share = 1 / len(held_by)
    time = first + _INTERVAL * np.arange(2, steps + 2, dtype=np.int64)
    gross, turnover = share * gross, share * turnover[:-1]
    return Track(time, gross - cost * turnover, gross, turnover, entries, share * float(exposure.mean()))


def hold(bars: Sequence[BarColumns], rows: LabelledRows, *, cost: float) -> Track:
    """Buy equal parts of the rows' instruments at the close of the first row, and sell at the close after the last."""
    first, last = int(rows.start.min()), int(rows.start.max())
    steps = (last - first) // _INTERVAL + 1
    known = {it.name: it for it in bars}
    held = [known[rows.instruments[number]] for number in np.unique(rows.instrument)]
    worth = np.zeros(steps + 1)
    for instrument in held:
        # The newest close until then; what is not yet listed waits as money.
        traded = instrument.volume > 0
        start, close = instrument.start[traded], instrument.close[traded]
        place = np.searchsorted(start, first + _INTERVAL * np.arange(steps + 1), "right") - 1
        prices = close[np.maximum(place, max(place[0], 0))]
        worth += prices / prices[0] / len(held)
    gross = np.diff(worth) / worth[:-1]
    turnover = np.zeros(steps)
    turnover[0] += 1.0
    turnover[-1] += 1.0
    time = first + _INTERVAL * np.arange(2, steps + 2, dtype=np.int64)
    return Track(time, gross - cost * turnover, gross, turnover, len(held), 1.0)


def economics_of(track: Track) -> Economics:
    """Put a track into figures, with bounds of 95 % from resampled days."""
    daily = track.daily
    traded = float(track.turnover.sum())
    peak = np.maximum.accumulate(np.concatenate([[1.0], track.equity]))
    growth = np.log1p(daily)
    drawn = resampled(len(daily))
    ratios = sharpe_ratios(daily, drawn)
    return Economics(
        days=len(daily),
        entries=track.entries,
        exposure=track.exposure,
        turnover=traded / len(daily),
        total=estimate(float(np.expm1(growth.sum())), np.expm1(drawn @ growth)),
        sharpe=estimate(float(sharpe_ratios(daily, np.ones((1, len(daily))))[0]), ratios),
        drawdown=float(np.max(1 - np.concatenate([[1.0], track.equity]) / peak)),
        break_even_bps=1e4 * float(track.gross.sum()) / traded if traded else None,
    )


def sharpe_ratios(daily: Float64, weights: Float64) -> Float64:
    """Give the Sharpe ratio a year of each of w draws of days: float64 (w, days) of weights to float64 (w,).

    NaN where no return differs from another.
    """
    days = weights.sum(axis=1)
    mean = weights @ daily / days
    with np.errstate(all="ignore"):
        variance = (weights @ daily**2 - days * mean**2) / (days - 1)
        # What rounding leaves of equal returns is no variance.
        variance[variance <= 1e-12 * (weights @ daily**2) / days] = np.nan
        ratios: Float64 = mean / np.sqrt(variance) * np.sqrt(DAYS_A_YEAR)
    return ratios
