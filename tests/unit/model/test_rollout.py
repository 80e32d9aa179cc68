"""When a candidate is let in, grows and is taken back."""

import msgspec
import pytest

from tickwire.model.evaluation import Evaluation, Judged
from tickwire.model.paired import Comparison, PairedScore
from tickwire.model.paired_job import PairedReport
from tickwire.model.rollout import SHARES, Bake, Verdict, Watch, judge_candidate, next_step
from tickwire.model.scores import Advantage, Scores

BAKE = Bake(seconds=600, min_invocations=20)
SCORES = Scores(rows=2000, log_loss=0.690, brier=0.249, accuracy=0.525)
BETTER = Advantage(mean=0.003, error=0.001, days=20)
EVALUATION = Evaluation(
    schema="0" * 16,
    first=0,
    last=1,
    base_rate=SCORES,
    candidate=Judged("m", "2", SCORES),
    over_base_rate=BETTER,
    champion=Judged("m", "1", SCORES),
    over_champion=BETTER,
)


def test_a_better_candidate_is_accepted_with_both_figures() -> None:
    decision = judge_candidate(EVALUATION)
    assert decision.verdict is Verdict.ACCEPT
    assert [reason.partition(":")[0] for reason in decision.reasons] == [
        "better than the base rate",
        "better than the champion",
    ]
    assert "+0.00300 nats a row, 3.00 standard errors over 20 days" in decision.reasons[0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"over_champion": Advantage(-0.001, 0.001, 20)}, "not better than the champion"),
        ({"over_champion": Advantage(0.001, 0.001, 20)}, "not better than the champion"),
        ({"over_champion": Advantage(0.0, 0.0, 20)}, "not better than the champion"),
        ({"over_base_rate": Advantage(0.001, 0.001, 20)}, "not better than the base rate"),
        ({"over_base_rate": Advantage(0.003, 0.001, 4)}, "3.00 standard errors over 4 days"),
        ({"candidate": Judged("m", "2", msgspec.structs.replace(SCORES, rows=499))}, "499 rows"),
        ({"candidate": Judged("m", "2", msgspec.structs.replace(SCORES, accuracy=0.61))}, "look for a leak"),
    ],
)
def test_a_candidate_that_is_not_better_or_too_good_is_refused(changes: dict[str, object], reason: str) -> None:
    decision = judge_candidate(msgspec.structs.replace(EVALUATION, **changes))
    assert decision.verdict is Verdict.REFUSE
    assert reason in decision.reasons[0]


def test_a_champion_for_other_rows_does_not_stand_in_the_way() -> None:
    decision = judge_candidate(msgspec.structs.replace(EVALUATION, champion=None, over_champion=None))
    assert decision.verdict is Verdict.ACCEPT
    assert len(decision.reasons) == 1


def paired(comparison: Comparison | None, *, hours: int = 480, advantage: float = 0.01) -> PairedReport:
    score = None if comparison is None else PairedScore(comparison, hours, advantage, 50.0, 1.0)
    return PairedReport(score, "1", "2", first=0, last=1, rows=1920, unlabelled=0, lines=20, damaged=0, nameless=0)


BETTER_PAIRED = paired(Comparison.BETTER)


def test_a_quiet_challenger_goes_through_every_share_and_is_promoted() -> None:
    seen, share = [], 0
    while True:
        decision = next_step(Watch(share, 600, "OK", 20, "Completed"), BAKE, BETTER_PAIRED)
        seen.append((decision.verdict, decision.share))
        if decision.verdict is not Verdict.SHIFT:
            break
        share = decision.share
    assert seen == [(Verdict.SHIFT, share) for share in (10, 25, 50, 100)] + [(Verdict.PROMOTE, 100)]


@pytest.mark.parametrize("share", [0, *SHARES])
@pytest.mark.parametrize("alarm", ["ALARM", "INSUFFICIENT_DATA"])
@pytest.mark.parametrize("seconds", [0, 10_000])
def test_an_alarm_takes_it_back_whatever_else(share: int, alarm: str, seconds: int) -> None:
    assert (
        next_step(Watch(share, seconds, alarm, 10_000, "Completed"), BAKE, BETTER_PAIRED).verdict is Verdict.ROLL_BACK
    )


