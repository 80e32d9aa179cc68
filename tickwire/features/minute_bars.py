"""The trailing bars of one symbol, from minutes that are read and not kept: no ring, and no kernel."""

import numpy as np

from tickwire.features import Float64
from tickwire.features.bar_grid import COLUMNS, BarGrid
from tickwire.features.minutes import BARS, MINUTE_NS, MINUTES_A_BAR, SLOTS, Minutes


def bars_of_minutes(minutes: Minutes, end: int) -> BarGrid:
    """Give what :func:`~tickwire.features.minutes.trailing_grid` gives of a ring that holds these minutes.

    Sums may differ from it in the last bit, as they are added in another order.

    Parameters
    ----------
    minutes : (n,), each once, in any order; those that do not lie in the day before ``end`` are not looked at
    end : ns UTC, a full minute

    Returns
    -------
    BarGrid
        Of columns (1, 96).

    Raises
    ------
    ValueError
        If ``end`` or the start of a minute is not a full minute.
    """
    if end % MINUTE_NS or np.any(minutes["start"] % MINUTE_NS):
        raise ValueError("minutes, and the grid's end, are full minutes")
    place = (minutes["start"] - end) // MINUTE_NS + SLOTS
    there = (place >= 0) & (place < SLOTS) & (minutes["volume"] > 0)
    day: dict[str, Float64] = {}
    for name in COLUMNS:
        day[name] = np.full(SLOTS, np.nan)
        day[name][place[there]] = minutes[name][there]
    minutes_traded = np.zeros(SLOTS, np.bool_)
    minutes_traded[place[there]] = True
    traded = minutes_traded.reshape(BARS, MINUTES_A_BAR)
    some = traded.any(axis=1)
    bars = np.arange(BARS)
    first = np.argmax(traded, axis=1)
    last = MINUTES_A_BAR - 1 - np.argmax(traded[:, ::-1], axis=1)

    def cells(name: str) -> Float64:
        return day[name].reshape(BARS, MINUTES_A_BAR)

    def total(name: str) -> Float64:
        # What one minute lacks, the sum lacks: NaN stays NaN.
        summed: Float64 = np.where(traded, cells(name), 0.0).sum(axis=1)
        return summed

    joined = {
        "open": cells("open")[bars, first],
        "high": np.where(traded, cells("high"), -np.inf).max(axis=1),
        "low": np.where(traded, cells("low"), np.inf).min(axis=1),
        "close": cells("close")[bars, last],
        **{name: total(name) for name in ("volume", "buy_volume", "notional", "trades")},
    }
    width = MINUTES_A_BAR * MINUTE_NS
    start = end - width * np.arange(BARS, 0, -1, dtype=np.int64)
    return BarGrid(start, width, **{name: np.where(some, column, np.nan)[None] for name, column in joined.items()})
