"""The points of the plots against sklearn, and the plots themselves."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from tests.unit.model.labelled import rows_of
from tests.unit.model.markets import INTERVAL
from tickwire.model.bars import BarColumns
from tickwire.model.plots import plots_of, reliability, roc
from tickwire.model.trial import UNTOUCHED, Trial


def drawn(n: int = 5_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(8)
    probability = random.uniform(0.3, 0.7, n)
    return probability, (random.uniform(size=n) < probability).astype(float)


def trial(n: int = 400) -> Trial:
    random = np.random.default_rng(9)
    move = random.normal(0, 0.004, n)
    rows = rows_of(move)
    # A bar more than rows, for the last one's move.
    close = 100 * np.exp(np.concatenate([[0.0], np.cumsum(move)]))
    start = INTERVAL * np.arange(n + 1, dtype=np.int64)
    columns = dict.fromkeys(("volume", "buy_volume", "notional", "trades"), np.ones(n + 1))
    bars = BarColumns("kraken", "BTC-USD", start, close, close, close, close, **columns)
    probability = np.clip(0.5 + 40 * move + random.normal(0, 0.2, n), 0.05, 0.95)
    return Trial(UNTOUCHED, rows, probability, np.full(n, 0.5), [bars])


def test_reliability_is_sklearns_with_equally_many_rows_a_bin() -> None:
    probability, label = drawn()
    said, came, error = reliability(probability, label)
    expected_came, expected_said = calibration_curve(label, probability, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(said, expected_said, atol=1e-3)
    np.testing.assert_allclose(came, expected_came, atol=5e-3)
    assert error[0] == pytest.approx(np.sqrt(came[0] * (1 - came[0]) / 500))


def test_few_rows_have_fewer_bins() -> None:
    said, came, _ = reliability(np.array([0.4, 0.6]), np.array([0.0, 1.0]))
    assert (said.tolist(), came.tolist()) == ([0.4, 0.6], [0.0, 1.0])


def test_the_area_below_the_roc_is_sklearns() -> None:
    probability, label = drawn()
    wrong, right = roc(probability, label)
    assert len(wrong) <= 202
    assert (wrong[0], right[0], wrong[-1], right[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert np.trapezoid(right, wrong) == pytest.approx(roc_auc_score(label, probability), abs=1e-3)


def test_rows_of_one_probability_are_on_one_side_of_the_roc() -> None:
    wrong, right = roc(np.array([0.5, 0.5, 0.5, 0.9]), np.array([1.0, 0.0, 0.0, 1.0]))
    assert (wrong.tolist(), right.tolist()) == ([0.0, 0.0, 1.0], [0.0, 0.5, 1.0])


def test_the_plots_are_whole_svgs_without_a_date_and_the_same_each_time() -> None:
    first, second = plots_of(trial()), plots_of(trial())
    assert first == second
    assert set(first) == {"reliability.svg", "roc.svg", "equity.svg"}
    for content in first.values():
        assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
        assert not re.search(rb"\d{4}-\d\d-\d\dT", content)
        assert len(content) < 60_000
    # Text is text: a reader can search it, and a font is not drawn.
    assert b"bought and held" in first["equity.svg"]
    assert b"10 bps a side" in first["equity.svg"]
