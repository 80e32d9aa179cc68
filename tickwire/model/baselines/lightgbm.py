"""Gradient-boosted trees (G. Ke et al., LightGBM, NIPS 2017), the usual best on tables of numbers.

Needs ``lightgbm``, which only what makes models has (the extra ``train``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tickwire.errors import TickwireError
from tickwire.features import Float64
from tickwire.model.baselines.logistic import lagged
from tickwire.model.features import WINDOW
from tickwire.model.rows import LabelledRows

_LAGS = 3
_MEANS = (12, WINDOW)
_ROUNDS = 1_000
_PATIENCE = 50
_CHUNK = 8_192


class MissingLightGBM(TickwireError, ImportError):
    """``lightgbm`` is not installed."""


def tree_inputs(rows: LabelledRows) -> Float64:
    """Give what the trees see: float64 (n, 96), NaN where masked.

    The 16 features of the newest bar and of the three before it, and their means over the last 12 and all 60 bars of
    the window, of what is there.
    """
    means = np.full((len(rows), len(_MEANS) * rows.bars.shape[1]), np.nan)
    for first in range(0, len(rows), _CHUNK):
        part = slice(first, first + _CHUNK)
        for place, bars in enumerate(_MEANS):
            windows = rows.bars[rows.last[part, None] + np.arange(1 - bars, 1)].astype(np.float64)
            there = np.isfinite(windows)
            count = there.sum(axis=1)
            total = np.where(there, windows, 0.0).sum(axis=1)
            columns = slice(place * rows.bars.shape[1], (place + 1) * rows.bars.shape[1])
            means[part, columns] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    columns_of_all: Float64 = np.concatenate([lagged(rows, _LAGS), means], axis=1)
    return columns_of_all


@dataclass(frozen=True, slots=True)
class LightGBM:
    """Small trees and slow learning, since what can be known is faint; the number of trees is the best on ``validate``.

    The same rows and seed give the same model.
    """

    seed: int = 1
    threads: int = 2
    name: str = "lightgbm"

    def fit(self, learn: LabelledRows, validate: LabelledRows) -> "FittedLightGBM":
        """Grow trees on ``learn`` until 50 of them have not lowered the log loss on ``validate``.

        Raises
        ------
        MissingLightGBM
            If the package is not installed.
        """
        try:
            import lightgbm
        except ImportError as error:
            raise MissingLightGBM(
                "LightGBM is not installed: pip install 'tickwire[train]' (or make setup-dev)"
            ) from error

        parameters = {
            "objective": "binary",
            "learning_rate": 0.02,
            "num_leaves": 15,
            "min_data_in_leaf": 200,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "lambda_l2": 10.0,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        known = lightgbm.Dataset(tree_inputs(learn), learn.label)
        later = lightgbm.Dataset(tree_inputs(validate), validate.label, reference=known)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        booster = lightgbm.train(parameters, known, _ROUNDS, valid_sets=[later], callbacks=[stop])
        return FittedLightGBM(booster, self.threads)


@dataclass(frozen=True, slots=True, eq=False)
class FittedLightGBM:
    """``booster`` : a ``lightgbm.Booster``."""

    booster: Any
    threads: int

    def predict(self, rows: LabelledRows) -> Float64:
        """Give the probability that the next bar closes higher: float64 (n,)."""
        probability = self.booster.predict(tree_inputs(rows), num_threads=self.threads)
        return np.asarray(probability, np.float64)
