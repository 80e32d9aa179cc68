"""A model's card: what it is, what it is worth on rows that it had not seen, and what it is for (M. Mitchell et al.,
Model Cards for Model Reporting, FAT* 2019). In Markdown, made of figures alone, so that it cannot flatter."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tickwire.model.economics import Economics, economics_of
from tickwire.model.plots import EQUITY, RELIABILITY, ROC
from tickwire.model.schema import Lineage, ModelDescription, TrainedSpan
from tickwire.model.scores import advantage_of, estimates_of
from tickwire.model.significance import Estimate, day_blocks
from tickwire.model.trial import COSTS, UNTOUCHED, WALKED, Trial, bounds_of

_KINDS = {
    "lstm": "two LSTM layers, dropout between them, a dense layer, and one unit, calibrated by Platt's scaling",
    "logistic-regression": "a logistic regression of the newest bar with a ridge penalty",
}
_TITLES = {
    WALKED: "Walk-forward: {folds} models fitted alike, each tried on the time after what it learnt from",
    UNTOUCHED: "The model itself, on the newest time, which nothing was learnt or chosen from",
}
_SCORES = {
    "log_loss": "log loss, nats",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auc": "area under the ROC",
    "precision": "precision of “up”",
    "recall": "recall of “up”",
    "mcc": "Matthews's correlation",
    "ece": "calibration error, 10 bins",
}
# One-sided 95 %, as of a candidate that is to become champion.
_CONVINCED = 1.645


def card_of(description: ModelDescription, trials: Sequence[Trial]) -> str:
    """Write the card of a trained model; the plots beside it are of the last trial."""
    lineage, trained = description.lineage, description.trained
    if lineage is None or trained is None:
        raise ValueError("the model does not say what it was made of")
    parts = [
        f"# {description.name} {description.version}",
        _summary(description),
        *(line for trial in trials for line in _section(trial, lineage)),
        f"![Reliability]({RELIABILITY})\n![ROC]({ROC})\n![Equity after costs]({EQUITY})",
        f"The plots are of: {_titled(trials[-1], lineage)}.",
        _use(description),
        _data(description, lineage, trained),
        _again(lineage),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(description: ModelDescription) -> str:
    schema = description.schema
    minutes = schema.interval // 60
    return (
        f"It says with which probability the close of the next {minutes} minutes is above the last one, from the last"
        f" {schema.window} bars of {minutes} minutes: {_KINDS.get(description.name, description.name)}.\n\n"
        "## What it is worth\n\n"
        "The base rate is the share of rising bars that was known beforehand, said of every row: a model without skill."
        " The logistic regression of the newest bar is the simplest model that may have some. Bounds are of 95 %, from"
        " resampled days, since the rows of a day share its market."
    )


def _section(trial: Trial, lineage: Lineage) -> list[str]:
    rows = trial.rows
    days = day_blocks(rows.start)[1]
    said = {"model": trial.probability, "logistic regression": trial.simple, "base rate": trial.base_rate}
    columns = {
        title: estimates_of(column, rows.label, start=rows.start)
        for title, column in said.items()
        if column is not None
    }
    span = f"{len(rows):,} rows of {days} days, {_date(rows.start.min())} to {_date(rows.start.max())}"
    lines = [
        _line(span, *columns),
        _line(*["---"] * (1 + len(columns))),
        *(_line(title, *(_bounded(column[name]) for column in columns.values())) for name, title in _SCORES.items()),
    ]
    return [f"### {_titled(trial, lineage)}", "\n".join(lines), _verdict(trial), _earned(trial)]


def _line(*fields: str) -> str:
    return f"| {' | '.join(fields)} |"


def _verdict(trial: Trial) -> str:
    over = trial.over_base_rate
    bounds = _bounded(bounds_of(over), places=5)
    figures = f"{bounds} nats a row, {over.z:.2f} standard errors over {over.days} days"
    judged = [f"Over the base rate: {figures}: {_words(over.z)}."]
    for number, name in enumerate(trial.rows.instruments):
        mine = trial.rows.instrument == number
        if len(trial.rows.instruments) > 1 and mine.any():
            rows = trial.rows.take(mine)
            one = advantage_of(trial.probability[mine], trial.base_rate[mine], label=rows.label, start=rows.start)
            judged.append(f"On {name} alone: {_bounded(bounds_of(one), places=5)}, {one.z:.2f} standard errors.")
    return " ".join(judged)


def _words(z: float) -> str:
    if z >= _CONVINCED:
        return "there is some skill"
    return "no skill is shown" if z > -_CONVINCED else "it is worse than knowing nothing"


def _earned(trial: Trial) -> str:
    signals, always, held = (economics_of(track) for track in (trial.signalled(), trial.always(), trial.held()))
    sided = f"{1e4 * COSTS.side:g} basis points a side"
    if signals.entries:
        followed = f"took {signals.entries:,} positions and earned {_percent(signals)}"
    else:
        followed = "took no position: nothing that the model said was worth a round trip's costs"
    worth = always.break_even_bps or 0.0
    even = f"came out even at costs of {worth:.2f} basis points a side" if worth > 0 else "lost even before costs"
    return (
        f"Following the live path's trading signals at {sided} {followed}. Buying and holding earned {_percent(held)}."
        f" Going with the more probable side of every row trades {always.turnover:.0f} times the capital a day; it"
        f" {even}, and earned {_percent(always)} at {sided}."
    )


def _use(description: ModelDescription) -> str:
    minutes = description.schema.interval // 60
    return (
        "## What it is for\n\n"
        "- To show what can be known of the next bar, beside other signals, with a stated probability.\n"
        "- As the champion that a nightly candidate has to beat.\n\n"
        "It is not for:\n\n"
        "- trading by it alone: see above what is left after costs;\n"
        f"- other horizons than {minutes} minutes, and instruments or venues unlike those below;\n"
        "- advice to anybody. It is no financial advice.\n\n"
        "Limits: it knows prices, volumes and times alone, no order book and no news. Markets change, and what held in"
        " the time below may have ended; drift is measured against `reference.json`. The bars of one day move together,"
        " so that there is less evidence than rows."
    )


def _data(description: ModelDescription, lineage: Lineage, trained: TrainedSpan) -> str:
    schema = description.schema
    stopped = ""
    if description.name == "lstm":
        stopped = " The newest 15 % of that time served only to stop by and to calibrate on."
    return (
        "## What it learnt from\n\n"
        f"{lineage.rows:,} rows of {', '.join(lineage.instruments)}, {_time(trained.first)} to {_time(trained.last)}."
        f"{stopped} Between what is learnt from and what is judged on lies as much time as a row is made of, and a day"
        " more.\n\n"
        f"A row has {schema.window} bars of {len(schema.names)} features, masked where they are not known:"
        f" {', '.join(f'`{name}`' for name in schema.names)}. `tickwire/features/bar_features.py` has their formulas."
        f" Schema `{description.digest}`."
    )


def _again(lineage: Lineage) -> str:
    parameters = "\n".join(f"| `{name}` | {value} |" for name, value in lineage.parameters.items())
    return (
        "## How to make it again\n\n"
        "`tickwire train --candles FILE… --out DIR` with the same candles and these parameters; `make train` does it"
        " for the model that is shipped. The same rows, code and seed give the same model on the"
        " same kind of processor.\n\n"
        f"Rows `{lineage.dataset}`, code `{lineage.code}`.\n\n"
        f"| parameter | |\n|---|---|\n{parameters}"
    )


def _titled(trial: Trial, lineage: Lineage) -> str:
    return _TITLES[trial.name].format(folds=lineage.parameters["folds"])


def _bounded(estimate: Estimate, *, places: int = 4) -> str:
    if estimate.low is None or estimate.high is None:
        return _number(estimate.value, places=places)
    return f"{_number(estimate.value, places=places)} ({estimate.low:.{places}f} to {estimate.high:.{places}f})"


def _number(value: float | None, *, places: int = 4) -> str:
    return "–" if value is None else f"{value:.{places}f}"


def _percent(earned: Economics) -> str:
    total = earned.total
    if total.value is None or total.low is None or total.high is None:
        return "nothing that could be judged"
    return f"{total.value:+.1%} ({total.low:+.1%} to {total.high:+.1%})"


def _date(nanoseconds: int) -> str:
    return _time(nanoseconds)[:10]


def _time(nanoseconds: int) -> str:
    return f"{datetime.fromtimestamp(int(nanoseconds) // 1_000_000_000, UTC):%Y-%m-%d %H:%M} UTC"
