"""When a candidate becomes the challenger, how its traffic grows, and when it is taken back. Pure.

The state machine of ``cdk/state_machines/nightly_training.py`` does what is decided here, and writes each
decision down with its evidence.
"""

from enum import StrEnum

import msgspec

from tickwire.model.evaluation import Evaluation
from tickwire.model.scores import Advantage

SHARES = (10, 25, 50, 100)
"""Percent of the traffic that a challenger gets, one step after the other."""

QUIET = "OK"
"""The state of the composite alarm in which a challenger goes on."""

_MIN_Z = 1.645
"""One-sided 95 %: of candidates without any advantage one in twenty passes."""

_MIN_DAYS = 5
_MIN_ROWS = 500

MAX_ACCURACY = 0.6
"""Of the direction of 15-minute bars 50.5 to 53 % is honest; far above that something of the future is in the row."""

_PATIENCE = 4
"""Times of a bake after which a challenger without enough traffic is taken back."""


class Verdict(StrEnum):
    """What is to be done."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    WAIT = "wait"
    SHIFT = "shift"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"


class Decision(msgspec.Struct, frozen=True):
    """A verdict, with every reason for it; ``share`` is the percentage to shift to."""

    verdict: Verdict
    reasons: tuple[str, ...]
    share: int = 0


class Watch(msgspec.Struct, frozen=True):
    """What is seen of a challenger.

    Attributes
    ----------
    share : percent of the traffic that it has now; 0 before the first step
    seconds : since it has that share
    alarm : state of the composite alarm, as CloudWatch names it
    invocations : answered by it since then
    """

    share: int
    seconds: int
    alarm: str
    invocations: int


class Bake(msgspec.Struct, frozen=True):
    """How long each share is watched, and the traffic without which quiet alarms prove nothing."""

    seconds: int
    min_invocations: int


def judge_candidate(evaluation: Evaluation) -> Decision:
    """Accept a candidate as challenger only if it is better than the base rate and than the champion.

    Better means: a lower log loss on the same rows of the holdout, by 1.645 standard errors of the mean over days.
    A champion that cannot be compared, since it is for other rows, does not stand in the way.
    """
    candidate = evaluation.candidate.scores
    faults = []
    if candidate.rows < _MIN_ROWS:
        faults.append(f"the holdout has {candidate.rows} rows, and a judgement needs {_MIN_ROWS}")
    if candidate.accuracy > MAX_ACCURACY:
        faults.append(f"an accuracy of {candidate.accuracy:.1%} is too good to be true: look for a leak")
    rivals = {"the base rate": evaluation.over_base_rate, "the champion": evaluation.over_champion}
    compared = {rival: advantage for rival, advantage in rivals.items() if advantage is not None}
    faults += [f"not better than {rival}: {_figures(it)}" for rival, it in compared.items() if not _better(it)]
    if faults:
        return Decision(Verdict.REFUSE, tuple(faults))
    return Decision(Verdict.ACCEPT, tuple(f"better than {rival}: {_figures(it)}" for rival, it in compared.items()))


def next_step(watch: Watch, bake: Bake) -> Decision:
    """Say what becomes of a challenger now.

    An alarm takes it back at once, whatever else. It gets the next share when it has baked and answered enough, and
    is promoted after the last one. Where the traffic does not come, it is taken back: silence is no proof.
    """
    if watch.alarm != QUIET:
        return Decision(Verdict.ROLL_BACK, (f"the alarm is {watch.alarm} at {watch.share} %",))
    if watch.share == 0:
        return Decision(Verdict.SHIFT, ("the alarm is quiet before the first step",), SHARES[0])
    if watch.seconds < bake.seconds:
        return Decision(Verdict.WAIT, (f"{watch.seconds} of {bake.seconds} s at {watch.share} %",), watch.share)
    answered = f"{watch.invocations} of {bake.min_invocations} invocations at {watch.share} %"
    if watch.invocations < bake.min_invocations:
        if watch.seconds < _PATIENCE * bake.seconds:
            return Decision(Verdict.WAIT, (answered,), watch.share)
        return Decision(Verdict.ROLL_BACK, (f"{answered} after {watch.seconds} s: too few to judge by",))
    reasons = (f"the alarm was quiet for {watch.seconds} s, {answered}",)
    larger = [share for share in SHARES if share > watch.share]
    return Decision(Verdict.SHIFT, reasons, larger[0]) if larger else Decision(Verdict.PROMOTE, reasons, 100)


def _better(advantage: Advantage) -> bool:
    return advantage.days >= _MIN_DAYS and advantage.mean > 0 and advantage.z >= _MIN_Z


def _figures(advantage: Advantage) -> str:
    return (
        f"{advantage.mean:+.5f} nats a row, {advantage.z:.2f} standard errors over {advantage.days} days"
        f" ({_MIN_Z} over {_MIN_DAYS} are needed)"
    )
