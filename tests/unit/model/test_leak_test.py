"""No model finds anything where there is nothing, and the test notices one that looks ahead."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.model.markets import BARS_A_DAY, INTERVAL
from tickwire.features.bar_features import FEATURES
from tickwire.features.bar_grid import COLUMNS
from tickwire.model.bars import BarColumns
from tickwire.model.baselines.base_rate import BaseRate
from tickwire.model.baselines.lightgbm import LightGBM
from tickwire.model.baselines.logistic import Logistic
from tickwire.model.baselines.rule import Rule
from tickwire.model.candles import read_candles
from tickwire.model.estimator import Estimator
from tickwire.model.leak_test import Nothing, random_walks, shuffled, verdicts
from tickwire.model.out_of_sample import folds_of, out_of_sample
from tickwire.model.report import leak_test_text
from tickwire.model.rows import LabelledRows, labelled_rows
from tickwire.model.scores import scores_of
from tickwire.model.significance import Estimate


def trending(symbol: str, *, seed: int) -> BarColumns:
    """40 days in which a move is largely the one before once more: what every model finds."""
    random = np.random.default_rng(seed)
    n = 40 * BARS_A_DAY
    moves = 0.002 * random.standard_normal(n)
    for bar in range(1, n):
        moves[bar] += 0.4 * moves[bar - 1]
    close = 100 * np.exp(np.cumsum(moves))
    opening = np.concatenate([[100.0], close[:-1]]) * np.exp(0.0001 * random.standard_normal(n))
    volume = random.lognormal(2, 0.5, n)
    given = {
        "open": opening,
        "high": np.maximum(opening, close) * (1 + 0.001 * random.uniform(size=n)),
        "low": np.minimum(opening, close) * (1 - 0.001 * random.uniform(size=n)),
        "close": close,
        "volume": volume,
        "buy_volume": volume * np.clip(0.5 + 100 * moves, 0.1, 0.9),
        "notional": volume * (opening + close) / 2,
        "trades": np.ceil(10 * volume),
    }
    return BarColumns(
        "kraken", symbol, INTERVAL * np.arange(n, dtype=np.int64), **{name: given[name] for name in COLUMNS}
    )


BARS = [trending("BTC-USD", seed=1), trending("ETH-USD", seed=2).between(100 * INTERVAL, 3_500 * INTERVAL)]
ESTIMATORS = [BaseRate(), Rule(), Logistic(), LightGBM(threads=1)]


def found_on(rows: LabelledRows, estimators: Sequence[Estimator] = ESTIMATORS) -> dict[str, Nothing]:
    judged, probabilities = out_of_sample(rows, folds_of(rows, folds=2), estimators, progress=str)
    return {one.name: one for one in verdicts("test", judged, probabilities, comparisons=6)}


def test_what_is_there_is_found_or_the_others_would_prove_nothing() -> None:
    found = found_on(labelled_rows(BARS))
    assert (found["logistic"].passed, found["lightgbm"].passed) == (False, False)


def test_on_shuffled_labels_no_model_beats_the_base_rate() -> None:
    assert all(one.passed for one in found_on(shuffled(labelled_rows(BARS), seed=1)).values())


def test_on_a_random_walk_no_model_beats_the_base_rate() -> None:
    assert all(one.passed for one in found_on(labelled_rows(random_walks(BARS, seed=1))).values())


def test_a_feature_that_looks_ahead_is_noticed_on_both() -> None:
    for rows in (shuffled(labelled_rows(BARS), seed=1), labelled_rows(random_walks(BARS, seed=1))):
        bars = rows.bars.copy()
        bars[rows.last, FEATURES.index("imbalance")] += 0.05 * (2 * rows.label - 1)
        assert not found_on(replace(rows, bars=bars), [BaseRate(), Logistic()])["logistic"].passed


def test_a_mirrored_market_has_the_same_sizes_and_possible_bars() -> None:
    for bars, walk in zip(BARS, random_walks(BARS, seed=3), strict=True):
        moves, walked = np.diff(np.log(bars.close)), np.diff(np.log(walk.close))
        np.testing.assert_allclose(np.abs(walked), np.abs(moves), atol=1e-12)
        ranges, ranged = (np.log(one.high / one.low) for one in (bars, walk))
        np.testing.assert_allclose(ranged, ranges, atol=1e-12)
        prices = np.stack([walk.open, walk.close, walk.notional / walk.volume])
        assert ((prices <= walk.high * (1 + 1e-12)) & (prices >= walk.low * (1 - 1e-12))).all()
        assert ((walk.buy_volume >= 0) & (walk.buy_volume <= walk.volume)).all()
        # An up move comes with buying, also in the mirror.
        assert np.corrcoef(np.diff(np.log(walk.close)), (walk.buy_volume / walk.volume)[1:])[0, 1] > 0.5


def test_a_mirrored_market_has_no_memory_and_its_instruments_move_together() -> None:
    one, two = random_walks(BARS, seed=4)
    moves = np.diff(np.log(one.close))
    assert np.corrcoef(moves[1:], moves[:-1])[0, 1] == pytest.approx(0, abs=3 / np.sqrt(len(moves)))
    first, second = (
        np.sign(np.diff(np.log(bars.close))) for bars in (BARS[0].between(100 * INTERVAL, 3_500 * INTERVAL), BARS[1])
    )
    walked = (
        np.sign(np.diff(np.log(one.between(100 * INTERVAL, 3_500 * INTERVAL).close))),
        np.sign(np.diff(np.log(two.close))),
    )
    np.testing.assert_array_equal(first * second, walked[0] * walked[1])


def test_shuffling_keeps_the_rows_and_their_base_rate() -> None:
    rows = labelled_rows(BARS)
    other = shuffled(rows, seed=5)
    assert other.label.mean() == rows.label.mean()
    assert (np.sign(other.move) == np.where(other.label == 1, 1, -1)).all()
    assert (other.label == rows.label).mean() == pytest.approx(0.5, abs=0.03)
    assert scores_of(np.full(len(rows), 0.5), other.label).accuracy == 0.5


def test_verdicts_are_told_in_a_table() -> None:
    found = [Nothing("random walk", "lstm", Estimate(0.001, 0.0005, 0.0015), passed=False)]
    assert leak_test_text(found).splitlines()[-1] == "| random walk |  lstm |       10.00 [5.00, 15.00] |   LEAK? |"


@pytest.mark.slow
def test_real_bars_hold_a_little_and_their_mirror_nothing(realdata: Path) -> None:
    paths = [realdata / "candles" / f"binance_{coin}USDT_15m_to_2025-09-30.parquet" for coin in ("BTC", "ETH")]
    bars = read_candles(paths)
    rows = labelled_rows(bars)
    judged, probabilities = out_of_sample(rows, folds_of(rows, folds=2), ESTIMATORS, progress=str)
    for name in ("logistic", "lightgbm"):
        assert 0.51 < scores_of(probabilities[name], judged.label).accuracy < 0.54
    assert all(one.passed for one in found_on(labelled_rows(random_walks(bars, seed=1))).values())
    assert all(one.passed for one in found_on(shuffled(rows, seed=1)).values())
