"""Rows made by hand, for tests of what is done with them."""

import numpy as np

from tests.unit.model.markets import INTERVAL
from tickwire.features.bar_features import FEATURES
from tickwire.model.features import WINDOW
from tickwire.model.rows import LabelledRows


def rows_of(move: list[float] | np.ndarray, *, start: list[int] | None = None, **newest: list[float]) -> LabelledRows:
    """Rows of one instrument with these moves to the next close, as neighbours unless ``start`` counts intervals.

    Features that are not given are masked.
    """
    moves = np.asarray(move, np.float64)
    bars = np.full((len(moves) + WINDOW - 1, len(FEATURES)), np.nan, np.float32)
    for name, values in newest.items():
        bars[WINDOW - 1 :, FEATURES.index(name)] = values
    places = np.arange(len(moves)) if start is None else np.asarray(start)
    return LabelledRows(
        start=places.astype(np.int64) * INTERVAL,
        label=(moves > 0).astype(np.float64),
        move=moves,
        instrument=np.zeros(len(moves), np.int64),
        last=np.arange(len(moves), dtype=np.int64) + WINDOW - 1,
        bars=bars,
        instruments=("kraken:BTC-USD",),
    )
