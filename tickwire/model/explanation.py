"""Why a model says what it says of a row: how much each feature, and each bar, moves the probability away from that of
a usual row.

Shapley values against one background row, by sampled permutations (E. Štrumbelj and I. Kononenko, An efficient
explanation of individual classifications using game theory, JMLR 11, 2010): once of the features, each with all its 60
bars, and once of the bars, each with all its 16 features. Along a permutation the parts of the row take the place of
the background's one by one, and each is charged with what its own step moved. Each permutation is also walked
backwards, which takes out what two parts do together for the most part (R. Mitchell et al., Sampling permutations for
Shapley value estimation, JMLR 23, 2022). However many permutations are walked, the contributions add up to the
difference of the two probabilities, as every walk goes from the one row to the other.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

PERMUTATIONS = 2
"""Walked in both directions: 4 walks of 17 rows for 16 features."""
BAR_PERMUTATIONS = 1
"""2 walks of 61 rows for 60 bars."""


class Explanation(NamedTuple):
    """Of n rows.

    Attributes
    ----------
    base : probability of the background row
    contributions : float64 (n, features), in probability; with ``base`` they add up to the row's probability
    bars : float64 (n, bars), likewise, oldest bar first
    """

    base: float
    contributions: Float64
    bars: Float64


def explain(
    predict: Callable[[Float32], Float32],
    rows: Float32,
    background: Float32,
    *,
    features: int,
    permutations: int = PERMUTATIONS,
    bar_permutations: int = BAR_PERMUTATIONS,
) -> Explanation:
    """Explain n rows, by two calls of ``predict``.

    They have ``2 * permutations * (features + 1)`` and ``2 * bar_permutations * (bars + 1)`` rows for each. The
    permutations are always the same, so that a row always has the same explanation.

    Parameters
    ----------
    predict : float32 (m, width) to probabilities, float32 (m,)
    rows : float32 (n, width), bar after bar, each with its features in order
    background : float32 (width,)
    """
    place = np.arange(rows.shape[1])
    base, contributions = _shapley(predict, rows, background, part=place % features, permutations=permutations)
    _, bars = _shapley(predict, rows, background, part=place // features, permutations=bar_permutations)
    return Explanation(base, contributions, bars)


def _shapley(
    predict: Callable[[Float32], Float32],
    rows: Float32,
    background: Float32,
    *,
    part: npt.NDArray[np.intp],
    permutations: int,
) -> tuple[float, Float64]:
    """Give the background's probability, and the contribution of each part of n rows, float64 (n, parts).

    ``part`` : intp (width,), of which part each number of a row is
    """
    parts = int(part.max()) + 1
    random = np.random.default_rng(0)
    forward = np.array([random.permutation(parts) for _ in range(permutations)])
    walks = np.concatenate([forward, forward[:, ::-1]])
    # On step s of walk w, whether a part is the row's: those among the first s of the permutation.
    rank = np.argsort(walks, axis=1)
    taken = rank[:, None, :] < np.arange(parts + 1)[None, :, None]
    mixed = np.where(taken[:, :, part][None], rows[:, None, None, :], background)
    probability = predict(mixed.reshape(-1, rows.shape[1])).astype(np.float64)
    moved = np.diff(probability.reshape(len(rows), len(walks), parts + 1), axis=2)
    # Step s moved by what the part at place s of the permutation did.
    of_part = np.take_along_axis(moved, np.broadcast_to(rank, moved.shape), axis=2)
    return float(probability[0]), of_part.mean(axis=1)
