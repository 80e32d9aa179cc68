"""Which rows a model may learn from, and which it is tried on: always later ones, with a gap between."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64

Rows = npt.NDArray[np.intp]


def walk_forward(start: Int64, *, folds: int, purge: int, embargo: int = 0) -> Iterator[tuple[Rows, Rows]]:
    """Give (rows to learn from, rows to try on) of each fold, the oldest fold first.

    The time spanned is cut into ``folds + 1`` equal parts. Fold k is tried on part k + 1 and learns from all before it
    but for the last ``purge + embargo``: with the purge as long as what a row is computed from and what it predicts, no
    bar is seen by both sides, and the embargo lets what lingers in the market beyond a row fade (López de Prado,
    Advances in Financial Machine Learning, 2018, ch. 7).

    Parameters
    ----------
    start : int64 (n,), ns UTC, of the rows' bars, in any order
    folds : at least 1
    purge, embargo : ns

    Raises
    ------
    ValueError
        If a fold has no row on one of its sides.
    """
    if not len(start):
        raise ValueError("no rows to split")
    edges = np.linspace(start.min(), start.max() + 1, folds + 2)
    for fold in range(1, folds + 1):
        learn = np.flatnonzero(start < edges[fold] - purge - embargo)
        judge = np.flatnonzero((start >= edges[fold]) & (start < edges[fold + 1]))
        if not len(learn) or not len(judge):
            raise ValueError(f"fold {fold} of {folds} has {len(learn)} rows to learn from and {len(judge)} to try on")
        yield learn, judge


def with_validation(start: Int64, rows: Rows, *, share: float, purge: int) -> tuple[Rows, Rows]:
    """Part the rows to learn from: (those to fit on, the newest ``share`` of their time to stop early by).

    Between the two lies ``purge``, as between a fold's sides.

    Parameters
    ----------
    start : int64 (n,), ns UTC, of all rows
    rows : places in ``start``
    share : of the time that the rows span, between 0 and 1
    purge : ns

    Raises
    ------
    ValueError
        If no row is left on one of the sides.
    """
    if not len(rows):
        raise ValueError("no rows to split")
    first, last = int(start[rows].min()), int(start[rows].max())
    border = last - int((last - first) * share)
    fit, validate = rows[start[rows] < border - purge], rows[start[rows] >= border]
    if not len(fit) or not len(validate):
        raise ValueError(f"{len(rows)} rows leave {len(fit)} to fit on and {len(validate)} to stop early by")
    return fit, validate
