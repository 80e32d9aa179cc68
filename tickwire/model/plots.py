"""The plots of a model's card, as SVG: the same bytes for the same figures. Needs ``matplotlib`` (the extra ``train``).

Text stays text, so that a plot is small, and is drawn in the reader's own font.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from tickwire.errors import TickwireError
from tickwire.features import Float64
from tickwire.model.economics import Track
from tickwire.model.trial import COSTS, Trial

RELIABILITY, ROC, EQUITY = "reliability.svg", "roc.svg", "equity.svg"

_BINS = 10
_ROC_POINTS = 201
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tickwire",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.figsize": (5.0, 3.6),
    "figure.constrained_layout.use": True,
}


class MissingMatplotlib(TickwireError, ImportError):
    """``matplotlib`` is not installed."""


def plots_of(trial: Trial) -> dict[str, bytes]:
    """Draw a trial: how reliable its probabilities were, its ROC, and what following it earned; SVG by file name.

    Raises
    ------
    MissingMatplotlib
        If the package is not installed.
    """
    label = trial.rows.label
    tracks = {
        f"trading signals, {1e4 * COSTS.side:g} bps a side": trial.signalled(),
        "bought and held": trial.held(),
    }
    return {
        RELIABILITY: _drawn(lambda axes: _reliability(axes, *reliability(trial.probability, label))),
        ROC: _drawn(lambda axes: _roc(axes, *roc(trial.probability, label))),
        EQUITY: equity_plot(tracks),
    }


def equity_plot(tracks: Mapping[str, Track]) -> bytes:
    """Draw what tracks of the same days earned, by their names, as SVG.

    Raises
    ------
    MissingMatplotlib
        If the package is not installed.
    """
    return _drawn(lambda axes: _equity(axes, tracks))


def reliability(probability: Float64, label: Float64, *, bins: int = _BINS) -> tuple[Float64, Float64, Float64]:
    """Give the mean probability, the share of rising rows, and that share's binomial standard error, of each of ten
    bins with equally many rows by probability: float64 (10,) each."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    said, came = (np.array([column[part].mean() for part in parts]) for column in (probability, label))
    counts = np.array([len(part) for part in parts])
    error: Float64 = np.sqrt(came * (1 - came) / counts)
    return said, came, error


def roc(probability: Float64, label: Float64) -> tuple[Float64, Float64]:
    """Give the shares of falling and of rising rows at or above each of at most 201 thresholds, both from 0 to 1.

    Rows of one probability are on the same side of every threshold.
    """
    order = np.argsort(-probability, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(probability[order]) != 0, True))
    if len(ends) > _ROC_POINTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, _ROC_POINTS).astype(np.intp))]
    rising = np.cumsum(label[order])
    falling = np.arange(1, len(label) + 1) - rising
    shares = (np.concatenate([[0.0], counts[ends] / max(counts[-1], 1)]) for counts in (falling, rising))
    wrong, right = shares
    return wrong, right


def _drawn(draw: Any) -> bytes:
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingMatplotlib(
            "the plots need Matplotlib: pip install 'tickwire[train]' (or make setup-dev)"
        ) from error
    # A figure of its own, and not pyplot's: no display, no state that is left.
    with mpl.rc_context(_STYLE):
        figure = Figure()
        draw(figure.subplots())
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _reliability(axes: Any, said: Float64, came: Float64, error: Float64) -> None:
    edges = [min(said.min(), came.min()), max(said.max(), came.max())]
    axes.plot(edges, edges, color="0.6", linewidth=1, label="as often as said")
    axes.errorbar(said, came, yerr=1.96 * error, fmt="o", markersize=4, capsize=2, label="tenths of the rows, 95 %")
    axes.set(xlabel="probability that was said", ylabel="share of rows that rose", title="Reliability")
    axes.legend(frameon=False)


def _roc(axes: Any, wrong: Float64, right: Float64) -> None:
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="without skill")
    axes.plot(wrong, right, label=f"area {np.trapezoid(right, wrong):.3f}")
    axes.set(xlabel="share of falling rows above", ylabel="share of rising rows above", title="ROC")
    axes.set_aspect("equal")
    axes.legend(frameon=False)


def _equity(axes: Any, tracks: Mapping[str, Track]) -> None:
    for name, track in tracks.items():
        grown = np.concatenate([[1.0], np.cumprod(1 + track.daily)])
        axes.plot(np.arange(len(grown)), grown, label=name)
    axes.set(xlabel="days", ylabel="capital, 1 at the start", title="Equity after costs")
    axes.legend(frameon=False)
