"""What every REST history must do, those of all feeds and the template's: generated from ``frames/<feed>.jsonl``."""

from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.venues.conformance import HISTORIES, RECEIVED, fill_of, new_feed, new_history, time_of
from tests.unit.venues.conformance_file import venue_file
from tests.unit.venues.conformance_mutations import bytewise
from tests.unit.venues.conformance_server import HistoryServer
from tickwire.columns import Side, TradeFlag
from tickwire.decimals import to_decimal
from tickwire.venues.fill import Fill
from tickwire.venues.history import HistoryError, HistoryReply, UnreadableReply

pytestmark = pytest.mark.parametrize("feed", list(HISTORIES))

HIGHEST = 10_000
MAX_REQUESTS = 500


def run(cursor: Fill, server: HistoryServer) -> list[int]:
    """Ask until the end; give the ids that came, in the order of their pages."""
    came: list[int] = []
    while cursor.request is not None:
        assert server.asked < MAX_REQUESTS, "the fill does not end"
        page = cursor.feed(server.answer(cursor.request), RECEIVED)
        came += page.trades.trade_id.tolist()
        assert all("HTTP 200" in one.evidence and "sha256" in one.evidence for one in page.absent)
    return came


def ids_of(ranges: Any) -> set[int]:
    return {one for first, last in ranges for one in range(first, last + 1)}


def absent_ids(cursor: Fill) -> set[int]:
    return ids_of((absence.first, absence.last) for absence in cursor.result().absent)


def test_history_is_of_the_feeds_venue(feed: str) -> None:
    assert new_history(feed).venue == new_feed(feed).venue
    assert new_history(feed).default_url.startswith("https://")


def test_row_is_read_digit_for_digit(feed: str) -> None:
    facts = venue_file(feed).history
    cursor = fill_of(feed, 50, 51)
    assert cursor.request is not None
    batch = cursor.feed(HistoryServer(facts, range(40, 60)).answer(cursor.request), RECEIVED).trades
    (instrument,) = batch.instruments
    assert (instrument.venue, instrument.symbol) == (new_feed(feed).venue, venue_file(feed).about.symbol)
    assert batch.trade_id.tolist() == [50, 51]
    assert {to_decimal(price, instrument.price_scale) for price in batch.price.tolist()} == {Decimal(facts.price)}
    assert {to_decimal(size, instrument.size_scale) for size in batch.size.tolist()} == {Decimal(facts.size)}
    assert set(batch.side.tolist()) == {Side[facts.side.upper()]}
    assert batch.exchange_time.tolist() == [time_of(50), time_of(51)]
    assert set(batch.receive_time.tolist()) == {RECEIVED}
    assert set(batch.flags.tolist()) == {TradeFlag.BACKFILL}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.integers(1_000, 4_000),
    length=st.integers(1, 2_500),
    holes=st.lists(st.tuples(st.integers(1_000, 6_600), st.integers(1, 40)), max_size=8),
)
def test_any_gap_comes_back_once_and_holes_are_absent(
    feed: str, first: int, length: int, holes: list[tuple[int, int]]
) -> None:
    last = first + length - 1
    lost = {one for start, size in holes for one in range(start, start + size)} - {first - 1, last + 1}
    server = HistoryServer(venue_file(feed).history, set(range(1, HIGHEST)) - lost)
    cursor = fill_of(feed, first, last)

    came = run(cursor, server)

    wanted = set(range(first, last + 1))
    assert not [one for one, times in Counter(came).items() if times > 1]
    assert set(came) == wanted - lost
    assert absent_ids(cursor) == wanted & lost
    assert cursor.result().unresolved == ()
    assert cursor.result().filled == len(came)


def test_hole_at_the_edge_of_a_page_is_absent(feed: str) -> None:
    """Pages must overlap by a trade: else no page has a trade on both sides of such a hole."""
    facts = venue_file(feed).history
    first, last = 1_001, 1_000 + 3 * facts.limit.most
    cursor = fill_of(feed, first, last)
    assert cursor.request is not None
    page = cursor.feed(HistoryServer(facts, range(1, HIGHEST)).answer(cursor.request), RECEIVED)
    came = page.trades.trade_id.tolist()
    lost = set(range(max(came) + 1, max(came) + 4)) if facts.rising else set(range(min(came) - 3, min(came)))
    cursor = fill_of(feed, first, last)
    run(cursor, HistoryServer(facts, set(range(1, HIGHEST)) - lost))
    assert (absent_ids(cursor), cursor.result().unresolved) == (lost, ())


