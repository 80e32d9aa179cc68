"""The ids of one symbol, scenario by scenario; tests/property/test_sequence.py has the model."""

import pytest

from tickwire.intervals import IntervalSet
from tickwire.validation.sequence import (
    CONFIRMATIONS,
    MAX_OLD_RANGES,
    MAX_SPANS,
    WINDOW,
    TradeSequence,
    Verdict,
)
from tickwire.validation.spans import Span

MAX_JUMP = 1_000_000
SECOND = 1_000_000_000


def _observe(sequence: TradeSequence, *trade_ids: int, good: bool = True) -> list[Verdict]:
    return [sequence.observe(trade_id, good=good, max_jump=MAX_JUMP) for trade_id in trade_ids]


def _gaps(sequence: TradeSequence, limit: int = 1_000) -> list[tuple[int, int]]:
    return [(span.first, span.last) for span in sequence.take_gaps(limit)]


def _accounted(sequence: TradeSequence) -> bool:
    total = sequence.accepted + sequence.missing_count + sequence.quarantined_ids_count + sequence.absent_count
    return sequence.last_id - sequence.first_id + 1 == total


def test_ids_in_order_are_new_and_leave_nothing_missing():
    sequence = TradeSequence()
    assert _observe(sequence, 10, 11, 12) == [Verdict.NEW] * 3
    assert (sequence.first_id, sequence.last_id, sequence.accepted, sequence.missing_count) == (10, 12, 3, 0)
    assert _gaps(sequence) == []


def test_a_repeat_is_a_duplicate():
    sequence = TradeSequence()
    _observe(sequence, 10, 11)
    assert _observe(sequence, 10, 11) == [Verdict.DUPLICATE] * 2
    assert (sequence.accepted, sequence.duplicates) == (2, 2)


def test_skipped_ids_are_missing_until_they_come():
    sequence = TradeSequence()
    _observe(sequence, 10, 15)
    assert _gaps(sequence) == [(11, 14)]
    assert _observe(sequence, 12) == [Verdict.NEW]
    assert list(sequence.missing.ranges()) == [(11, 11), (13, 14)]
    assert _gaps(sequence) == []
    assert _accounted(sequence)


def test_ids_out_of_order_within_one_record_are_no_gap():
    sequence = TradeSequence()
    _observe(sequence, 10, 13, 12, 11)
    assert _gaps(sequence) == []
    assert sequence.missing_count == 0


def test_a_snapshot_sent_newest_first_extends_the_range_downwards():
    sequence = TradeSequence()
    assert _observe(sequence, 10, 9, 8, 5) == [Verdict.NEW] * 4
    assert (sequence.first_id, sequence.last_id) == (5, 10)
    assert list(sequence.missing.ranges()) == [(6, 7)]
    assert _accounted(sequence)


def test_the_window_reaches_exactly_65_536_ids_back():
    sequence = TradeSequence()
    _observe(sequence, 100_000)
    assert _observe(sequence, 100_000 - WINDOW) == [Verdict.STALE]
    assert _observe(sequence, 100_000 - WINDOW + 1) == [Verdict.NEW]
    assert sequence.first_id == 100_000 - 65_535
    assert sequence.quarantined == 1
    assert _accounted(sequence)


def test_an_accepted_id_is_a_duplicate_however_old_it_is():
    sequence = TradeSequence()
    _observe(sequence, *range(1, 4))
    _observe(sequence, 3 + 5 * WINDOW)
    assert _observe(sequence, 4, 4, 3, 2) == [Verdict.NEW] + [Verdict.DUPLICATE] * 3
    assert sequence.duplicates == 3
    assert _accounted(sequence)


def test_a_missing_id_is_admitted_however_old_it_is():
    sequence = TradeSequence()
    _observe(sequence, 1, 3)
    for last in range(900_000, 5_000_000, 900_000):
        _observe(sequence, last)
    assert _observe(sequence, 2) == [Verdict.NEW]
    assert 2 not in sequence.missing
    assert _observe(sequence, 2) == [Verdict.DUPLICATE]
    assert _accounted(sequence)


def test_the_id_of_a_bad_row_is_accounted_for_as_quarantined():
    sequence = TradeSequence()
    _observe(sequence, 1)
    _observe(sequence, 2, good=False)
    _observe(sequence, 3)
    assert (sequence.accepted, sequence.missing_count, sequence.quarantined_ids_count) == (2, 0, 1)
    assert _gaps(sequence) == []


