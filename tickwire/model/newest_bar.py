"""Logistic regression of a row's newest bar: the simplest model that may have skill, and that can be served."""

from dataclasses import dataclass

import numpy as np

from tickwire.features import Float64
from tickwire.model.features import SCHEMA
from tickwire.model.logistic import LogisticRegression, fit, masked_inputs
from tickwire.model.onnx_graph import logistic_graph
from tickwire.model.rows import LabelledRows


@dataclass(frozen=True, slots=True)
class NewestBarEstimator:
    """``ridge`` : penalty of the weights, see :func:`tickwire.model.logistic.fit`."""

    ridge: float = 1.0
    name: str = "logistic-regression"

    def fit(self, learn: LabelledRows, validate: LabelledRows) -> "FittedNewestBar":
        """Fit on all the rows: there is nothing to stop early, and 33 numbers need no calibration.

        Raises
        ------
        NotConverged
            If the rows are degenerate.
        """
        newest = np.concatenate([learn.newest(), validate.newest()])
        label = np.concatenate([learn.label, validate.label])
        return FittedNewestBar(fit(masked_inputs(newest), label, ridge=self.ridge))


@dataclass(frozen=True, slots=True, eq=False)
class FittedNewestBar:
    """``regression`` : of the features with 0 where masked, and of which are there."""

    regression: LogisticRegression

    def predict(self, rows: LabelledRows) -> Float64:
        """Give the probability that the next bar closes higher: float64 (n,)."""
        return self.regression.predict(masked_inputs(rows.newest()))

    def graph(self) -> bytes:
        """Give it as an ONNX graph."""
        return logistic_graph(self.regression.weights.tolist(), self.regression.bias, schema=SCHEMA)
