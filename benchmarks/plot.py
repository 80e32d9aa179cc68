"""Draws docs/images/performance.svg from the last official run, in the peers' environment, which has matplotlib."""

# mypy: disable-error-code="import-not-found"
# matplotlib is in the peers' environment alone.

from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.results import LATEST, PLOT, Report, Result, read

GOAL = 4.6e6
"""Trades a second on one core, from raw JSON to features."""
_OURS, _OTHERS, _LIMIT = "#1f6feb", "#9aa4b2", "#d29922"
_GROUPS = (
    ("JSON to trades (Binance)", "parse binance"),
    ("JSON to trades (Coinbase Advanced)", "parse coinbase-advanced"),
    ("frames off a socket", "receive"),
    ("validate", "validate"),
    ("encode for the wire", "encode"),
    ("decode from the wire", "decode"),
    ("bars", "bars"),
    ("order flow, 6 features a trade", "order flow"),
    ("indicators, 9 a bar", "indicators"),
    ("JSON to features", "JSON to features"),
    ("wire to features", "wire to features"),
    ("socket to features", "socket to features"),
)


def shown(report: Report, name: str) -> list[Result]:
    """Give what is drawn of one name: each software once, in the usual size, the fastest first."""
    of_each: dict[str, Result] = {}
    for one in report.find(name, processes=1):
        usual = one.batch in (1, 10_000) and one.data in ("simulated", "simulated aggTrades")
        if usual and "no layout" not in one.by and "only counted" not in one.by:
            best = of_each.get(one.by)
            # Of Tickwire's batch sizes the usual one, of others the only one that there is.
            if best is None or one.batch > best.batch:
                of_each[one.by] = one
    return sorted(of_each.values(), key=lambda one: one.rows_per_cpu_second)


def draw(report: Report, path: Path) -> None:
    """Draw the rates a CPU second, on a logarithmic axis."""
    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "tickwire", "font.family": "sans-serif"})
    from matplotlib import pyplot

    groups = [(title, results) for title, name in reversed(_GROUPS) if (results := shown(report, name))]
    bars = sum(len(results) for _, results in groups)
    figure, axes = pyplot.subplots(figsize=(9, 0.24 * bars + 0.34 * len(groups) + 0.9))
    at, ticks = 0.0, []
    for title, results in groups:
        for one in results:
            ours = one.by.startswith("Tickwire") or one.by == "picows, as Tickwire"
            color = _OURS if ours else _LIMIT if one.by == "the socket alone" else _OTHERS
            axes.barh(at, one.rows_per_cpu_second, height=0.82, color=color)
            label = one.by if not ours or "," in one.by else "Tickwire"
            axes.text(one.rows_per_cpu_second * 1.08, at, f"{label}  {_short(one.rows_per_cpu_second)}", **_TEXT)
            at += 1
        ticks.append((at - (len(results) + 1) / 2, title))
        at += 0.8
    axes.axvline(GOAL, color="#cf222e", linewidth=0.8, linestyle="--", zorder=0)
    axes.text(GOAL * 1.04, at - 0.6, "4.6 M/s", color="#cf222e", fontsize=8, va="center")
    axes.set_xscale("log")
    axes.set_xlim(1e4, 1e9)
    axes.set_ylim(-0.8, at)
    axes.set_yticks([place for place, _ in ticks], [title for _, title in ticks], fontsize=9)
    axes.set_xlabel(f"a second of one core ({report.machine['cpu']}, {report.machine['date']})", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


_TEXT: dict[str, Any] = {"fontsize": 8, "va": "center", "color": "#57606a"}


def _short(value: float) -> str:
    return f"{value / 1e6:.3g} M" if value >= 1e6 else f"{value / 1e3:.3g} k"


if __name__ == "__main__":
    draw(read(LATEST), PLOT)
