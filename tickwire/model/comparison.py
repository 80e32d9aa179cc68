"""Every model beside every baseline on rows that none of them has seen, and what each would have earned."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from tickwire.features import Float64
from tickwire.forecast.trading_signals import Costs
from tickwire.model.bars import BarColumns
from tickwire.model.baselines.rule import plain_side
from tickwire.model.economics import DAYS_A_YEAR, Economics, Track, economics_of, follow, hold, signals, volatilities
from tickwire.model.features import SCHEMA
from tickwire.model.out_of_sample import BASE_RATE, EMBARGO, MIN_JUDGED, ComparisonFailed, Fold
from tickwire.model.rows import PURGE, LabelledRows
from tickwire.model.scores import Advantage, advantage_of, estimates_of, improvement, log_losses, mean_estimate, said
from tickwire.model.significance import Estimate, deflated_sharpe

LEAK_ACCURACY = 0.56
"""Of the direction of 15-minute bars 50.5 to 53 % is honest; above this something of the future is in the row."""


class ModelReport(msgspec.Struct, frozen=True):
    """What one model did.

    Attributes
    ----------
    scores : by the names of :class:`tickwire.model.scores.Scores`
    over_base_rate : mean difference of the log losses of a row, nats; above 0 where the model is better
    z : that difference in standard errors, of clustered days
    over_rule : by how many percent it says the side more often right than the plain rule
    over : its advantage over each other model, by name
    signals : following the live path's trading signals; None of the base rate
    always : long or short at every bar, by the more probable side; None of the base rate
    leak : whether it is too good to be true
    """

    name: str
    scores: dict[str, Estimate]
    over_base_rate: Estimate
    z: float
    over_rule: Estimate
    over: dict[str, Advantage]
    signals: Economics | None
    always: Economics | None
    leak: bool


class PlainRule(msgspec.Struct, frozen=True):
    """The rule as it stands: how often it says a side, how often that came, and what following it earned."""

    says: float
    accuracy: Estimate
    always: Economics


class Comparison(msgspec.Struct, frozen=True):
    """Models on the same rows.

    Attributes
    ----------
    schema : the digest of the rows
    first, last : starts of the first and the last bar judged on, ns UTC
    purge, embargo : seconds between what is learnt from and what is judged on
    fee, slippage : of one side, fractions of what is traded
    trials : strategies that the Sharpe ratios are deflated by
    hold : buying equal parts of the instruments and holding them
    """

    schema: str
    instruments: tuple[str, ...]
    rows: int
    first: int
    last: int
    folds: tuple[Fold, ...]
    purge: int
    embargo: int
    fee: float
    slippage: float
    trials: int
    models: tuple[ModelReport, ...]
    rule: PlainRule
    hold: Economics

    @property
    def leaks(self) -> tuple[str, ...]:
        """Names of the models that are too good to be true."""
        return tuple(model.name for model in self.models if model.leak)


def compare(
    judged: LabelledRows,
    probabilities: Mapping[str, Float64],
    *,
    bars: Sequence[BarColumns],
    folds: Sequence[Fold],
    costs: Costs,
    trials: int = 0,
) -> Comparison:
    """Judge models, ``base-rate`` among them, by their probabilities of the same rows.

    Parameters
    ----------
    bars : that the rows were made of
    trials : strategies that were tried in all, where they were more than are compared here

    Raises
    ------
    ComparisonFailed
        If there are fewer than 500 rows.
    """
    if len(judged) < MIN_JUDGED:
        raise ComparisonFailed(f"{len(judged)} rows to judge on, and at least {MIN_JUDGED} are needed")
    sigma, plain = volatilities(bars, judged), plain_side(judged)
    tracks = {"rule, plain": follow(judged, 2 * plain - 1, cost=costs.side)}
    for name, probability in probabilities.items():
        if name != BASE_RATE:
            tracks[f"{name}, signals"] = follow(judged, signals(probability, sigma, costs), cost=costs.side)
            tracks[f"{name}, always"] = follow(judged, 2 * said(probability) - 1, cost=costs.side)
    figures = _deflated(tracks, trials)
    models = [
        _report(name, judged, probabilities=probabilities, plain=plain, figures=figures) for name in probabilities
    ]
    spoke = plain != 0.5
    return Comparison(
        schema=SCHEMA.digest,
        instruments=tuple(judged.instruments[number] for number in np.unique(judged.instrument)),
        rows=len(judged),
        first=int(judged.start.min()),
        last=int(judged.start.max()),
        folds=tuple(folds),
        purge=PURGE // 10**9,
        embargo=EMBARGO // 10**9,
        fee=costs.fee,
        slippage=costs.slippage,
        trials=max(trials, len(figures)),
        models=tuple(models),
        rule=PlainRule(
            float(spoke.mean()),
            mean_estimate((plain == judged.label)[spoke].astype(np.float64), start=judged.start[spoke]),
            figures["rule, plain"],
        ),
        hold=economics_of(hold(bars, judged, cost=costs.side)),
    )


def _report(
    name: str,
    judged: LabelledRows,
    *,
    probabilities: Mapping[str, Float64],
    plain: Float64,
    figures: Mapping[str, Economics],
) -> ModelReport:
    label, start = judged.label, judged.start
    probability, base_rate = probabilities[name], probabilities[BASE_RATE]
    over = {
        other: advantage_of(probability, theirs, label=label, start=start)
        for other, theirs in probabilities.items()
        if other != name
    }
    scores = estimates_of(probability, label, start=start)
    accuracy = scores["accuracy"].value
    return ModelReport(
        name=name,
        scores=scores,
        over_base_rate=mean_estimate(log_losses(base_rate, label) - log_losses(probability, label), start=start),
        z=over[BASE_RATE].z if name != BASE_RATE else 0.0,
        over_rule=improvement(said(probability), plain, label=label, start=start),
        over=over,
        signals=figures.get(f"{name}, signals"),
        always=figures.get(f"{name}, always"),
        leak=accuracy is not None and accuracy > LEAK_ACCURACY,
    )


def _deflated(tracks: Mapping[str, Track], trials: int) -> dict[str, Economics]:
    """Put tracks into figures, and deflate their Sharpe ratios by all of them together."""
    figures = {name: economics_of(track) for name, track in tracks.items()}
    ratios = [one.sharpe.value / DAYS_A_YEAR**0.5 for one in figures.values() if one.sharpe.value is not None]
    deviation = float(np.std(ratios, ddof=1)) if len(ratios) > 1 else 0.0
    many = max(trials, len(tracks))
    return {
        name: msgspec.structs.replace(
            one, deflated=deflated_sharpe(tracks[name].daily, trials=many, deviation=deviation)
        )
        for name, one in figures.items()
    }
