"""Which ranges one fill serves, whose turn it is, and where Kraken's search begins. Numbers worked by hand."""

from hypothesis import given
from hypothesis import strategies as st

from tickwire.backfill.plan import HOUR, backoff_seconds, choose, cluster, pages, start_time
from tickwire.backfill.tail import CONFIRM_SECONDS, TailWatch
from tickwire.backfill.turns import Turns
from tickwire.backfill.watch import Piece
from tickwire.validation.spans import Span

SECOND = 10**9


def piece(first: int, last: int, *, since: float = 0.0) -> Piece:
    return Piece(first, last, since, 0.0)


def spans_of(groups: list[list[Piece]]) -> list[tuple[int, int]]:
    return [(group[0].first, group[-1].last) for group in groups]


def test_a_page_of_1000_rows_holds_999_ids_and_the_trade_before_them() -> None:
    assert [pages(ids) for ids in (1, 999, 1_000, 1_998, 1_999)] == [1, 1, 2, 2, 3]


def test_gaps_that_fit_on_one_page_are_one_fill_and_those_that_save_no_request_are_not() -> None:
    near = [piece(100, 100), piece(600, 602), piece(1_098, 1_098)]
    assert spans_of(cluster(near)) == [(100, 1_098)]
    far = [piece(100, 100), piece(1_099, 1_099)]
    assert spans_of(cluster(far)) == [(100, 100), (1_099, 1_099)]


def test_a_small_gap_on_the_last_page_of_an_outage_goes_with_it() -> None:
    assert spans_of(cluster([piece(1, 1_500), piece(1_600, 1_601)])) == [(1, 1_601)]
    assert spans_of(cluster([piece(1, 1_998), piece(2_100, 2_100)])) == [(1, 1_998), (2_100, 2_100)]


@given(st.lists(st.tuples(st.integers(1, 3_000), st.integers(1, 3_000)), max_size=30))
def test_clusters_hold_every_piece_once_and_never_cost_more_requests_than_apart(steps: list[tuple[int, int]]) -> None:
    pieces, position = [], 0
    for hole, length in steps:
        pieces.append(piece(position + hole + 1, position + hole + length))
        position = pieces[-1].last
    groups = cluster(pieces)
    assert [one for group in groups for one in group] == pieces
    cost = sum(pages(last - first + 1) for first, last in spans_of(groups))
    assert cost <= sum(pages(one.last - one.first + 1) for one in pieces)


def test_choices_take_turns_between_the_smallest_gap_and_the_one_that_waits_longest() -> None:
    outage, small, smaller = (
        [piece(1, 600_000, since=1.0)],
        [piece(700_000, 700_002, since=2.0)],
        [piece(8, 8, since=3)],
    )
    groups = [outage, small, smaller]
    assert choose(groups, turn=0) is smaller
    assert choose(groups, turn=1) is outage


def test_backoff_is_drawn_below_a_cap_that_doubles_and_never_below_half_the_base() -> None:
    def highest(low: float, high: float) -> float:
        return high

    assert [backoff_seconds(n, base=1, cap=60, draw=highest) for n in (0, 1, 5, 6, 1_000)] == [1, 2, 32, 60, 60]
    assert backoff_seconds(9, base=1, cap=60, draw=lambda low, high: low) == 0.5


def test_the_search_begins_at_the_trade_before_the_gap() -> None:
    spans = [Span(100, 199, "id_jump", 50 * SECOND, 60 * SECOND)]
    assert start_time(spans, 100, last_time=90 * SECOND, attempts=0) == 50 * SECOND


def test_in_a_gap_that_is_half_filled_the_search_begins_where_the_ids_say() -> None:
    spans = [Span(100, 199, "id_jump", 50 * SECOND, 151 * SECOND)]
    # 101 steps of id over 101 s: id 150 is preceded by 149, 50 s after the trade before the gap.
    assert start_time(spans, 150, last_time=900 * SECOND, attempts=0) == 100 * SECOND
    assert start_time(spans, 150, last_time=900 * SECOND, attempts=1) == 50 * SECOND


def test_without_a_time_before_the_gap_the_nearest_bound_is_taken_and_looked_back_from() -> None:
    now = 1_000 * HOUR
    below = Span(10, 19, "id_jump", now - 9 * HOUR, now - 8 * HOUR)
    unknown = Span(100, 199, "reopened", 0, 0)
    assert start_time([below, unknown], 100, last_time=now, attempts=0) == now - 8 * HOUR
    assert start_time([unknown], 100, last_time=now, attempts=0) == now - HOUR
    assert start_time([unknown], 100, last_time=now, attempts=2) == now - 4 * HOUR
    assert start_time([unknown], 100, last_time=now, attempts=99) == now - 720 * HOUR
    assert start_time([Span(100, 199, "id_jump", 0, now - HOUR)], 100, last_time=now, attempts=0) == now - 2 * HOUR
    assert start_time([], 100, last_time=now, attempts=0) == now - HOUR
    assert start_time([], 100, last_time=0, attempts=0) is None


def test_turns_go_round_by_owner_and_an_owner_of_many_short_jobs_keeps_its_place() -> None:
    turns: Turns[str, str] = Turns()
    turns.add("BTC", "outage")
    turns.add("ETH", "e1")
    order = []
    for number in range(6):
        turn = turns.next()
        assert turn is not None
        order.append(turn[1])
        if turn[0] == "ETH":
            turns.remove(*turn)
            turns.add("ETH", f"e{number + 2}")
    assert order == ["outage", "e1", "outage", "e3", "outage", "e5"]


def test_an_owners_jobs_take_turns_among_themselves() -> None:
    turns: Turns[str, str] = Turns()
    for job in ("long", "short"):
        turns.add("BTC", job)
    assert [turn[1] for turn in (turns.next(), turns.next(), turns.next()) if turn] == ["long", "short", "long"]
    turns.remove("BTC", "long")
    turns.remove("BTC", "short")
    assert turns.next() is None
    assert len(turns) == 0


def test_a_quiet_tail_is_looked_up_ever_less_often_until_it_moves() -> None:
    tail = TailWatch(check_seconds=60)
    tail.observe(10, 0.0)
    waits = []
    now = 0.0
    for _ in range(6):
        waits.append(tail.due_at - now)
        now = tail.due_at
        assert not tail.answered(10, now)
        tail.observe(10, now)
    assert waits == [60, 120, 240, 480, 960, 960]
    tail.observe(11, now)
    assert tail.due_at == now + 60


def test_a_newer_trade_at_the_venue_is_told_twice_within_seconds() -> None:
    tail = TailWatch(check_seconds=60)
    tail.observe(10, 0.0)
    assert tail.answered(12, 60.0)
    assert tail.due_at == 60 + CONFIRM_SECONDS
    assert tail.answered(12, 61.5)
    assert tail.due_at == 61.5 + 120
    assert not tail.answered(None, 200.0)
