"""A stored model's trades on candles that came after its training, by the rule that makes the live trading signals."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from tickwire.features import Float64
from tickwire.forecast.trading_signals import Costs
from tickwire.model.bars import BarColumns
from tickwire.model.economics import Economics, Track, economics_of, follow, hold, signals, volatilities
from tickwire.model.features import SCHEMA
from tickwire.model.rows import LabelledRows
from tickwire.model.scores import said

_INTERVAL = SCHEMA.interval * 1_000_000_000


class Trade(msgspec.Struct, frozen=True):
    """A position from where it was taken to where it was left or turned around.

    Attributes
    ----------
    direction : 1 long, -1 short
    entered, left : ns UTC
    entry, exit : closes at those times, quote currency
    gross : return before costs, fraction of what was put in, compounded bar by bar
    net : less the costs of going in and out
    """

    instrument: str
    direction: int
    entered: int
    left: int
    entry: float
    exit: float
    gross: float
    net: float


class Day(msgspec.Struct, frozen=True):
    """The capital at the end of a UTC day, 1 at the start; ``date`` is RFC 3339."""

    date: str
    signals: float
    hold: float


class Backtest(msgspec.Struct, frozen=True):
    """What a model's trading signals would have done.

    Attributes
    ----------
    model, version : which
    trained_until : ns UTC, start of the last bar that it has learnt from
    first, last : starts of the first and the last bar at whose close something could be done, ns UTC
    fee, slippage : of one side, fractions of what is traded
    signals : what following the signals earned
    always : what going with the more probable side of every bar earned
    hold : what buying and holding earned
    """

    model: str
    version: str
    trained_until: int
    instruments: tuple[str, ...]
    rows: int
    first: int
    last: int
    fee: float
    slippage: float
    signals: Economics
    always: Economics
    hold: Economics
    days: tuple[Day, ...]
    trades: tuple[Trade, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The same bar by bar, to be drawn."""

    signals: Track
    always: Track
    hold: Track


def backtest(
    rows: LabelledRows, probability: Float64, *, bars: Sequence[BarColumns], costs: Costs, named: tuple[str, str, int]
) -> tuple[Backtest, Tracks]:
    """Trade n rows by their probabilities.

    Parameters
    ----------
    rows : that the model has not seen
    probability : float64 (n,)
    bars : that the rows were made of
    named : the model, its version, and the start of the last bar that it has learnt from, ns UTC
    """
    direction = signals(probability, volatilities(bars, rows), costs)
    tracks = Tracks(
        signals=follow(rows, direction, cost=costs.side),
        always=follow(rows, 2 * said(probability) - 1, cost=costs.side),
        hold=hold(bars, rows, cost=costs.side),
    )
    model, version, trained_until = named
    report = Backtest(
        model=model,
        version=version,
        trained_until=trained_until,
        instruments=tuple(rows.instruments[number] for number in np.unique(rows.instrument)),
        rows=len(rows),
        first=int(rows.start.min()),
        last=int(rows.start.max()),
        fee=costs.fee,
        slippage=costs.slippage,
        signals=economics_of(tracks.signals),
        always=economics_of(tracks.always),
        hold=economics_of(tracks.hold),
        days=_days(tracks),
        trades=trades_of(rows, direction, bars=bars, cost=costs.side),
    )
    return report, tracks


def trades_of(rows: LabelledRows, direction: Float64, *, bars: Sequence[BarColumns], cost: float) -> tuple[Trade, ...]:
    """Give the trades of n rows' positions, in the order of time.

    Neighbouring rows with the same position are one trade. ``direction`` : float64 (n,), 1, 0 or -1; ``cost`` : of one
    side, fraction of what is traded.
    """
    closes = {it.name: it for it in bars}
    trades = []
    for instrument in np.unique(rows.instrument):
        mine = np.flatnonzero(rows.instrument == instrument)
        mine = mine[np.argsort(rows.start[mine])]
        start, position, move = rows.start[mine], direction[mine], rows.move[mine]
        broken = (np.diff(position) != 0) | (np.diff(start) != _INTERVAL)
        edges = np.concatenate([[0], np.flatnonzero(broken) + 1, [len(mine)]])
        name = rows.instruments[instrument]
        known = closes[name]
        for first, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if not position[first]:
                continue
            gross = float(np.prod(1 + position[first] * np.expm1(move[first:end])) - 1)
            entry, leave = np.searchsorted(known.start, (start[first], start[end - 1] + _INTERVAL))
            trades.append(
                Trade(
                    instrument=name,
                    direction=int(position[first]),
                    entered=int(start[first]) + _INTERVAL,
                    left=int(start[end - 1]) + 2 * _INTERVAL,
                    entry=float(known.close[entry]),
                    exit=float(known.close[leave]),
                    gross=gross,
                    net=gross - 2 * cost,
                )
            )
    return tuple(sorted(trades, key=lambda trade: (trade.entered, trade.instrument)))


def _days(tracks: Tracks) -> tuple[Day, ...]:
    first = (tracks.signals.time[0] - _INTERVAL) // 10**9
    worth, held = (np.cumprod(1 + track.daily) for track in (tracks.signals, tracks.hold))
    dates = np.datetime64(int(first), "s").astype("datetime64[D]") + np.arange(len(worth))
    return tuple(Day(str(d), float(a), float(b)) for d, a, b in zip(dates, worth, held, strict=True))
