"""What every REST history makes of errors, limits and candles: generated from ``frames/<feed>.jsonl``."""

from decimal import Decimal

import pytest

from tests.unit.venues.conformance import HISTORIES, RECEIVED, fill_of, nanoseconds, new_history, time_of
from tests.unit.venues.conformance_file import venue_file
from tests.unit.venues.conformance_server import refused
from tickwire.errors import UnknownSymbol
from tickwire.venues import history_http
from tickwire.venues.history import MAX_BODY_BYTES, HistoryError, HistoryReply, RateBudget, RateLimited, UnreadableReply

pytestmark = pytest.mark.parametrize("feed", list(HISTORIES))


def test_documented_errors_are_what_they_mean_and_the_request_stays(feed: str) -> None:
    replies = venue_file(feed).replies
    assert {"RateLimited", "RequestRejected"} <= {reply.error for reply in replies}, "write down both replies"
    for reply in replies:
        cursor = fill_of(feed, 5, 9)
        request = cursor.request
        answer = HistoryReply(reply.status, bytes(reply.reply), reply.headers)
        with pytest.raises(HistoryError) as raised:
            cursor.feed(answer, RECEIVED)
        assert type(raised.value) is getattr(history_http, reply.error), answer
        if isinstance(raised.value, RateLimited) and reply.seconds is not None:
            assert raised.value.retry_after_seconds >= reply.seconds
        assert cursor.request is request


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (451, "VenueRefused"),
        (403, "VenueRefused"),
        (429, "RateLimited"),
        (500, "VenueUnavailable"),
        (503, "VenueUnavailable"),
        (520, "VenueUnavailable"),
        (404, "RequestRejected"),
        (302, "UnreadableReply"),
    ],
)
def test_status_becomes_a_typed_error_and_the_request_stays(feed: str, status: int, error: str) -> None:
    cursor = fill_of(feed, 5, 9)
    request = cursor.request
    with pytest.raises(getattr(history_http, error), match=f"HTTP {status}: <html>"):
        cursor.feed(HistoryReply(status, b"<html>"), RECEIVED)
    assert cursor.request is request
    assert cursor.result().unresolved == ((5, 9),)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("17", 17),
        ("Tue, 07 Jul 2026 23:01:30 GMT", 29.876543211),
        ("Tue, 07 Jul 2026 23:00:00 GMT", 0),
        ("99999999999", 7 * 86400),
    ],
)
def test_throttled_request_waits_as_long_as_the_venue_says(feed: str, retry_after: str, seconds: float) -> None:
    with pytest.raises(RateLimited) as limited:
        fill_of(feed, 5, 9).feed(HistoryReply(429, b"{}", {"Retry-After": retry_after}), RECEIVED)
    assert limited.value.retry_after_seconds == pytest.approx(seconds, abs=1e-6)
    assert not limited.value.banned


@pytest.mark.parametrize("status", [200, 500])
def test_body_over_the_limit_is_refused_unread(feed: str, status: int) -> None:
    with pytest.raises(UnreadableReply, match="more than 4194304 bytes"):
        fill_of(feed, 5, 9).feed(HistoryReply(status, b" " * (MAX_BODY_BYTES + 1)), RECEIVED)


def test_budget_stays_within_the_documented_limit(feed: str) -> None:
    rate = venue_file(feed).history.rate
    history = new_history(feed)
    request = fill_of(feed, 1, 100).request
    assert request is not None
    budget, start = RateBudget(history.rate), 1_000 * 10**9
    window = rate.weight // request.weight if rate.seconds else 4 * rate.burst
    moments = [budget.reserve(start, request.weight) for _ in range(3 * window)]
    assert refused(rate, moments, request.weight) == []
    # And no more than five times slower than allowed: a gap must be filled while it matters.
    allowed = rate.weight / rate.seconds if rate.seconds else rate.per_second
    assert history.rate.per_second * 5 >= allowed


def test_candles_are_read_digit_for_digit(feed: str) -> None:
    file = venue_file(feed)
    assert file.candles, "write down a page of candles"
    for page in file.candles:
        start, end = nanoseconds(page.start), nanoseconds(page.end)
        cursor = new_history(feed).candles(file.about.symbol, page.interval, start=start, end=end)
        found = cursor.feed(HistoryReply(200, bytes(page.candles)), RECEIVED)
        assert found.rejects == ()
        assert [
            (one.start, one.open, one.high, one.low, one.close, one.volume, one.interval) for one in found.candles
        ] == [
            (
                nanoseconds(one.start),
                *(Decimal(text) for text in (one.open, one.high, one.low, one.close, one.volume)),
                page.interval,
            )
            for one in page.expected
        ]


def test_what_the_venue_cannot_give_is_refused_before_it_is_asked(feed: str) -> None:
    history, symbol = new_history(feed), venue_file(feed).about.symbol
    with pytest.raises(UnknownSymbol):
        history.fill("no symbol", 1, 2, after_time=time_of(0))
    with pytest.raises(ValueError, match="no range of trade ids"):
        history.fill(symbol, 9, 5, after_time=time_of(0))
    with pytest.raises(ValueError, match="has no candles of 7 s"):
        history.candles(symbol, 7, start=0, end=7 * 10**9)
    interval = max(history.candle_intervals)
    with pytest.raises(ValueError, match="not whole intervals"):
        history.candles(symbol, interval, start=1, end=interval * 10**9)
