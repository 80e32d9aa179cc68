"""Candles of an exchange as minutes of a symbol's window."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecs_tasks.backfiller.window import FillMinutes
from lambdas.delivery.minute_store import MinuteStore
from tickwire.features.bar_grid import COLUMNS
from tickwire.features.minutes import Minutes, minute_rows
from tickwire.venues.history import Candle


def minutes_of(candles: Sequence[Candle]) -> Minutes:
    """Give n candles of a minute as rows (n,); what a venue neither states nor implies by a VWAP is NaN.

    A candle that a venue makes of a minute without a trade has no volume, and so counts for none.
    """
    start = np.array([candle.start for candle in candles], np.int64)
    columns = {name: np.array([_number(_column(candle, name)) for candle in candles]) for name in COLUMNS}
    return minute_rows(start, **columns)


def into(client: Any) -> FillMinutes:
    """Give what keeps minutes in Valkey, where no newer row of their slot is."""
    store = MinuteStore(client)

    def fill(venue: str, symbol: str, candles: Sequence[Candle]) -> None:
        if candles:
            store.fill({(venue, symbol): minutes_of(candles)})

    return fill


def _column(candle: Candle, name: str) -> Any:
    if name == "notional" and candle.notional is None and candle.vwap is not None:
        return candle.vwap * candle.volume
    return getattr(candle, name)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
