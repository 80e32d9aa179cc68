"""A stored model's folder, asked like one that has just learnt."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tickwire.features import Float64
from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor
from tickwire.model.rows import LabelledRows
from tickwire.model.schema import ModelDescription

# Windows are made of so many rows at a time: of 50,000 they would be 200 MB.
_CHUNK = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class StoredModel:
    """What was loaded."""

    predictor: Predictor

    @classmethod
    def load(cls, folder: Path) -> "StoredModel":
        """Load a model's folder.

        Raises
        ------
        UnfitModel
            If a file is missing or damaged, or the model is for other rows than this code computes.
        """
        return cls(Predictor.load(folder, expected=SCHEMA))

    @property
    def description(self) -> ModelDescription:
        """What the model says of itself."""
        return self.predictor.description

    @property
    def trained_until(self) -> str:
        """The start of the last bar that it has learnt from, UTC."""
        trained = self.description.trained
        return "no bar" if trained is None else f"{np.datetime64(trained.last // 10**9, 's')}Z"

    def predict(self, rows: LabelledRows) -> Float64:
        """Give the probability that the next bar closes higher: float64 (n,)."""
        parts = [
            self.predictor.predict(rows.take(np.arange(first, min(first + _CHUNK, len(rows)))).windows())
            for first in range(0, len(rows), _CHUNK)
        ]
        return np.concatenate([np.empty(0), *parts]).astype(np.float64)
