"""Trains a logistic regression: SageMaker's contract for a training container around :mod:`tickwire.model.logistic`.

SageMaker puts the dataset below ``input/data/train`` and the hyperparameters, all text, into
``input/config/hyperparameters.json``; it keeps what lies in ``model`` when the process ends with 0, and
shows the beginning of ``output/failure`` when it does not (Amazon SageMaker AI developer guide, "How Amazon
SageMaker AI runs your training image").

It is the simplest model that may have skill. A network takes its place, and has to beat it.
"""

import logging
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from tickwire.errors import TickwireError
from tickwire.model.archive import describe
from tickwire.model.bars import read_bars
from tickwire.model.features import SCHEMA
from tickwire.model.logistic import LogisticRegression, fit, masked_inputs
from tickwire.model.onnx_graph import logistic_graph
from tickwire.model.predictor import Predictor
from tickwire.model.rows import PURGE, LabelledRows, labelled_rows
from tickwire.model.schema import DESCRIPTION_FILE, MODEL_FILE, ModelDescription, TrainedSpan
from tickwire.model.scores import scores_of
from tickwire.model.splits import walk_forward

NAME = "logistic-regression"
MAX_DEVIATION = 1e-5
"""Between a probability as trained and as the exported graph gives it."""

_MIN_ROWS = 1_000
_PARITY_ROWS = 4_096
_MAX_FAILURE = 1_024
_LOGGER = logging.getLogger("tickwire.model")


class TrainingFailed(TickwireError):
    """There is too little to learn from, or the exported graph is not the trained model."""


class Hyperparameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a training job may set; ``version`` names the run."""

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    ridge: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    folds: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5


def run(root: Path = Path("/opt/ml")) -> int:
    """Do a training job below ``root``; gives the exit status."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
    try:
        given = (root / "input/config/hyperparameters.json").read_bytes()
        parameters = msgspec.convert(msgspec.json.decode(given), Hyperparameters, strict=False)
        rows = labelled_rows(read_bars(root / "input/data/train"))
        graph, description = train(rows, parameters)
        (root / "model").mkdir(parents=True, exist_ok=True)
        (root / "model" / MODEL_FILE).write_bytes(graph)
        (root / "model" / DESCRIPTION_FILE).write_bytes(describe(description))
    except Exception as error:
        _LOGGER.exception("training failed")
        failure = root / "output/failure"
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(f"{type(error).__name__}: {error}"[:_MAX_FAILURE])
        return 1
    return 0


def train(rows: LabelledRows, parameters: Hyperparameters) -> tuple[bytes, ModelDescription]:
    """Fit on all rows, and say how models fitted alike did on each later fold; gives the graph and its description.

    ``metrics`` has the scores of the folds' rows together, and those of ``base_rate``, the share of rising bars
    that each fold knew beforehand.

    Raises
    ------
    TrainingFailed
        If there are fewer than 1,000 rows, or the graph deviates from the model by more than 1e-5.
    """
    if len(rows) < _MIN_ROWS:
        raise TrainingFailed(f"{len(rows)} rows to learn from, and at least {_MIN_ROWS} are needed")
    inputs = masked_inputs(rows.newest())
    predicted, expected, labels = [], [], []
    for learn, judge in walk_forward(rows.start, folds=parameters.folds, purge=PURGE):
        model = fit(inputs[learn], rows.label[learn], ridge=parameters.ridge)
        predicted.append(model.predict(inputs[judge]))
        expected.append(np.full(len(judge), rows.label[learn].mean()))
        labels.append(rows.label[judge])
    label = np.concatenate(labels)
    scores = scores_of(np.concatenate(predicted), label)
    base_rate = scores_of(np.concatenate(expected), label)
    _LOGGER.info("walk-forward: log loss %.5f, base rate %.5f", scores.log_loss, base_rate.log_loss)

    model = fit(inputs, rows.label, ridge=parameters.ridge)
    description = ModelDescription(
        name=NAME,
        version=parameters.version,
        schema=SCHEMA,
        digest=SCHEMA.digest,
        trained=TrainedSpan(int(rows.start.min()), int(rows.start.max())),
        metrics={
            "rows": float(scores.rows),
            "log_loss": scores.log_loss,
            "accuracy": scores.accuracy,
            "base_rate_log_loss": base_rate.log_loss,
            "base_rate_accuracy": base_rate.accuracy,
        },
    )
    graph = logistic_graph(model.weights.tolist(), model.bias, schema=SCHEMA)
    _check_parity(model, Predictor(graph, description), rows)
    return graph, description


def _check_parity(model: LogisticRegression, exported: Predictor, rows: LabelledRows) -> None:
    some = rows.take(np.arange(0, len(rows), max(1, len(rows) // _PARITY_ROWS)))
    deviation = np.abs(exported.predict(some.windows()) - model.predict(masked_inputs(some.newest()))).max()
    if not deviation <= MAX_DEVIATION:
        raise TrainingFailed(f"the exported graph deviates by {deviation:.1e}, and may by {MAX_DEVIATION:.0e}")
