"""What a prediction is worth, worked by hand; volatility against pandas, and that of the features."""

from math import exp, log, pi, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tickwire.conclusions import Direction, Prediction
from tickwire.forecast.trading_signals import Costs, decide, trading_signals, volatility

FREE = Costs(fee=0.0, slippage=0.0)


def _prediction(probability: float | None, close: float = 200.0) -> Prediction:
    return Prediction("binance", "BTC-USDT", 60, 900, close, probability)


def test_costs_are_ten_basis_points_a_side() -> None:
    assert Costs().side == pytest.approx(0.001)
    assert Costs().round_trip == pytest.approx(0.002)


def test_the_expected_move_is_the_edge_times_the_mean_move_less_a_round_trip() -> None:
    # The mean of the absolute value of a normal variable, by scipy: 0.79788 σ.
    mean = 0.01 * stats.halfnorm.mean()
    _, expected = decide(np.array([0.75, 0.25, 0.5]), np.full(3, 0.01), Costs())
    assert expected == pytest.approx([0.5 * mean - 0.002, 0.5 * mean - 0.002, -0.002])


@pytest.mark.parametrize(
    ("probability", "sigma", "direction"),
    [
        (0.75, 0.01, 1),
        (0.25, 0.01, -1),
        # 0.1 · 0.01 · 0.798 is 8 bps, and a round trip costs 20.
        (0.55, 0.01, 0),
        (0.5, 0.5, 0),
        (float("nan"), 0.01, 0),
        (0.9, float("nan"), 0),
    ],
)
def test_a_direction_is_given_only_where_something_is_left_after_costs(
    probability: float, sigma: float, direction: int
) -> None:
    assert decide(np.array([probability]), np.array([sigma]), Costs())[0].tolist() == [direction]


def test_without_costs_the_likelier_side_is_taken() -> None:
    assert decide(np.array([0.501, 0.499, 0.5]), np.full(3, 0.001), FREE)[0].tolist() == [1, -1, 0]


def test_signals_tell_where_they_are_void_and_why() -> None:
    long, short, flat = trading_signals(
        [_prediction(0.75), _prediction(0.25), _prediction(0.55)], np.full(3, 0.01), Costs()
    )
    assert (long.direction, short.direction, flat.direction) == (Direction.LONG, Direction.SHORT, Direction.FLAT)
    assert (long.venue, long.symbol, long.time, long.horizon, long.price) == ("binance", "BTC-USDT", 60, 900, 200.0)
    assert long.invalidation == pytest.approx(200 * exp(-0.015))
    assert short.invalidation == pytest.approx(200 * exp(0.015))
    assert flat.invalidation is None
    assert (long.confidence, short.confidence, flat.confidence) == pytest.approx((0.5, 0.5, 0.1))
    assert long.expected_move == pytest.approx(0.005 * sqrt(2 / pi) - 0.002)
    assert long.reason == "75.0% for a rise within 15 minutes is worth 39.9 bps, 19.9 bps more than a round trip costs"
    assert flat.reason == "55.0% for a rise within 15 minutes is worth 8.0 bps, and a round trip costs 20.0 bps"
    assert flat.expected_move < 0


def test_no_prediction_or_no_volatility_makes_no_signal() -> None:
    assert trading_signals([_prediction(None), _prediction(0.9)], np.array([0.01, np.nan]), Costs()) == []


def test_volatility_is_the_root_mean_square_of_36_returns_by_pandas() -> None:
    random = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, 200)))
    close[random.random(200) < 0.1] = np.nan
    squares = pd.Series(np.log(close)).diff() ** 2
    expected = np.sqrt(squares.rolling(36, min_periods=24).mean())
    # The window is whole from the 37th bar on.
    expected[:36] = np.nan
    np.testing.assert_allclose(volatility(close), expected, rtol=1e-12)
    assert np.isfinite(expected).sum() > 100
    np.testing.assert_array_equal(volatility(np.stack([close, close]))[1], volatility(close))


def test_volatility_of_a_steady_rise_is_its_step() -> None:
    close = np.exp(np.arange(40) * log(1.01))
    assert volatility(close)[36:] == pytest.approx([log(1.01)] * 4)
    assert np.isnan(volatility(close[:36])).all()