def test_the_good_twin_of_a_bad_row_is_admitted_however_late():
    sequence = TradeSequence()
    _observe(sequence, 1)
    _observe(sequence, 2, good=False)
    _observe(sequence, 900_000)
    assert _observe(sequence, 2) == [Verdict.NEW]
    assert (sequence.quarantined, sequence.quarantined_ids_count) == (1, 0)
    assert _accounted(sequence)


def test_a_bad_row_with_an_accepted_id_leaves_it_accepted():
    sequence = TradeSequence()
    _observe(sequence, 1, 2)
    _observe(sequence, 2, good=False)
    assert (sequence.accepted, sequence.quarantined, sequence.quarantined_ids_count) == (2, 1, 0)
    assert _accounted(sequence)


def test_a_bad_row_that_fills_a_gap_moves_its_id_from_missing_to_quarantined():
    sequence = TradeSequence()
    _observe(sequence, 1, 4)
    _observe(sequence, 2, 2, good=False)
    assert (sequence.missing_count, sequence.quarantined_ids_count, sequence.quarantined) == (1, 1, 2)
    assert _accounted(sequence)


@pytest.mark.parametrize("absurd", [10**9, 2**63 - 1])
def test_a_single_absurd_id_is_quarantined_and_changes_nothing(absurd):
    sequence = TradeSequence()
    _observe(sequence, 100)
    assert _observe(sequence, absurd) == [Verdict.JUMP]
    assert _observe(sequence, 101, 102) == [Verdict.NEW] * 2
    assert (sequence.last_id, sequence.missing_count, sequence.quarantined) == (102, 0, 1)
    assert _observe(sequence, absurd + 1 if absurd < 2**62 else absurd - 1) == [Verdict.JUMP]


def test_a_jump_of_exactly_the_limit_is_believed():
    sequence = TradeSequence()
    assert _observe(sequence, 5, 5 + MAX_JUMP) == [Verdict.NEW] * 2
    assert sequence.missing_count == MAX_JUMP - 1
    assert _observe(sequence, 5 + 2 * MAX_JUMP + 1) == [Verdict.JUMP]


def test_a_jump_that_further_ids_confirm_is_taken_as_real():
    sequence = TradeSequence()
    _observe(sequence, 1)
    far = [10**9 + k for k in range(CONFIRMATIONS)]
    assert _observe(sequence, *far) == [Verdict.JUMP] * (CONFIRMATIONS - 1) + [Verdict.NEW]
    assert sequence.last_id == far[-1]
    assert list(sequence.quarantined_ids.ranges()) == [(far[0], far[-2])]
    assert list(sequence.missing.ranges()) == [(2, 10**9 - 1)]
    assert _gaps(sequence) == [(2, 10**9 - 1)]
    assert _accounted(sequence)
    assert _observe(sequence, far[0], far[-1] + 1) == [Verdict.NEW] * 2
    assert _accounted(sequence)


def test_the_same_far_id_again_confirms_nothing():
    sequence = TradeSequence()
    _observe(sequence, 1)
    assert _observe(sequence, *[10**9] * 10) == [Verdict.JUMP] * 10


def test_far_ids_far_from_each_other_confirm_nothing():
    sequence = TradeSequence()
    _observe(sequence, 1)
    assert _observe(sequence, *(k * 10**9 for k in range(1, 20))) == [Verdict.JUMP] * 19


def test_a_nearer_id_in_between_takes_the_confirmation_back():
    sequence = TradeSequence()
    _observe(sequence, 1)
    assert _observe(sequence, 10**9, 10**9 + 1, 2, 10**9 + 2) == [
        *(Verdict.JUMP, Verdict.JUMP, Verdict.NEW, Verdict.JUMP)
    ]


def test_a_heartbeat_that_moves_the_range_takes_the_confirmation_back():
    sequence = TradeSequence()
    limit = 20
    _observe(sequence, 103)
    sequence.observe(126, good=True, max_jump=limit)  # too far ahead: waits
    sequence.heartbeat(120, 0, max_jump=limit)
    sequence.observe(143, good=True, max_jump=limit)
    sequence.heartbeat(122, SECOND, max_jump=limit)  # 104 to 120 are missing now
    assert sequence.observe(126, good=True, max_jump=limit) is Verdict.NEW
    sequence.observe(154, good=True, max_jump=limit)
    assert sequence.observe(126, good=True, max_jump=limit) is Verdict.DUPLICATE
    assert _accounted(sequence)


def test_a_bad_row_far_ahead_confirms_nothing():
    sequence = TradeSequence()
    _observe(sequence, 1)
    _observe(sequence, *(10**9 + k for k in range(5)), good=False)
    assert (sequence.last_id, sequence.quarantined, sequence.quarantined_ids_count) == (1, 5, 0)


