"""The rule-based strategy: three indicators that traders look at, each with a vote.

| indicator | votes up | votes down |
|---|---|---|
| RSI of 14 bars (Wilder 1978: oversold and overbought) | ≤ 30 | ≥ 70 |
| MACD, EMA 12 - EMA 26 (G. Appel, The Moving Average Convergence-Divergence Trading Method, 1979) | above 0 | below 0 |
| Bollinger bands of 20 bars and 2 deviations (Bollinger 2001) | close at or below the lower | at or above the upper |

The sum of the votes, -3 to 3, says the direction: up above 0, down below, and nothing at 0. An indicator that is
masked has no vote. That is the plain rule. To compare it as a probability, each sum is given the share of rising rows
that it had in what was learnt from, which may turn the rule around where the market did the opposite of it.
"""

from dataclasses import dataclass

import numpy as np

from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.features.bar_features import FEATURES
from tickwire.model.rows import LabelledRows

# Of the features: RSI / 50 - 1, and the distance from the middle in half widths of the band.
_RSI_BOUND = 0.4
_BAND = 1.0
_MOST = 3
# Rows by which each share is drawn to that of all rows, so that a sum that was rare says little.
_PRIOR_ROWS = 200.0

_RSI, _MACD, _BOLLINGER = (FEATURES.index(name) for name in ("rsi_14", "macd", "bollinger"))


def votes(rows: LabelledRows) -> Int64:
    """Give the sum of the votes of each row's newest bar: int64 (n,), -3 to 3."""
    newest = rows.newest()
    rsi, macd, band = (newest[:, place] for place in (_RSI, _MACD, _BOLLINGER))
    # A comparison with NaN is False: no vote.
    ups = (rsi <= -_RSI_BOUND).astype(np.int64) + (macd > 0) + (band <= -_BAND)
    downs = (rsi >= _RSI_BOUND).astype(np.int64) + (macd < 0) + (band >= _BAND)
    total: Int64 = ups - downs
    return total


def plain_side(rows: LabelledRows) -> Float64:
    """Give what the plain rule says of each row: 1 for up, 0 for down, one half for nothing, float64 (n,)."""
    sides: Float64 = (np.sign(votes(rows)) + 1) / 2
    return sides


@dataclass(frozen=True, slots=True)
class Rule:
    """See the module."""

    name: str = "rule"

    def fit(self, learn: LabelledRows, validate: LabelledRows) -> "FittedRule":
        """Count the rising rows of each sum of votes, of both."""
        label = np.concatenate([learn.label, validate.label])
        sums = np.concatenate([votes(learn), votes(validate)]) + _MOST
        rows, rising = (np.bincount(sums, weights, minlength=2 * _MOST + 1) for weights in (np.ones_like(label), label))
        return FittedRule((rising + _PRIOR_ROWS * label.mean()) / (rows + _PRIOR_ROWS))


@dataclass(frozen=True, slots=True, eq=False)
class FittedRule:
    """``shares`` : float64 (7,), of rising rows by the sum of the votes, from -3 on."""

    shares: Float64

    def predict(self, rows: LabelledRows) -> Float64:
        """Give the probability that the next bar closes higher: float64 (n,)."""
        probability: Float64 = self.shares[votes(rows) + _MOST]
        return probability
