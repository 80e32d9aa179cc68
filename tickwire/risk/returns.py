"""From closes of several symbols with holes to returns beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickwire.risk.errors import UnusableInput

Floats = NDArray[np.float64]

MIN_OBSERVATIONS = 48
"""Two days of hours: with fewer no covariance of twenty symbols is worth the name."""


@dataclass(frozen=True, slots=True)
class AlignedReturns:
    """Log returns of hours that all symbols have.

    Attributes
    ----------
    returns : float64 (observations, symbols)
    missing : of the hours between the first and the last, how many were left out
    """

    returns: Floats
    missing: int


def align(starts: Sequence[Sequence[int]], closes: Sequence[Sequence[float]], *, width: int) -> AlignedReturns:
    """Give the log returns from one bar to the next, where every symbol has both.

    A bar that one symbol lacks is left out for all, and no return goes over the hole: filled with the last price it
    would show a calm that was not there, and pull correlations to zero.

    Parameters
    ----------
    starts : of each symbol's bars, rising, in a unit of time
    closes : of the same bars, positive
    width : of a bar, in the same unit

    Raises
    ------
    UnusableInput
        If fewer than ``MIN_OBSERVATIONS`` returns are left.
    """
    common = np.array(starts[0], dtype=np.int64)
    for times in starts[1:]:
        common = np.intersect1d(common, np.array(times, dtype=np.int64), assume_unique=True)
    columns = []
    for times, prices in zip(starts, closes, strict=True):
        kept = np.isin(np.array(times, dtype=np.int64), common, assume_unique=True)
        columns.append(np.log(np.array(prices, dtype=np.float64)[kept]))
    logs = np.stack(columns, axis=1) if len(common) else np.empty((0, len(starts)))
    together = np.diff(common) == width
    returns = np.diff(logs, axis=0)[together]
    if len(returns) < MIN_OBSERVATIONS:
        raise UnusableInput(
            f"there are {len(returns)} hours in which all symbols have prices; it takes {MIN_OBSERVATIONS} at the least"
        )
    whole = int((common[-1] - common[0]) // width)
    return AlignedReturns(returns, whole - len(returns))
