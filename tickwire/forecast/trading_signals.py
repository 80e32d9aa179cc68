"""What a prediction is worth after costs: one rule, for the live path and for backtests. Pure.

A prediction says with which probability p the price rises within the horizon. Going with it earns on average
``|2p - 1|`` times the size of a move, and costs a round trip. The size of a move is the mean of its absolute value
under a normal distribution with the window's volatility, ``σ·√(2/π)``. A normal distribution with the σ of a
fat-tailed one has a larger mean, so that the rule rather overstates a move than misses one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tickwire.conclusions import Direction, Prediction, TradingSignal
from tickwire.features import Float64

INVALIDATION_SIGMAS = 1.5
"""So many σ of the horizon against it, and a signal is void."""
VOLATILITY_BARS, _VOLATILITY_NEEDED = 36, 24
_MEAN_ABSOLUTE = np.sqrt(2 / np.pi)


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one side of a trade, in parts of its worth: 10 basis points together unless told otherwise.

    Attributes
    ----------
    fee : of the exchange, for a taker
    slippage : how much worse than the close a market order is filled, with half of the spread
    """

    fee: float = 0.0008
    slippage: float = 0.0002

    @property
    def side(self) -> float:
        """Of going in, or of going out."""
        return self.fee + self.slippage

    @property
    def round_trip(self) -> float:
        """Of going in and out again."""
        return 2 * self.side


def volatility(close: Float64) -> Float64:
    """Give the volatility of a bar's move as known at each of n neighbouring bars' closes.

    It is the root mean square of the last 36 log returns, of which 24 must be there, as in
    :mod:`tickwire.features.bar_features`.

    Parameters
    ----------
    close : float64 (…, n), NaN where a bar is missing

    Returns
    -------
    float64 (…, n)
        NaN where there are not enough.
    """
    out = np.full(close.shape, np.nan)
    if close.shape[-1] <= VOLATILITY_BARS:
        return out
    squares = np.diff(np.log(close), axis=-1) ** 2
    windows = np.lib.stride_tricks.sliding_window_view(squares, VOLATILITY_BARS, axis=-1)
    there = np.isfinite(windows).sum(axis=-1)
    mean = np.nansum(windows, axis=-1) / np.maximum(there, 1)
    out[..., VOLATILITY_BARS:] = np.where(there >= _VOLATILITY_NEEDED, np.sqrt(mean), np.nan)
    return out


def decide(probability: Float64, sigma: Float64, costs: Costs) -> tuple[npt.NDArray[np.int8], Float64]:
    """Say what to do with n predictions, and what it is expected to bring.

    Parameters
    ----------
    probability : float64 (n,), of a rise within the horizon; NaN where there is no prediction
    sigma : float64 (n,), volatility of the log return over the horizon, as :func:`volatility`; NaN where unknown

    Returns
    -------
    direction : int8 (n,), +1 long, -1 short, 0 flat: also where a number is missing
    expected_move : float64 (n,), fraction of the price after a round trip's costs; negative where these eat it
    """
    edge = 2 * probability - 1
    expected = np.abs(edge) * sigma * _MEAN_ABSOLUTE - costs.round_trip
    direction = np.where(expected > 0, np.sign(edge), 0).astype(np.int8)
    return direction, expected


def trading_signals(predictions: list[Prediction], sigma: Float64, costs: Costs) -> list[TradingSignal]:
    """Make a signal of each prediction that has a probability, and whose volatility is known.

    ``sigma`` : float64 (n,), of the prediction at the same place, see :func:`decide`
    """
    probability = np.array([np.nan if one.probability is None else one.probability for one in predictions])
    direction, expected = decide(probability, sigma, costs)
    return [
        _signal(one, int(direction[k]), float(expected[k]), float(sigma[k]), costs)
        for k, one in enumerate(predictions)
        if np.isfinite(expected[k])
    ]


def _signal(prediction: Prediction, way: int, expected: float, sigma: float, costs: Costs) -> TradingSignal:
    probability = prediction.probability or 0.0
    confidence = abs(2 * probability - 1)
    minutes = prediction.horizon // 60
    gross = expected + costs.round_trip
    chance = f"{probability:.1%} for a rise within {minutes} minutes"
    if way == 0:
        reason = f"{chance} is worth {1e4 * gross:.1f} bps, and a round trip costs {1e4 * costs.round_trip:.1f} bps"
    else:
        reason = f"{chance} is worth {1e4 * gross:.1f} bps, {1e4 * expected:.1f} bps more than a round trip costs"
    return TradingSignal(
        venue=prediction.venue,
        symbol=prediction.symbol,
        time=prediction.time,
        horizon=prediction.horizon,
        direction=(Direction.SHORT, Direction.FLAT, Direction.LONG)[way + 1],
        confidence=confidence,
        price=prediction.close,
        invalidation=float(prediction.close * np.exp(-way * INVALIDATION_SIGMAS * sigma)) if way else None,
        expected_move=expected,
        reason=reason,
    )
