"""A comparison as text: tables that read the same on a terminal and as Markdown."""

from collections.abc import Mapping, Sequence

import numpy as np

from tickwire.model.comparison import LEAK_ACCURACY, Comparison
from tickwire.model.economics import Economics
from tickwire.model.leak_test import Nothing
from tickwire.model.out_of_sample import BASE_RATE
from tickwire.model.scores import Advantage
from tickwire.model.significance import Estimate

NONE = "–"
_MIN_Z = 1.645


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    rule = [("-" * width) if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    lines = []
    for row in (header, rule, *rows):
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def text_of(report: Comparison) -> str:
    """Give the whole comparison as text."""
    head = (
        f"{report.rows:,} rows of {', '.join(report.instruments)}, bars from {moment(report.first)} to"
        f" {moment(report.last)}, {_counted(len(report.folds), 'fold')};"
        f" what is learnt from ends {(report.purge + report.embargo) / 3600:.0f} h before what is judged on."
        " Bounds are of 95 %, from resampled days."
    )
    money = (
        f"After {1e4 * report.fee:.1f} bps of fees and {1e4 * report.slippage:.1f} bps of slippage a side;"
        f" {report.hold.days} days. Sharpe ratios are of daily returns times √365; deflated is the probability that one"
        f" is above the best of {report.trials} trials by luck. Break-even: the costs of a side that leave nothing."
    )
    plain = report.rule
    rule = (
        f"The plain rule says a side of {plain.says:.0%} of the rows, and {bounds(plain.accuracy, 100, 2)} % of those"
        " came true."
    )
    against = "By how much the model of the row is better than that of the column, 1e-4 nats, and in standard errors:"
    parts = [
        head,
        _right(report),
        rule,
        against,
        _against(report),
        _verdicts(report),
        _sure(report),
        money,
        _money(report),
    ]
    if report.leaks:
        parts.append(leak_sentence(report))
    return "\n\n".join(parts)


def leak_sentence(report: Comparison) -> str:
    """Say of which model nobody should believe the figures."""
    return (
        f"LEAK? {', '.join(report.leaks)}: an accuracy above {LEAK_ACCURACY:.0%} on the direction of 15-minute bars is"
        " too good to be true; something of the future is in the rows, or the candles are no market's."
    )


def leak_test_text(found: Sequence[Nothing]) -> str:
    """Give the verdicts of the leak tests as text."""
    rows = [
        [one.test, one.name, bounds(one.over_base_rate, 1e4, 2), "nothing found" if one.passed else "LEAK?"]
        for one in found
    ]
    return table(["test", "model", "over base rate, 1e-4 nats", "verdict"], rows)


def economics_table(strategies: Mapping[str, Economics]) -> str:
    """Lay out what strategies earned, by their names."""
    header = ["strategy", "entries", "in the market, %", "turnover a day", "return, %", "Sharpe", "deflated"]
    header += ["drawdown, %", "break-even, bps"]
    return table(header, [_economics(name, economics) for name, economics in strategies.items()])


def moment(time: int) -> str:
    """Give a time, ns UTC, to the minute."""
    return f"{np.datetime64(time // 60_000_000_000, 'm')}Z".replace("T", " ")


def bounds(of: Estimate, factor: float, digits: int) -> str:
    """Give ``value [low, high]``, times ``factor``."""
    if of.value is None:
        return NONE
    value = f"{factor * of.value:.{digits}f}"
    if of.low is None or of.high is None:
        return value
    return f"{value} [{factor * of.low:.{digits}f}, {factor * of.high:.{digits}f}]"


def _right(report: Comparison) -> str:
    header = ["model", "accuracy, %", "AUC", "log loss", "over base rate, 1e-4 nats", "z", "over the plain rule, %"]
    rows = [
        [
            f"{model.name} LEAK?" if model.leak else model.name,
            bounds(model.scores["accuracy"], 100, 2),
            bounds(model.scores["auc"], 1, 3),
            _number(model.scores["log_loss"].value, 5),
            bounds(model.over_base_rate, 1e4, 1),
            f"{model.z:.1f}",
            bounds(model.over_rule, 1, 1),
        ]
        for model in report.models
    ]
    return table(header, rows)


def _against(report: Comparison) -> str:
    names = [model.name for model in report.models]
    rows = []
    for model in report.models:
        cells = [NONE if name not in model.over else _advantage(model.over[name]) for name in names]
        rows.append([model.name, *cells])
    return table(["model", *names], rows)


def _verdicts(report: Comparison) -> str:
    """Say of each model in words which others it is better than by more than chance."""
    sentences = []
    for model in report.models:
        if model.name == BASE_RATE:
            continue
        better = [name for name, over in model.over.items() if over.z >= _MIN_Z]
        others = [name for name in model.over if name not in better]
        words = f"{model.name} is better than {', '.join(better) or 'none'}"
        sentences.append(f"{words}; not shown to be better than {', '.join(others)}." if others else f"{words}.")
    return f"By {_MIN_Z} standard errors, one-sided 95 %: " + " ".join(sentences)


def _advantage(of: Advantage) -> str:
    return f"{1e4 * of.mean:+.1f} ({of.z:+.1f})"


def _sure(report: Comparison) -> str:
    names = ("balanced_accuracy", "precision", "recall", "mcc", "brier", "ece")
    header = ["model", "balanced accuracy", "precision", "recall", "MCC", "Brier", "ECE"]
    rows = [
        [model.name, *(bounds(model.scores[name], 1, 4 if name in ("brier", "ece") else 3) for name in names)]
        for model in report.models
    ]
    return table(header, rows)


def _money(report: Comparison) -> str:
    strategies = {"buy and hold": report.hold, "plain rule": report.rule.always}
    for model in report.models:
        for name, economics in (("signals", model.signals), ("every bar", model.always)):
            if economics is not None:
                strategies[f"{model.name}, {name}"] = economics
    return economics_table(strategies)


def _economics(name: str, of: Economics) -> list[str]:
    return [
        name,
        f"{of.entries:,}",
        f"{100 * of.exposure:.1f}",
        f"{of.turnover:.2f}",
        bounds(of.total, 100, 1),
        bounds(of.sharpe, 1, 1),
        _number(of.deflated, 2),
        f"{100 * of.drawdown:.1f}",
        _number(of.break_even_bps, 2),
    ]


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"
