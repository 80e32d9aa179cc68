"""Why a model says what it says of a row: how much each feature moves the probability away from that of a usual row.

Shapley values of the features, each with all its 60 bars, against one background row, by sampled permutations
(E. Štrumbelj and I. Kononenko, An efficient explanation of individual classifications using game theory, JMLR 11,
2010). Along a permutation the features of the row take the place of the background's one by one, and each is charged
with what its own step moved. Each permutation is also walked backwards, which takes out what two features do together
for the most part (R. Mitchell et al., Sampling permutations for Shapley value estimation, JMLR 23, 2022). However
many permutations are walked, the contributions add up to the difference of the two probabilities, as every walk
goes from the one row to the other.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

PERMUTATIONS = 2
"""Walked in both directions: 4 walks of 17 rows for 16 features."""


class Explanation(NamedTuple):
    """Of n rows.

    Attributes
    ----------
    base : probability of the background row
    contributions : float64 (n, features), in probability; with ``base`` they add up to the row's probability
    """

    base: float
    contributions: Float64


def explain(
    predict: Callable[[Float32], Float32],
    rows: Float32,
    background: Float32,
    *,
    features: int,
    permutations: int = PERMUTATIONS,
) -> Explanation:
    """Explain n rows, by one call of ``predict`` with ``2 * permutations * (features + 1)`` rows for each.

    The permutations are always the same, so that a row always has the same explanation.

    Parameters
    ----------
    predict : float32 (m, width) to probabilities, float32 (m,)
    rows : float32 (n, width), bar after bar, each with its features in order
    background : float32 (width,)
    """
    random = np.random.default_rng(0)
    forward = np.array([random.permutation(features) for _ in range(permutations)])
    walks = np.concatenate([forward, forward[:, ::-1]])
    # On step s of walk w, whether a feature is the row's: those among the first s of the permutation.
    rank = np.argsort(walks, axis=1)
    taken = rank[:, None, :] < np.arange(features + 1)[None, :, None]
    width = rows.shape[1]
    mask = np.tile(taken, (1, 1, width // features))
    mixed = np.where(mask[None], rows[:, None, None, :], background)
    probability = predict(mixed.reshape(-1, width)).astype(np.float64).reshape(len(rows), len(walks), features + 1)
    moved = np.diff(probability, axis=2)
    # Step s moved by what the feature at place s of the permutation did.
    of_feature = np.take_along_axis(moved, np.broadcast_to(rank, moved.shape), axis=2)
    return Explanation(float(probability[0, 0, 0]), of_feature.mean(axis=1))
