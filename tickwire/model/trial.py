"""What a model, or models made alike, said of rows that they had not learnt from, beside what came."""

from collections.abc import Sequence
from dataclasses import dataclass

from tickwire.features import Float64
from tickwire.forecast.trading_signals import Costs
from tickwire.model.bars import BarColumns
from tickwire.model.economics import Track, follow, hold, signals, volatilities
from tickwire.model.rows import LabelledRows
from tickwire.model.scores import Advantage, advantage_of, said, scores_of
from tickwire.model.significance import Estimate

WALKED = "walk-forward"
"""Models fitted alike, each tried on the time after what it learnt from."""
UNTOUCHED = "untouched"
"""The model itself, tried on the newest time, which nothing was chosen by."""

COSTS = Costs()


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """n rows that were judged.

    Attributes
    ----------
    name : :data:`WALKED` or :data:`UNTOUCHED`
    rows : judged on
    probability : float64 (n,), what was said
    base_rate : float64 (n,), the share of rising rows that was known before each
    bars : that the rows were made of
    simple : float64 (n,), what a logistic regression of the newest bar said that learnt from the same; None where the
        model is one
    """

    name: str
    rows: LabelledRows
    probability: Float64
    base_rate: Float64
    bars: Sequence[BarColumns]
    simple: Float64 | None = None

    @property
    def losses(self) -> tuple[float, float]:
        """Log loss of the model and of the base rate, nats."""
        ours, rate = (scores_of(it, self.rows.label).log_loss for it in (self.probability, self.base_rate))
        return ours, rate

    @property
    def over_base_rate(self) -> Advantage:
        """By how much the model's log loss is lower than the base rate's."""
        return advantage_of(self.probability, self.base_rate, label=self.rows.label, start=self.rows.start)

    def metrics(self) -> dict[str, float]:
        """Give the figures by name; those of the untouched rows begin with ``untouched_``."""
        ours, rate = (scores_of(it, self.rows.label) for it in (self.probability, self.base_rate))
        over = self.over_base_rate
        figures = {
            "rows": ours.rows,
            "log_loss": ours.log_loss,
            "brier": ours.brier,
            "accuracy": ours.accuracy,
            "auc": ours.auc,
            "precision": ours.precision,
            "recall": ours.recall,
            "base_rate_log_loss": rate.log_loss,
            "base_rate_accuracy": rate.accuracy,
            "advantage": over.mean,
            "advantage_error": over.error,
        }
        prefix = "untouched_" if self.name == UNTOUCHED else ""
        return {prefix + name: float(value) for name, value in figures.items() if value is not None}

    def signalled(self) -> Track:
        """Follow the trading signals that the live path makes of the predictions, after costs."""
        sigma = volatilities(self.bars, self.rows)
        return follow(self.rows, signals(self.probability, sigma, COSTS), cost=COSTS.side)

    def always(self) -> Track:
        """Go with the more probable side of every row."""
        return follow(self.rows, 2 * said(self.probability) - 1, cost=COSTS.side)

    def held(self) -> Track:
        """Buy all instruments, and hold them."""
        return hold(self.bars, self.rows, cost=COSTS.side)


def bounds_of(advantage: Advantage) -> Estimate:
    """Put an advantage between bounds of 95 %: two standard errors over the days, normal."""
    reach = 1.96 * advantage.error
    return Estimate(advantage.mean, advantage.mean - reach, advantage.mean + reach)
