"""Bars of which a test gives what matters to it."""

import numpy as np

from tests.unit.model.markets import INTERVAL
from tickwire.features.bar_grid import COLUMNS
from tickwire.model.bars import BarColumns


def columns(**given: list[float]) -> BarColumns:
    """Bars that follow each other; ``start`` counts intervals, and what is not given is 100."""
    n = len(given["close"])
    start = np.asarray(given.pop("start", np.arange(n)), np.int64) * INTERVAL
    floats = {name: np.asarray(given.get(name, np.full(n, 100.0)), np.float64) for name in COLUMNS}
    return BarColumns("kraken", "BTC-USD", start=start, **floats)
