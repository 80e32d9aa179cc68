"""Probabilities of rows that a model has not seen: fold by fold, or after what a stored model has learnt from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from tickwire.errors import TickwireError
from tickwire.features import Float64
from tickwire.lake import DAY_NANOSECONDS
from tickwire.model.estimator import Estimator, Fitted
from tickwire.model.rows import PURGE, LabelledRows
from tickwire.model.schema import TrainedSpan
from tickwire.model.splits import Rows, walk_forward, with_validation

EMBARGO = DAY_NANOSECONDS
"""ns between what is learnt from and what is judged on, beside the purge."""
VALIDATION_SHARE = 0.15
"""Of the time that a fold learns from: its newest part, which says when to stop."""
MIN_JUDGED = 500
BASE_RATE = "base-rate"
"""Name of the model that all are held against."""

Progress = Callable[[str], None]


class ComparisonFailed(TickwireError):
    """There are too few rows to learn from or to judge on, or what is to be judged has seen them."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Places of rows: to fit on, to stop early by, and, later than both, to judge on."""

    fit: Rows
    validate: Rows
    judge: Rows


class Fold(msgspec.Struct, frozen=True):
    """Of one split: rows on each side, and starts of the first and the last bar judged on, ns UTC."""

    fit: int
    validate: int
    judge: int
    first: int
    last: int


def folds_of(rows: LabelledRows, *, folds: int) -> list[Split]:
    """Split walk-forward, with rows to stop early by.

    Raises
    ------
    ComparisonFailed
        If there are too few rows.
    """
    try:
        return [
            Split(*with_validation(rows.start, learn, share=VALIDATION_SHARE, purge=PURGE), judge)
            for learn, judge in walk_forward(rows.start, folds=folds, purge=PURGE, embargo=EMBARGO)
        ]
    except ValueError as error:
        raise ComparisonFailed(f"too few candles for {folds} folds: {error}") from error


def after_training(rows: LabelledRows, trained: TrainedSpan | None) -> Rows:
    """Give the places of the rows that came after a stored model's training, with the purge and the embargo between.

    Raises
    ------
    ComparisonFailed
        If the model does not say what it learnt from, or too little came after it.
    """
    until = _until(trained)
    later = np.flatnonzero(rows.start >= until + PURGE + EMBARGO)
    if len(later) < MIN_JUDGED:
        raise ComparisonFailed(
            f"the candles have {len(later)} rows after what the model has learnt from, which ends at"
            f" {np.datetime64(until // 10**9, 's')}Z, and a judgement needs {MIN_JUDGED}: give newer candles"
        )
    return later


def beside(rows: LabelledRows, trained: TrainedSpan | None) -> Split:
    """Split where a stored model's training ends, so that the baselines learn from no more than it has.

    Raises
    ------
    ComparisonFailed
        As :func:`after_training`, or if too little is before the model's end.
    """
    judge = after_training(rows, trained)
    known = np.flatnonzero(rows.start <= _until(trained))
    try:
        return Split(*with_validation(rows.start, known, share=VALIDATION_SHARE, purge=PURGE), judge)
    except ValueError as error:
        raise ComparisonFailed(f"too few candles before the model's end for the baselines: {error}") from error


def out_of_sample(
    rows: LabelledRows,
    splits: Sequence[Split],
    estimators: Sequence[Estimator],
    *,
    progress: Progress,
    stored: Mapping[str, Fitted] | None = None,
) -> tuple[LabelledRows, dict[str, Float64]]:
    """Fit each model on each split, and give all rows judged on with each model's probabilities of them.

    ``stored`` are models that have learnt before; they are asked the same.
    """
    found: dict[str, list[Float64]] = {}
    for number, split in enumerate(splits, start=1):
        fit, validate, judge = (rows.take(places) for places in (split.fit, split.validate, split.judge))
        for estimator in estimators:
            progress(f"fold {number} of {len(splits)}: {estimator.name}, {len(fit):,} rows")
            found.setdefault(estimator.name, []).append(estimator.fit(fit, validate).predict(judge))
        for name, fitted in (stored or {}).items():
            progress(f"fold {number} of {len(splits)}: {name}, as it is stored")
            found.setdefault(name, []).append(fitted.predict(judge))
    judged = rows.take(np.concatenate([split.judge for split in splits]))
    return judged, {name: np.concatenate(parts) for name, parts in found.items()}


def folds_in_figures(rows: LabelledRows, splits: Sequence[Split]) -> list[Fold]:
    """Say of each split how many rows are on its sides, and when those judged on are."""
    return [
        Fold(
            len(split.fit),
            len(split.validate),
            len(split.judge),
            int(rows.start[split.judge].min()),
            int(rows.start[split.judge].max()),
        )
        for split in splits
    ]


def _until(trained: TrainedSpan | None) -> int:
    if trained is None:
        raise ComparisonFailed("the model does not say what it has learnt from, so no row is surely unknown to it")
    return trained.last
