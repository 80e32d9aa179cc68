"""The model that the repository ships: whole, small, and as good as its card says."""

import re
from pathlib import Path

import numpy as np
import pytest

import tickwire.model
from tickwire.model.candles import read_candles
from tickwire.model.features import SCHEMA
from tickwire.model.lineage import dataset_digest
from tickwire.model.predictor import Predictor
from tickwire.model.reference import REFERENCE_FILE, read_reference
from tickwire.model.rows import PURGE, labelled_rows
from tickwire.model.scores import scores_of

SHIPPED = Path(tickwire.model.__file__).with_name("shipped")
DAY = 86_400 * 1_000_000_000


@pytest.fixture(scope="module")
def model() -> Predictor:
    return Predictor.load(SHIPPED, expected=SCHEMA)


def test_it_is_the_network_for_the_rows_that_this_code_makes_within_a_megabyte(model: Predictor) -> None:
    assert model.description.name == "lstm"
    assert model.description.schema == SCHEMA
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 1_000_000


def test_its_card_tells_its_own_figures_and_shows_plots_that_are_there(model: Predictor) -> None:
    card = (SHIPPED / "card.md").read_text()
    assert card.startswith(f"# lstm {model.description.version}\n")
    metrics = model.description.metrics
    for name in ("accuracy", "untouched_accuracy", "log_loss", "untouched_log_loss"):
        assert f" {metrics[name]:.4f} (" in card
    plots = re.findall(r"!\[.*?\]\((.*?)\)", card)
    assert len(plots) == 3
    assert all((SHIPPED / name).is_file() for name in plots)


def test_its_reference_is_of_these_features_and_its_own_answers(model: Predictor) -> None:
    reference = read_reference((SHIPPED / REFERENCE_FILE).read_bytes(), schema=SCHEMA)
    assert model.description.lineage is not None
    assert reference.probability.count == model.description.lineage.rows
    (answer,) = model.predict(reference.background_row()[None])
    assert reference.probability.quantiles[0] <= answer <= reference.probability.quantiles[-1]


def test_it_is_as_good_as_stated_on_the_time_that_it_has_not_seen(model: Predictor, realdata: Path) -> None:
    names = [f"binance_{coin}USDT_15m_to_2025-09-30.parquet" for coin in ("BTC", "ETH")]
    rows = labelled_rows(read_candles([realdata / "candles" / name for name in names]))
    description = model.description
    assert description.lineage is not None
    assert description.trained is not None
    assert dataset_digest(rows) == description.lineage.dataset
    later = rows.take(rows.start > description.trained.last + PURGE + DAY)
    scores = scores_of(model.predict(later.windows()).astype(np.float64), later.label)
    metrics = description.metrics
    assert scores.rows == metrics["untouched_rows"]
    assert scores.log_loss == pytest.approx(metrics["untouched_log_loss"], abs=1e-6)
    assert scores.accuracy == pytest.approx(metrics["untouched_accuracy"], abs=2e-4)
