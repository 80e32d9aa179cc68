"""What a card says, against figures worked by hand."""

import numpy as np
import pytest

from tests.unit.model.test_plots import trial
from tickwire.model.bars import BarColumns
from tickwire.model.card import card_of
from tickwire.model.features import SCHEMA
from tickwire.model.rows import labelled_rows
from tickwire.model.schema import Lineage, ModelDescription, TrainedSpan
from tickwire.model.training import Hyperparameters, train
from tickwire.model.trial import UNTOUCHED, Trial

LINEAGE = Lineage(("kraken:BTC-USD",), 1_234, "d" * 16, "c" * 16, 1, {"folds": 3, "seed": 1})
DESCRIPTION = ModelDescription(
    "lstm", "test", SCHEMA, SCHEMA.digest, TrainedSpan(1_735_516_800 * 10**9, 1_735_603_200 * 10**9), {}, LINEAGE
)


def judged(probability: np.ndarray, label: np.ndarray) -> str:
    made = trial(len(label))
    rows = type(made.rows)(**{n: getattr(made.rows, n) for n in type(made.rows).__slots__} | {"label": label})
    return card_of(DESCRIPTION, [Trial(UNTOUCHED, rows, probability, np.full(len(label), 0.5), made.bars)])


def test_a_model_that_says_one_half_has_shown_no_skill_and_the_card_says_so() -> None:
    label = np.tile([0.0, 1.0], 200)
    card = judged(np.full(400, 0.5), label)
    assert "no skill is shown" in card
    assert "| log loss, nats | 0.6931 (0.6931 to 0.6931) | 0.6931 (0.6931 to 0.6931) |" in card
    assert "| accuracy | 0.5000 (0.5000 to 0.5000) | 0.5000 (0.5000 to 0.5000) |" in card
    assert "took no position: nothing that the model said was worth a round trip's costs" in card


def test_skill_and_the_lack_of_it_are_told_by_the_rows() -> None:
    label = np.tile([0.0, 1.0, 1.0, 0.0], 100)
    # On some rows of each day it says nothing, so that days differ.
    noise = np.where(np.arange(400) % 96 < 5, 0.0, 0.1)
    right = judged(np.where(label == 1, 0.5 + noise, 0.5 - noise), label)
    assert "there is some skill" in right
    wrong = judged(np.where(label == 1, 0.5 - noise, 0.5 + noise), label)
    assert "it is worse than knowing nothing" in wrong


def test_a_card_tells_span_features_use_and_how_it_is_made_again() -> None:
    card = judged(np.full(400, 0.5), np.tile([0.0, 1.0], 200))
    assert "1,234 rows of kraken:BTC-USD, 2024-12-30 00:00 UTC to 2024-12-31 00:00 UTC" in card
    assert all(f"`{name}`" in card for name in SCHEMA.names)
    for part in ("## What it is for", "It is not for:", "Limits:", "tickwire train --candles", "no financial advice"):
        assert part in card
    assert "| `seed` | 1 |" in card
    assert f"Rows `{LINEAGE.dataset}`, code `{LINEAGE.code}`" in card


def test_each_instrument_is_judged_on_its_own_where_there_are_several(parts: dict[str, list[BarColumns]]) -> None:
    (bars,) = parts["train"]
    both = [bars, BarColumns("kraken", "ETH-USD", bars.start, **bars.columns)]
    parameters = Hyperparameters(version="test", model="logistic", untouched=0.2)
    model = train(labelled_rows(both), parameters, bars=both)
    assert "On kraken:BTC-USD alone: " in model.card
    assert "On kraken:ETH-USD alone: " in model.card
    assert "### Walk-forward: 3 models fitted alike" in model.card
    assert "| model | base rate |" in model.card
    assert all(f"({name})" in model.card for name in model.plots)


def test_a_model_that_was_not_trained_has_no_card() -> None:
    with pytest.raises(ValueError, match="does not say what it was made of"):
        card_of(ModelDescription("base-rate", "seed", SCHEMA, SCHEMA.digest), [])