@pytest.mark.parametrize("newest", [999, 1_000, 1_001, 1_250, 1_499])
def test_what_is_not_in_the_history_yet_is_never_absent(feed: str, newest: int) -> None:
    cursor = fill_of(feed, 1_001, 1_500)
    came = run(cursor, HistoryServer(venue_file(feed).history, range(1, newest + 1)))
    result = cursor.result()
    assert set(came) == set(range(1_001, newest + 1))
    assert (absent_ids(cursor), ids_of(result.unresolved)) == (set(), set(range(max(newest, 1_000) + 1, 1_501)))
    assert result.reason


@pytest.mark.parametrize("oldest", [1_002, 1_250, 1_501, 3_000])
def test_what_is_not_in_the_history_any_more_is_never_absent(feed: str, oldest: int) -> None:
    cursor = fill_of(feed, 1_001, 1_500)
    came = run(cursor, HistoryServer(venue_file(feed).history, range(oldest, HIGHEST)))
    assert set(came) == set(range(oldest, 1_501))
    assert absent_ids(cursor) == set()
    assert ids_of(cursor.result().unresolved) == set(range(1_001, min(oldest, 1_501)))


def test_empty_history_ends_the_fill(feed: str) -> None:
    cursor = fill_of(feed, 1_001, 1_500)
    assert run(cursor, HistoryServer(venue_file(feed).history, ())) == []
    assert cursor.result().unresolved == ((1_001, 1_500),)


@pytest.mark.parametrize("first", [5, 5_000, 9_000])
def test_venue_that_ignores_where_a_page_starts_ends_the_fill_and_proves_nothing(feed: str, first: int) -> None:
    cursor = fill_of(feed, first, first + 700)
    came = run(cursor, HistoryServer(venue_file(feed).history, range(1, HIGHEST), deaf=True))
    assert len(came) == len(set(came))
    assert set(came) <= set(range(first, first + 701))
    assert absent_ids(cursor) == set()


def test_newest_trade_is_told_whatever_rows_are_broken(feed: str) -> None:
    facts, newest = venue_file(feed).history, new_history(feed).latest(venue_file(feed).about.symbol)
    if newest is None:
        pytest.skip("the venue cannot be asked for its newest trades")
    whole = HistoryServer(facts, range(1, 1_001))
    assert newest.feed(whole.answer(newest.request), RECEIVED) == 1_000
    broken = HistoryServer(facts, range(1, 1_001), broken={999: "null", 998: "7"})
    assert newest.feed(broken.answer(newest.request), RECEIVED) == 1_000
    assert newest.feed(HistoryServer(facts, ()).answer(newest.request), RECEIVED) is None
    with pytest.raises(UnreadableReply):
        newest.feed(HistoryServer(facts, [1, 2], broken={1: "{}", 2: "[]"}).answer(newest.request), RECEIVED)


@pytest.mark.parametrize("bad", ["null", "{}", "[]", "7", '"text"', '{"id":"x"}'])
def test_row_without_an_id_is_a_reject_and_nothing_of_its_page_is_absent(feed: str, bad: str) -> None:
    cursor = fill_of(feed, 1_001, 1_010)
    server = HistoryServer(venue_file(feed).history, range(1, HIGHEST), broken={1_005: bad})
    assert cursor.request is not None
    page = cursor.feed(server.answer(cursor.request), RECEIVED)
    assert [reject.frame for reject in page.rejects] == [bad.encode()]
    assert (page.absent, absent_ids(cursor)) == ((), set())
    assert 1_005 in ids_of(cursor.result().unresolved)


def test_row_with_a_broken_price_is_unreadable_and_not_absent(feed: str) -> None:
    facts = venue_file(feed).history
    server = HistoryServer(facts, range(1, HIGHEST))
    price = next(text for text in (facts.price, f"{facts.price}0") if text in server.row(1_005))
    broken = server.row(1_005).replace(price, "1..5", 1)
    cursor = fill_of(feed, 1_001, 1_010)
    came = run(cursor, HistoryServer(facts, range(1, HIGHEST), broken={1_005: broken}))
    assert set(came) == set(range(1_001, 1_011)) - {1_005}
    assert cursor.result().unreadable == ((1_005, 1_005),)
    assert absent_ids(cursor) == set()


def test_no_change_of_bytes_in_a_page_raises_anything_but_a_history_error(feed: str) -> None:
    random = Random(feed)
    request = fill_of(feed, 1_001, 1_003).request
    assert request is not None
    body = HistoryServer(venue_file(feed).history, range(999, 1_006)).answer(request).body
    for changed in bytewise(body, random, 1_500):
        cursor = fill_of(feed, 1_001, 1_003)
        try:
            page = cursor.feed(HistoryReply(200, changed), RECEIVED)
        except HistoryError:
            assert cursor.request == request
            continue
        came = page.trades.trade_id.tolist()
        assert len(came) == len(set(came))
        assert set(came) <= {1_001, 1_002, 1_003}
        assert all(reject.detail for reject in page.rejects)
