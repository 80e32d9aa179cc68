"""Has what the champion sees, what it answers, or what came of it moved? And is it time to train again? Pure.

Distributions are compared with what training saw (``tickwire/model/drift.py``); the log loss is compared with its own
past by ADWIN (A. Bifet and R. Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64
from tickwire.errors import TickwireError
from tickwire.features import Float64
from tickwire.model.drift import MAX_PSI, MIN_VALUES, shift_of
from tickwire.model.reference import Distribution, Reference

ALL = "all"
PROBABILITY = "probability"
ALPHA = 0.01
"""Of the adjusted p-values."""
DELTA = 0.002
"""ADWIN's: bounds the probability that a look at a stationary stream finds a change; river's default."""
CHECKS_IN_A_ROW = 3
COOL_DOWN_SECONDS = 24 * 3_600

# As in tickwire/model/scores.py: a float32 of 1 or 0 would make one wrong row's loss infinite.
_NEAREST = 1e-7


class NoDriftCheck(TickwireError):
    """A check cannot be made: there are too few rows, or a package is missing."""


@dataclass(frozen=True, slots=True)
class PredictedRows:
    """n predictions of one version of the model, of each instrument at most one an interval.

    Attributes
    ----------
    instrument : ``venue:SYMBOL``, str (n,)
    time : int64 (n,), ns UTC, what each knew last
    features : float64 (n, features), NaN where masked, in the order of the schema
    probability : float64 (n,)
    rose : float64 (n,), 1 or 0; NaN where the outcome is not known, or level
    """

    instrument: npt.NDArray[np.str_]
    time: Int64
    features: Float64
    probability: Float64
    rose: Float64

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: npt.NDArray[Any]) -> "PredictedRows":
        """Give the rows of an index or a mask."""
        return PredictedRows(
            self.instrument[rows], self.time[rows], self.features[rows], self.probability[rows], self.rose[rows]
        )


class Moved(msgspec.Struct, frozen=True):
    """How one distribution has moved; ``instrument`` is ``all`` for those of all instruments together.

    ``p_value`` is adjusted for all tests of the check.
    """

    instrument: str
    name: str
    psi: float
    ks: float
    p_value: float

    @property
    def drifted(self) -> bool:
        """Far enough to matter, and too far for chance."""
        return self.psi > MAX_PSI and self.p_value < ALPHA


class LossChange(msgspec.Struct, frozen=True):
    """A rise of the log loss, in nats, that ADWIN found at the row of ``time``, ns UTC; means of the rows before the
    cut and after it."""

    instrument: str
    time: int
    before: float
    after: float


class DriftReport(msgspec.Struct, frozen=True):
    """One check.

    Attributes
    ----------
    time : ns UTC, when it was made
    version : of the model
    rows : how many it looked at
    moved : of all instruments together, then of each that has rows enough
    losses : where a log loss has risen
    """

    time: int
    version: str
    rows: int
    moved: tuple[Moved, ...]
    losses: tuple[LossChange, ...]

    @property
    def loss_drifted(self) -> bool:
        """Whether the log loss of all instruments together has risen."""
        return any(change.instrument == ALL for change in self.losses)

    @property
    def drifted(self) -> bool:
        """Whether there is drift of all instruments together: one model serves them all, so one alone is only told."""
        return self.loss_drifted or any(one.drifted for one in self.moved if one.instrument == ALL)

    def largest_psi(self, *, of_probability: bool) -> float:
        """Give the largest index of all instruments together: the probability's, or among the features."""
        of_all = (one for one in self.moved if one.instrument == ALL)
        return max((one.psi for one in of_all if (one.name == PROBABILITY) is of_probability), default=0.0)

    def reasons(self) -> tuple[str, ...]:
        """Say what has drifted, instruments by themselves included."""
        told = [
            f"{one.name} of {one.instrument}: PSI {one.psi:.3f}, KS {one.ks:.3f}, p {one.p_value:.2g}"
            for one in self.moved
            if one.drifted
        ]
        told += [f"log loss of {one.instrument}: {one.before:.4f} to {one.after:.4f}" for one in self.losses]
        return tuple(told)


class RetrainingDecision(msgspec.Struct, frozen=True):
    """Whether to train again now, and why."""

    retrain: bool
    reasons: tuple[str, ...]