def _heartbeat(sequence: TradeSequence, last_trade_id: int, milliseconds: int) -> None:
    sequence.heartbeat(last_trade_id, milliseconds * 1_000_000, max_jump=MAX_JUMP)


def test_a_heartbeat_shows_a_gap_at_the_tail_after_a_second():
    sequence = TradeSequence()
    _observe(sequence, 100)
    _heartbeat(sequence, 103, 1_000)
    _heartbeat(sequence, 103, 1_999)
    assert _gaps(sequence) == []
    _heartbeat(sequence, 105, 2_000)
    assert _gaps(sequence) == [(101, 103)]
    assert sequence.last_id == 103
    assert _accounted(sequence)
    _heartbeat(sequence, 105, 3_000)
    assert _gaps(sequence) == [(104, 105)]


def test_trades_that_come_within_the_grace_are_no_gap():
    sequence = TradeSequence()
    _observe(sequence, 100)
    _heartbeat(sequence, 102, 1_000)
    _observe(sequence, 101, 102)
    _heartbeat(sequence, 102, 2_000)
    _heartbeat(sequence, 102, 3_000)
    assert _gaps(sequence) == []
    assert sequence.missing_count == 0


def test_only_the_ids_that_did_not_come_are_the_gap_at_the_tail():
    sequence = TradeSequence()
    _observe(sequence, 100)
    _heartbeat(sequence, 104, 1_000)
    _observe(sequence, 101)
    _heartbeat(sequence, 104, 2_000)
    assert _gaps(sequence) == [(102, 104)]
    assert _observe(sequence, 103) == [Verdict.NEW]


def test_a_heartbeat_that_takes_back_an_absurd_one_leaves_no_gap():
    sequence = TradeSequence()
    _observe(sequence, 100)
    _heartbeat(sequence, 10**18, 1_000)
    for milliseconds in range(2_000, 9_000, 1_000):
        _heartbeat(sequence, 100, milliseconds)
    assert (sequence.last_id, sequence.missing_count) == (100, 0)


def test_an_absurd_heartbeat_is_not_believed_however_often_it_is_said():
    sequence = TradeSequence()
    _observe(sequence, 100)
    for milliseconds in range(1_000, 90_000, 1_000):
        _heartbeat(sequence, 101 + MAX_JUMP, milliseconds)
    assert (sequence.last_id, sequence.missing_count) == (100, 0)
    _heartbeat(sequence, 100 + MAX_JUMP, 91_000)
    _heartbeat(sequence, 100 + MAX_JUMP, 92_000)
    assert (sequence.last_id, sequence.missing_count) == (100 + MAX_JUMP, MAX_JUMP)
    assert _accounted(sequence)


def test_a_heartbeat_before_any_trade_says_nothing():
    sequence = TradeSequence()
    _heartbeat(sequence, 100, 1_000)
    _heartbeat(sequence, 100, 9_000)
    assert sequence.empty
    assert _gaps(sequence) == []


def test_gaps_beyond_the_limit_are_taken_later_if_they_are_still_missing():
    sequence = TradeSequence()
    _observe(sequence, 1, 3, 5, 7, 9)
    assert _gaps(sequence, 2) == [(2, 2), (4, 4)]
    _observe(sequence, 6)
    _heartbeat(sequence, 10, 0)
    _heartbeat(sequence, 10, 1_000)
    assert _gaps(sequence, 1) == [(8, 8)]
    assert _gaps(sequence, 0) == []
    assert _gaps(sequence, 1) == [(10, 10)]
    assert _gaps(sequence, 1) == []


def test_forgetting_bounds_old_ranges_keeps_the_window_exact_and_the_count_right():
    sequence = TradeSequence()
    last = WINDOW + 3 * MAX_OLD_RANGES
    _observe(sequence, *range(1, last, 2))
    sequence.forget()
    assert sequence.missing.ranges_below(sequence.last_id - WINDOW + 1) == MAX_OLD_RANGES
    assert sequence.forgotten_missing > 0
    assert _accounted(sequence)
    assert _observe(sequence, 2, 1) == [Verdict.STALE] * 2
    assert _observe(sequence, sequence.forgotten_until + 1) == [Verdict.DUPLICATE]
    assert all(_observe(sequence, i) == [Verdict.NEW] for i in range(last - WINDOW + 2, last - 1, 2))
    assert _accounted(sequence)


