"""Trains a model, and says what it is worth on later rows: SageMaker's contract for a training container.

SageMaker puts the dataset below ``input/data/train`` and the hyperparameters, all text, into
``input/config/hyperparameters.json``; it keeps what lies in ``model`` when the process ends with 0, and
shows the beginning of ``output/failure`` when it does not (Amazon SageMaker AI developer guide, "How Amazon
SageMaker AI runs your training image").
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec
import numpy as np

from tickwire.errors import TickwireError
from tickwire.model.bars import BarColumns, read_bars
from tickwire.model.card import card_of
from tickwire.model.estimator import Estimator, Fitted
from tickwire.model.features import SCHEMA
from tickwire.model.lineage import code_digest, dataset_digest
from tickwire.model.network import LstmEstimator
from tickwire.model.newest_bar import NewestBarEstimator
from tickwire.model.out_of_sample import EMBARGO, VALIDATION_SHARE
from tickwire.model.plots import plots_of
from tickwire.model.predictor import Predictor
from tickwire.model.reference import reference_of
from tickwire.model.rows import PURGE, LabelledRows, labelled_rows
from tickwire.model.schema import Lineage, ModelDescription, TrainedSpan
from tickwire.model.splits import walk_forward, with_validation
from tickwire.model.trained import TrainedModel
from tickwire.model.trial import UNTOUCHED, WALKED, Trial

MAX_DEVIATION = 1e-5
"""Between a probability as trained and as the exported graph gives it."""

# What a network has to beat at the least, in the card beside it.
_SIMPLE = NewestBarEstimator()
_MIN_ROWS = 1_000
_PARITY_ROWS = 4_096
_MAX_FAILURE = 1_024
_LOGGER = logging.getLogger("tickwire.model")


class TrainingFailed(TickwireError):
    """There is too little to learn from, or the exported graph is not the trained model."""


class Exportable(Fitted, Protocol):
    """A fitted model that can be served."""

    def graph(self) -> bytes:
        """Give it as an ONNX graph from rows to probabilities."""
        ...


class Trainable(Estimator, Protocol):
    """An estimator of such models."""

    def fit(self, learn: LabelledRows, validate: LabelledRows) -> Exportable:
        """Learn, as every estimator does."""
        ...


class Hyperparameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a training job may set.

    Attributes
    ----------
    version : names the run
    model : the network, or the logistic regression of the newest bar
    folds : of the walk-forward
    untouched : share of the newest time that is kept from all learning, to judge the model itself on
    seed, units_1, units_2, dense, dropout, epochs, patience, batch, learning_rate, stride : of the network, see
        :class:`tickwire.model.network.LstmEstimator`
    ridge : of the regression
    """

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    model: Literal["lstm", "logistic"] = "lstm"
    folds: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    untouched: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.0
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 1
    units_1: Annotated[int, msgspec.Meta(ge=1, le=1_024)] = 128
    units_2: Annotated[int, msgspec.Meta(ge=1, le=1_024)] = 64
    dense: Annotated[int, msgspec.Meta(ge=1, le=1_024)] = 32
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.2
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    patience: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 3
    batch: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 256
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-3
    stride: Annotated[int, msgspec.Meta(ge=1, le=60)] = 2
    ridge: Annotated[float, msgspec.Meta(gt=0)] = 1.0

    def estimator(self) -> Trainable:
        """Give what fits the model."""
        if self.model == "logistic":
            return NewestBarEstimator(self.ridge)
        return LstmEstimator(
            units=(self.units_1, self.units_2),
            dense=self.dense,
            dropout=self.dropout,
            epochs=self.epochs,
            patience=self.patience,
            batch=self.batch,
            learning_rate=self.learning_rate,
            stride=self.stride,
            seed=self.seed,
        )


