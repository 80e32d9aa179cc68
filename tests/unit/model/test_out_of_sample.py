"""Models are asked only about rows that came after what they were fitted on."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.unit.model.labelled import rows_of
from tests.unit.model.markets import BARS_A_DAY, INTERVAL
from tickwire.features import Float64
from tickwire.model.out_of_sample import (
    EMBARGO,
    ComparisonFailed,
    beside,
    folds_in_figures,
    folds_of,
    out_of_sample,
)
from tickwire.model.rows import PURGE, LabelledRows
from tickwire.model.schema import TrainedSpan

DAYS = 40
ROWS = rows_of(np.random.default_rng(1).standard_normal(DAYS * BARS_A_DAY))


@dataclass
class Recorder:
    """Remembers what it is given, and answers with the number of its fit."""

    fits: list[tuple[LabelledRows, LabelledRows]] = field(default_factory=list)
    name: str = "recorder"

    def fit(self, learn: LabelledRows, validate: LabelledRows) -> "Recorder":
        self.fits.append((learn, validate))
        return self

    def predict(self, rows: LabelledRows) -> Float64:
        learn, validate = self.fits[-1]
        assert learn.start.max() + PURGE < validate.start.min()
        assert validate.start.max() + PURGE + EMBARGO <= rows.start.min()
        return np.full(len(rows), len(self.fits) / 10)


def test_each_fold_is_predicted_by_what_learnt_before_it() -> None:
    splits = folds_of(ROWS, folds=3)
    told: list[str] = []
    judged, found = out_of_sample(ROWS, splits, [Recorder()], progress=told.append)
    figures = folds_in_figures(ROWS, splits)
    assert [fold.judge for fold in figures] == [960, 960, 960]
    assert found["recorder"].tolist() == [0.1] * 960 + [0.2] * 960 + [0.3] * 960
    assert judged.start.tolist() == ROWS.start[960:].tolist()
    assert (figures[0].first, figures[2].last) == (ROWS.start[960], ROWS.start[-1])
    assert told == [f"fold {k} of 3: recorder, {fold.fit:,} rows" for k, fold in enumerate(figures, start=1)]


def test_a_stored_model_is_judged_only_on_what_came_after_its_training() -> None:
    trained = TrainedSpan(0, 20 * BARS_A_DAY * INTERVAL)
    split = beside(ROWS, trained)
    assert ROWS.start[split.judge].min() == trained.last + PURGE + EMBARGO
    assert ROWS.start[split.judge].max() == ROWS.start[-1]
    assert ROWS.start[split.validate].max() == trained.last
    stored = Recorder(fits=[(ROWS.take(split.fit), ROWS.take(split.validate))])
    _, found = out_of_sample(ROWS, [split], [], progress=str, stored={"stored": stored})
    assert set(found["stored"]) == {0.1}


def test_a_stored_model_that_has_seen_all_is_refused_with_what_to_do() -> None:
    trained = TrainedSpan(0, int(ROWS.start[-1]) - 500 * INTERVAL)
    with pytest.raises(
        ComparisonFailed, match=r"ends at 1970-02-04T\S+Z, and a judgement needs 500: give newer candles"
    ):
        beside(ROWS, trained)


def test_a_stored_model_that_does_not_say_what_it_has_seen_is_refused() -> None:
    with pytest.raises(ComparisonFailed, match="does not say what it has learnt from"):
        beside(ROWS, None)


def test_too_few_rows_before_a_stored_models_end_are_refused() -> None:
    with pytest.raises(ComparisonFailed, match="too few candles before the model's end"):
        beside(ROWS, TrainedSpan(0, 50 * INTERVAL))


def test_too_few_rows_for_the_folds_are_refused() -> None:
    with pytest.raises(ComparisonFailed, match="too few candles for 20 folds"):
        folds_of(ROWS.take(np.arange(1_000)), folds=20)