def test_what_the_venue_does_not_have_is_absent_until_it_comes_after_all():
    sequence = TradeSequence()
    _observe(sequence, 1, 5)
    assert sequence.confirm_absent(1, 3) == [(2, 3)]
    assert (list(sequence.missing.ranges()), list(sequence.absent.ranges())) == ([(4, 4)], [(2, 3)])
    assert sequence.confirm_absent(1, 3) == []
    assert _accounted(sequence)
    assert _observe(sequence, 3, 3) == [Verdict.NEW, Verdict.DUPLICATE]
    assert _observe(sequence, 2, good=False) == [Verdict.NEW]
    assert (sequence.absent_count, list(sequence.quarantined_ids.ranges())) == (0, [(2, 2)])
    assert _accounted(sequence)


def test_what_cannot_be_read_is_quarantined_and_admitted_once_it_can():
    sequence = TradeSequence()
    _observe(sequence, 1, 4)
    assert sequence.confirm_unreadable(3, 9) == [(3, 3)]
    assert (sequence.missing_count, sequence.quarantined_ids_count) == (1, 1)
    assert _observe(sequence, 3) == [Verdict.NEW]
    assert _accounted(sequence)


def test_reopened_ids_are_those_that_were_accepted_and_are_admitted_again():
    sequence = TradeSequence()
    _observe(sequence, 1, 2, 3, 5, 7)
    _observe(sequence, 4, good=False)
    sequence.confirm_absent(6, 6)
    _gaps(sequence)
    assert sequence.reopen(0, 6, after_time=9) == [(1, 3), (5, 5)]
    assert sequence.accepted == 1
    assert sequence.take_gaps(9) == [Span(1, 3, "reopened", 9, 0), Span(5, 5, "reopened", 9, 0)]
    assert _observe(sequence, 2, 2, 7) == [Verdict.NEW, Verdict.DUPLICATE, Verdict.DUPLICATE]
    assert _accounted(sequence)
    assert sequence.reopen(8, 100) == []


def _observe_at(sequence: TradeSequence, *rows: tuple[int, int]) -> None:
    for trade_id, time in rows:
        sequence.observe(trade_id, good=True, max_jump=MAX_JUMP, time=time)


def test_a_gap_lies_between_the_times_of_its_neighbours():
    sequence = TradeSequence()
    _observe_at(sequence, (10, 100), (15, 150), (18, 180))
    assert sequence.take_gaps(9) == [Span(11, 14, "id_jump", 100, 150), Span(16, 17, "id_jump", 150, 180)]
    _observe_at(sequence, (12, 120), (19, 190))
    assert (sequence.time_before(13), sequence.time_before(16), sequence.time_before(5)) == (100, 150, None)
    assert sequence.last_time == 190
    sequence.heartbeat(20, 2 * SECOND, max_jump=MAX_JUMP)
    sequence.heartbeat(20, 3 * SECOND, max_jump=MAX_JUMP)
    assert sequence.take_gaps(9) == [Span(20, 20, "heartbeat", 190, 2 * SECOND)]


def test_spans_end_with_their_last_missing_id_and_the_oldest_share_their_times():
    sequence = TradeSequence()
    _observe_at(sequence, *((k, k) for k in range(1, 2 * MAX_SPANS + 10, 2)))
    sequence.forget()
    assert len(sequence.spans) == MAX_SPANS
    assert sequence.spans[0] == Span(2, 10, "id_jump", 1, 11)
    assert (sequence.time_before(8), sequence.time_before(12)) == (1, 11)
    _observe_at(sequence, *((k, k) for k in range(2, 2 * MAX_SPANS + 9, 2)))
    sequence.forget()
    assert sequence.spans == []


def test_changes_tell_what_became_of_ids_since_they_were_taken():
    sequence = TradeSequence()
    _observe(sequence, 1, 6)
    _observe(sequence, 3, good=False)
    sequence.confirm_absent(4, 4)
    changes = sequence.take_changes()
    assert changes.opened == IntervalSet([(2, 5)])
    assert changes.quarantined == IntervalSet([(3, 3)])
    assert changes.absent == IntervalSet([(4, 4)])
    assert not sequence.take_changes()


def test_ids_that_become_missing_again_before_they_were_told_are_told_once():
    sequence = TradeSequence()
    _observe(sequence, 1, 4)
    _observe(sequence, 2)
    sequence.reopen(2, 2)
    assert [(span.first, span.last, span.cause) for span in sequence.take_gaps(9)] == [
        (3, 3, "id_jump"),
        (2, 2, "reopened"),
    ]