def run(root: Path = Path("/opt/ml")) -> int:
    """Do a training job below ``root``; gives the exit status."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
    try:
        given = (root / "input/config/hyperparameters.json").read_bytes()
        parameters = msgspec.convert(msgspec.json.decode(given), Hyperparameters, strict=False)
        bars = read_bars(root / "input/data/train")
        train(labelled_rows(bars), parameters, bars=bars).write(root / "model")
    except Exception as error:
        _LOGGER.exception("training failed")
        failure = root / "output/failure"
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(f"{type(error).__name__}: {error}"[:_MAX_FAILURE])
        return 1
    return 0


def train(rows: LabelledRows, parameters: Hyperparameters, *, bars: Sequence[BarColumns]) -> TrainedModel:
    """Fit a model, and say what it and models fitted alike were worth on later rows.

    Parameters
    ----------
    rows : to learn from, and the newest ``untouched`` share of them to judge on
    bars : that the rows were made of

    Raises
    ------
    TrainingFailed
        If there are fewer than 1,000 rows, too few for the folds, or the graph deviates from the model by more than
        1e-5.
    MissingTensorFlow
        If the network is wanted and the packages are not installed.
    """
    if len(rows) < _MIN_ROWS:
        raise TrainingFailed(f"{len(rows)} rows to learn from, and at least {_MIN_ROWS} are needed")
    estimator = parameters.estimator()
    known, later = _apart(rows, parameters.untouched)
    try:
        trials = [_walked(known, estimator, folds=parameters.folds, bars=bars)]
        places = with_validation(known.start, np.arange(len(known)), share=VALIDATION_SHARE, purge=PURGE)
    except ValueError as error:
        raise TrainingFailed(f"{len(known)} rows for {parameters.folds} folds: {error}") from error

    learn, validate = (known.take(part) for part in places)
    _LOGGER.info("the model itself: %d rows to learn from, %d to stop by", len(learn), len(validate))
    model = estimator.fit(learn, validate)
    if len(later):
        share = np.full(len(later), known.label.mean())
        simple = None if estimator.name == _SIMPLE.name else _SIMPLE.fit(learn, validate).predict(later)
        trials.append(Trial(UNTOUCHED, later, model.predict(later), share, bars, simple))
    for trial in trials:
        _LOGGER.info("%s: log loss %.5f, base rate %.5f", trial.name, *trial.losses)
    seen = known.take(np.concatenate(places))
    description = ModelDescription(
        name=estimator.name,
        version=parameters.version,
        schema=SCHEMA,
        digest=SCHEMA.digest,
        trained=TrainedSpan(int(seen.start.min()), int(seen.start.max())),
        metrics={name: value for trial in trials for name, value in trial.metrics().items()},
        lineage=Lineage(
            instruments=rows.instruments,
            rows=len(seen),
            dataset=dataset_digest(rows),
            code=code_digest(),
            seed=parameters.seed,
            parameters=msgspec.to_builtins(parameters),
        ),
    )
    graph = model.graph()
    _check_parity(model, Predictor(graph, description), rows)
    reference = reference_of(seen, model.predict(seen), schema=SCHEMA)
    return TrainedModel(graph, description, reference, card_of(description, trials), plots_of(trials[-1]))


def _apart(rows: LabelledRows, share: float) -> tuple[LabelledRows, LabelledRows]:
    """Part rows by time: (those to learn from, the newest ``share`` of the time)."""
    if share == 0:
        return rows, rows.take(np.empty(0, np.intp))
    first, last = int(rows.start.min()), int(rows.start.max())
    border = last - int((last - first) * share)
    return rows.take(rows.start < border - PURGE - EMBARGO), rows.take(rows.start >= border)


def _walked(rows: LabelledRows, estimator: Trainable, *, folds: int, bars: Sequence[BarColumns]) -> Trial:
    """Fit a model for each fold, and put together what they said of the rows they were tried on."""
    places, probability, share, simple = [], [], [], []
    splits = walk_forward(rows.start, folds=folds, purge=PURGE, embargo=EMBARGO)
    for fold, (known, judge) in enumerate(splits, start=1):
        learn, validate = with_validation(rows.start, known, share=VALIDATION_SHARE, purge=PURGE)
        _LOGGER.info("fold %d of %d: %d rows to learn from, %d to judge on", fold, folds, len(learn), len(judge))
        sides = rows.take(learn), rows.take(validate)
        probability.append(estimator.fit(*sides).predict(rows.take(judge)))
        simple.append(_SIMPLE.fit(*sides).predict(rows.take(judge)))
        share.append(np.full(len(judge), rows.label[known].mean()))
        places.append(judge)
    judged = rows.take(np.concatenate(places))
    said, known_share, beside = (np.concatenate(parts) for parts in (probability, share, simple))
    return Trial(WALKED, judged, said, known_share, bars, None if estimator.name == _SIMPLE.name else beside)


def _check_parity(model: Fitted, exported: Predictor, rows: LabelledRows) -> None:
    some = rows.take(np.arange(0, len(rows), max(1, len(rows) // _PARITY_ROWS)))
    deviation = np.abs(exported.predict(some.windows()) - model.predict(some)).max()
    if not deviation <= MAX_DEVIATION:
        raise TrainingFailed(f"the exported graph deviates by {deviation:.1e}, and may by {MAX_DEVIATION:.0e}")
    _LOGGER.info("the exported graph deviates by at most %.1e on %d rows", deviation, len(some))