def check(rows: PredictedRows, reference: Reference, *, time: int, version: str) -> DriftReport:
    """Compare what ``version`` saw and answered with what training saw, and its log loss with its own past.

    p-values are Bonferroni's: times the number of tests of the check. They take rows for independent, which bars of
    instruments that move together are not; so they only keep small samples from raising an alarm, and the index says
    whether a shift is large. A column that is all masked has an index but no p-value, and is no drift: training again
    does not bring it back. An instrument with fewer than ``MIN_VALUES`` rows is looked at with the others only.

    Raises
    ------
    NoDriftCheck
        If there are fewer than ``MIN_VALUES`` rows, or river or SciPy is missing.
    """
    if len(rows) < MIN_VALUES:
        raise NoDriftCheck(f"{len(rows)} predictions of version {version!r} say nothing of drift: {MIN_VALUES} do")
    rows = rows.take(np.argsort(rows.time, kind="stable"))
    instruments = np.unique(rows.instrument).tolist()
    parts = {ALL: rows} | {name: rows.take(rows.instrument == name) for name in instruments}
    losses = tuple(change for name, part in parts.items() for change in _loss_rises(name, part))
    return DriftReport(time, version, len(rows), _adjusted(_moved(parts, reference)), losses)


def decide(history: Sequence[DriftReport], last_retraining: int | None, now: int) -> RetrainingDecision:
    """Train again when the last three checks of one version all found drift, a day after the last start at the soonest.

    Parameters
    ----------
    history : oldest first
    last_retraining, now : ns UTC
    """
    latest = history[-CHECKS_IN_A_ROW:]
    with_drift = 0
    for report in reversed(latest):
        if not report.drifted or report.version != latest[-1].version:
            break
        with_drift += 1
    if with_drift < CHECKS_IN_A_ROW:
        return RetrainingDecision(False, (f"{with_drift} of {CHECKS_IN_A_ROW} checks in a row found drift",))
    if last_retraining is not None and now - last_retraining < COOL_DOWN_SECONDS * 1_000_000_000:
        hours = (now - last_retraining) / 3.6e12
        return RetrainingDecision(False, (f"a training was started {hours:.1f} h ago", *latest[-1].reasons()))
    return RetrainingDecision(True, (f"{CHECKS_IN_A_ROW} checks in a row found drift", *latest[-1].reasons()))


def _moved(parts: dict[str, PredictedRows], reference: Reference) -> Iterator[Moved]:
    for instrument, part in parts.items():
        if len(part) < MIN_VALUES:
            continue
        columns: list[tuple[str, Distribution, Float64]] = [
            (name, distribution, part.features[:, place])
            for place, (name, distribution) in enumerate(reference.features.items())
        ]
        columns.append((PROBABILITY, reference.probability, part.probability))
        for name, distribution, values in columns:
            try:
                shift = shift_of(values, distribution)
            except ModuleNotFoundError as error:
                raise NoDriftCheck(_missing("SciPy")) from error
            yield Moved(instrument, name, shift.psi, shift.ks, shift.p_value)


def _adjusted(moved: Iterator[Moved]) -> tuple[Moved, ...]:
    tests = list(moved)
    return tuple(msgspec.structs.replace(one, p_value=min(1.0, one.p_value * len(tests))) for one in tests)


def _loss_rises(instrument: str, rows: PredictedRows) -> Iterator[LossChange]:
    try:
        from river.drift import ADWIN
    except ModuleNotFoundError as error:
        raise NoDriftCheck(_missing("river")) from error
    rows = rows.take(np.isfinite(rows.rose))
    losses = _log_losses(rows.probability, rows.rose)
    window = ADWIN(delta=DELTA)  # type: ignore[no-untyped-call]  # it is compiled, without types
    first = 0
    for place, loss in enumerate(losses.tolist()):
        window.update(loss)  # type: ignore[no-untyped-call]
        if not window.drift_detected:
            continue
        # What ADWIN still holds is what came after the cut.
        cut = place + 1 - int(window.width)
        before, after = float(losses[first:cut].mean()), float(losses[cut : place + 1].mean())
        first = cut
        if after > before:
            yield LossChange(instrument, int(rows.time[place]), before, after)


def _log_losses(probability: Float64, rose: Float64) -> Float64:
    probability = np.clip(probability, _NEAREST, 1 - _NEAREST)
    losses: Float64 = -np.where(rose == 1, np.log(probability), np.log1p(-probability))
    return losses


def _missing(package: str) -> str:
    return f"looking for drift needs {package}: pip install 'tickwire[drift]' (or make setup-dev)"