@pytest.mark.parametrize(
    ("seconds", "invocations", "verdict"),
    [
        (599, 10_000, Verdict.WAIT),
        (600, 20, Verdict.SHIFT),
        (600, 19, Verdict.WAIT),
        (2399, 19, Verdict.WAIT),
        (2400, 19, Verdict.ROLL_BACK),
        (2400, 20, Verdict.SHIFT),
    ],
)
def test_a_share_is_watched_for_its_time_and_its_traffic(seconds: int, invocations: int, verdict: Verdict) -> None:
    watch = Watch(25, seconds, "OK", invocations, "Completed")
    assert next_step(watch, BAKE, BETTER_PAIRED).verdict is verdict


@pytest.mark.parametrize(
    ("seconds", "invocations", "verdict"), [(599, 20, Verdict.WAIT), (600, 19, Verdict.WAIT), (600, 20, Verdict.SCORE)]
)
def test_it_is_compared_once_it_has_baked_and_answered_enough(seconds: int, invocations: int, verdict: Verdict) -> None:
    assert next_step(Watch(10, seconds, "OK", invocations), BAKE).verdict is verdict


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("seconds", [0, 10_000])
def test_one_that_is_worse_on_captured_traffic_is_taken_back_at_once(share: int, seconds: int) -> None:
    decision = next_step(Watch(share, seconds, "OK", 20, "Completed"), BAKE, paired(Comparison.WORSE))
    assert decision.verdict is Verdict.ROLL_BACK
    assert "480 hours the challenger is worse" in decision.reasons[0]


@pytest.mark.parametrize(
    ("share", "seconds", "scored", "verdict"),
    [
        (10, 600, 600, Verdict.SHIFT),
        (25, 600, 600, Verdict.WAIT),
        (25, 1199, 600, Verdict.WAIT),
        (25, 1200, 600, Verdict.SCORE),
        (25, 7199, 6599, Verdict.SCORE),
        (25, 7200, 6600, Verdict.SHIFT),
        (50, 600, 600, Verdict.SHIFT),
        (100, 600, 600, Verdict.PROMOTE),
    ],
)
def test_one_of_which_nothing_is_certain_waits_twelve_bakes_at_25_percent_and_goes_on_if_the_hours_lean_its_way(
    share: int, seconds: int, scored: int, verdict: Verdict
) -> None:
    watch = Watch(share, seconds, "OK", 20, "Completed", scored)
    assert next_step(watch, BAKE, paired(Comparison.UNDECIDED)).verdict is verdict


@pytest.mark.parametrize(("hours", "advantage"), [(23, 0.01), (480, 0.0), (480, -0.001), (0, 0.0)])
def test_one_for_which_no_day_of_hours_speaks_is_taken_back_after_the_wait(hours: int, advantage: float) -> None:
    report = paired(Comparison.UNDECIDED, hours=hours, advantage=advantage)
    assert next_step(Watch(25, 7199, "OK", 20, "Completed", 6600), BAKE, report).verdict is Verdict.WAIT
    decision = next_step(Watch(25, 7200, "OK", 20, "Completed", 6600), BAKE, report)
    assert decision.verdict is Verdict.ROLL_BACK
    assert "undecided" in decision.reasons[0]


@pytest.mark.parametrize(
    ("scoring", "verdict"),
    [
        ("InProgress", Verdict.WAIT),
        ("Stopping", Verdict.WAIT),
        ("Failed", Verdict.ROLL_BACK),
        ("Stopped", Verdict.ROLL_BACK),
    ],
)
def test_a_comparison_is_waited_for_and_one_that_fails_takes_it_back(scoring: str, verdict: Verdict) -> None:
    assert next_step(Watch(25, 600, "OK", 20, scoring), BAKE).verdict is verdict


def test_a_champion_that_cannot_be_compared_on_traffic_does_not_stand_in_the_way_either() -> None:
    decision = next_step(Watch(100, 600, "OK", 20, "Completed"), BAKE, paired(None))
    assert decision.verdict is Verdict.PROMOTE
    assert "cannot be compared" in decision.reasons[1]
