"""When a candidate becomes the challenger, how its traffic grows, and when it is taken back. Pure.

The state machine of ``cdk/state_machines/nightly_training.py`` does what is decided here, and writes each
decision down with its evidence.
"""

from enum import StrEnum

import msgspec

from tickwire.model.evaluation import Evaluation
from tickwire.model.paired import ALPHA, Comparison
from tickwire.model.paired_job import PairedReport
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

UNDECIDED_SHARE = 25
"""Percent of the traffic at which a challenger of which nothing is certain waits for more hours."""

_UNDECIDED_PATIENCE = 12
"""Times of a bake that it waits."""

_SCORING = ("InProgress", "Stopping")
_SCORED = "Completed"


class Verdict(StrEnum):
    """What is to be done."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    WAIT = "wait"
    SCORE = "score"
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
    scoring : status of the last comparison on captured traffic at this share, as SageMaker names that of its job; empty
        where none was begun
    scored : seconds at this share when it was begun
    """

    share: int
    seconds: int
    alarm: str
    invocations: int
    scoring: str = ""
    scored: int = 0


class Bake(msgspec.Struct, frozen=True):
    """How long each share is watched, and the traffic without which quiet alarms prove nothing."""

    seconds: int
    min_invocations: int


_LEANING_HOURS = 24
"""Hours of captured traffic, of which the mean decides when the test itself does not."""


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


def next_step(watch: Watch, bake: Bake, paired: PairedReport | None = None) -> Decision:
    """Say what becomes of a challenger now; ``paired`` is the last comparison at this share.

    An alarm takes it back at once, whatever else, and so does a comparison on captured traffic that says worse or that
    failed. Once a share has baked and answered enough the two are compared; a better one gets the next share, and is
    promoted after the last. One of which nothing is certain yet stops at :data:`UNDECIDED_SHARE` and is compared again
    bake after bake. In the end it goes on if a day's hours or more lean its way, since the holdout has said so too, and
    is taken back if they do not. So is one to which no traffic comes: silence is no proof.

    A champion that cannot be compared, since it is for other rows, does not stand in the way.
    """
    if watch.alarm != QUIET:
        return Decision(Verdict.ROLL_BACK, (f"the alarm is {watch.alarm} at {watch.share} %",))
    if watch.share == 0:
        return Decision(Verdict.SHIFT, ("the alarm is quiet before the first step",), SHARES[0])
    if watch.scoring in _SCORING:
        return Decision(Verdict.WAIT, (f"captured traffic is being compared at {watch.share} %",), watch.share)
    if watch.scoring not in ("", _SCORED):
        return Decision(Verdict.ROLL_BACK, (f"the comparison on captured traffic is {watch.scoring}",))
    if _comparison(paired) is Comparison.WORSE:
        return Decision(Verdict.ROLL_BACK, (_told(paired),))
    if watch.seconds < bake.seconds:
        return Decision(Verdict.WAIT, (f"{watch.seconds} of {bake.seconds} s at {watch.share} %",), watch.share)
    answered = f"{watch.invocations} of {bake.min_invocations} invocations at {watch.share} %"
    if watch.invocations < bake.min_invocations:
        if watch.seconds < _PATIENCE * bake.seconds:
            return Decision(Verdict.WAIT, (answered,), watch.share)
        return Decision(Verdict.ROLL_BACK, (f"{answered} after {watch.seconds} s: too few to judge by",))
    if paired is None:
        return Decision(Verdict.SCORE, (answered,), watch.share)
    if (
        _comparison(paired) is Comparison.UNDECIDED
        and watch.share == UNDECIDED_SHARE
        and not _leans(watch, bake, paired)
    ):
        return _undecided(watch, bake, paired)
    reasons = (f"the alarm was quiet for {watch.seconds} s, {answered}", _told(paired))
    larger = [share for share in SHARES if share > watch.share]
    return Decision(Verdict.SHIFT, reasons, larger[0]) if larger else Decision(Verdict.PROMOTE, reasons, 100)


def _undecided(watch: Watch, bake: Bake, paired: PairedReport) -> Decision:
    if watch.seconds >= _UNDECIDED_PATIENCE * bake.seconds:
        return Decision(Verdict.ROLL_BACK, (f"{_told(paired)}, after {watch.seconds} s at {watch.share} %",))
    verdict = Verdict.SCORE if watch.seconds - watch.scored >= bake.seconds else Verdict.WAIT
    return Decision(verdict, (f"{_told(paired)}, and no more than {UNDECIDED_SHARE} % until then",), watch.share)


def _leans(watch: Watch, bake: Bake, paired: PairedReport) -> bool:
    """Say whether all that was waited for is there, and is for the challenger."""
    score = paired.score
    waited = watch.seconds >= _UNDECIDED_PATIENCE * bake.seconds
    return waited and score is not None and score.blocks >= _LEANING_HOURS and score.advantage > 0


def _comparison(paired: PairedReport | None) -> Comparison | None:
    return None if paired is None or paired.score is None else paired.score.comparison


def _told(paired: PairedReport | None) -> str:
    if paired is None or paired.score is None:
        return "the champion is for other rows, and cannot be compared"
    score = paired.score
    return (
        f"on {paired.rows} captured rows of {score.blocks} hours the challenger is {score.comparison}:"
        f" {score.advantage:+.5f} nats an hour, wealth {score.better:.1f} for better and {score.worse:.1f} for worse"
        f" ({2 / ALPHA:.0f} is needed)"
    )


def _better(advantage: Advantage) -> bool:
    return advantage.days >= _MIN_DAYS and advantage.mean > 0 and advantage.z >= _MIN_Z


def _figures(advantage: Advantage) -> str:
    return (
        f"{advantage.mean:+.5f} nats a row, {advantage.z:.2f} standard errors over {advantage.days} days"
        f" ({_MIN_Z} over {_MIN_DAYS} are needed)"
    )
