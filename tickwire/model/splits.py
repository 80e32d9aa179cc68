"""Which rows a model may learn from, and which it is tried on: always later ones, with a gap between."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64

Rows = npt.NDArray[np.intp]


def walk_forward(start: Int64, *, folds: int, purge: int) -> Iterator[tuple[Rows, Rows]]:
    """Give (rows to learn from, rows to try on) of each fold, the oldest fold first.

    The time spanned is cut into ``folds + 1`` equal parts. Fold k is tried on part k + 1 and learns from all before it
    but for the last ``purge``: with the purge as long as what a row is computed from and what it predicts, no bar is
    seen by both sides (López de Prado, Advances in Financial Machine Learning, 2018, ch. 7).

    Parameters
    ----------
    start : int64 (n,), ns UTC, of the rows' bars, in any order
    folds : at least 1
    purge : ns

    Raises
    ------
    ValueError
        If a fold has no row on one of its sides.
    """
    if not len(start):
        raise ValueError("no rows to split")
    edges = np.linspace(start.min(), start.max() + 1, folds + 2)
    for fold in range(1, folds + 1):
        learn = np.flatnonzero(start < edges[fold] - purge)
        judge = np.flatnonzero((start >= edges[fold]) & (start < edges[fold + 1]))
        if not len(learn) or not len(judge):
            raise ValueError(f"fold {fold} of {folds} has {len(learn)} rows to learn from and {len(judge)} to try on")
        yield learn, judge
