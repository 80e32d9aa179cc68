"""What is due when: grace, settling, backoff, and the validator's word above all of them."""

import math
import random

import pytest

from tickwire.backfill.watch import GapWatch
from tickwire.intervals import IntervalSet

GRACE = 2.0


def watching(*ranges: tuple[int, int], at: float = 0.0) -> GapWatch:
    watch = GapWatch(grace_seconds=GRACE)
    watch.observe(IntervalSet(ranges), at)
    return watch


def due(watch: GapWatch, now: float) -> list[tuple[int, int]]:
    return [(piece.first, piece.last) for piece in watch.due(now)]


def test_ids_are_due_after_the_grace_from_when_they_were_first_seen() -> None:
    watch = watching((5, 9))
    watch.observe(IntervalSet([(5, 12)]), 1.0)
    assert due(watch, 1.9) == []
    assert due(watch, 2.0) == [(5, 9)]
    assert due(watch, 3.0) == [(5, 9), (10, 12)]


def test_a_late_twin_within_the_grace_leaves_nothing_to_ask_for() -> None:
    watch = watching((5, 9))
    gone = watch.observe(IntervalSet([(5, 6), (9, 9)]), 1.0)
    assert [(piece.first, piece.last, piece.published) for piece in gone] == [(7, 8, False)]
    assert due(watch, 2.0) == [(5, 6), (9, 9)]


def test_what_is_asked_for_is_not_due_until_it_is_returned() -> None:
    watch = watching((5, 9))
    watch.taken(6, 7)
    assert due(watch, 5.0) == [(5, 5), (8, 9)]
    watch.returned(5, 9, at=6.0)
    assert due(watch, 5.9) == [(5, 5), (8, 9)]
    assert due(watch, 6.0) == [(5, 5), (6, 7), (8, 9)]


def test_what_was_accepted_and_stays_missing_is_due_again() -> None:
    watch = watching((5, 9))
    watch.taken(5, 9)
    watch.published([(5, 7)], again_at=12.0)
    missing = IntervalSet([(5, 9)])
    assert list(watch.wanted(5, 9, missing, 3.0).ranges()) == [(8, 9)]
    gone = watch.observe(IntervalSet([(6, 9)]), 4.0)
    assert [(piece.first, piece.last, piece.published, piece.since) for piece in gone] == [(5, 5, True, 0.0)]
    assert due(watch, 11.9) == []
    assert due(watch, 12.0) == [(6, 7)]
    assert list(watch.wanted(5, 9, IntervalSet([(6, 9)]), 12.0).ranges()) == [(6, 9)]


def test_each_failure_counts_for_its_own_ids() -> None:
    watch = watching((1, 10))
    watch.failed([(1, 4)], again_at=3.0)
    watch.failed([(3, 3)], again_at=9.0)
    assert (watch.attempts(1, 2), watch.attempts(1, 10), watch.attempts(5, 10)) == (1, 2, 0)
    assert due(watch, 3.0) == [(1, 2), (4, 4), (5, 10)]


def test_an_id_that_is_missing_again_begins_its_grace_anew() -> None:
    watch = watching((5, 5))
    watch.observe(IntervalSet(), 3.0)
    watch.observe(IntervalSet([(5, 5)]), 10.0)
    assert due(watch, 11.9) == []
    assert due(watch, 12.0) == [(5, 5)]


@pytest.mark.parametrize("seed", range(20))
def test_the_pieces_are_always_the_missing_ids_and_agree_with_an_account_of_each_id(seed: int) -> None:
    chance = random.Random(seed)
    watch = GapWatch(grace_seconds=GRACE)
    missing: set[int] = set()
    account: dict[int, tuple[float, float]] = {}
    for step in range(60):
        now = float(step)
        low = chance.randint(1, 40)
        ids = set(range(low, low + chance.randint(1, 8)))
        action = chance.choice(["open", "fill", "taken", "returned", "published", "failed"])
        if action == "open":
            missing |= ids
        elif action == "fill":
            missing -= ids
        if action in ("open", "fill"):
            watch.observe(IntervalSet((i, i) for i in sorted(missing)), now)
            account = {i: account.get(i, (now, now + GRACE)) for i in missing}
            continue
        first, last = min(ids), max(ids)
        for i in ids & missing:
            since, at = account[i]
            if action == "taken":
                account[i] = since, math.inf
            elif action == "returned":
                account[i] = since, (now if math.isinf(at) else at)
            else:
                account[i] = since, now + 3
        if action == "taken":
            watch.taken(first, last)
        elif action == "returned":
            watch.returned(first, last, at=now)
        else:
            getattr(watch, action)([(first, last)], again_at=now + 3)
        held = {i: (piece.since, piece.due_at) for piece in watch for i in range(piece.first, piece.last + 1)}
        assert held == account
