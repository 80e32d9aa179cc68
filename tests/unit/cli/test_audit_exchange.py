"""How the audit asks the exchanges: its patience, its pace, and what it makes of refusals."""

import io
import json
import urllib.error
from email.message import Message
from typing import Any
from urllib.request import Request

import pytest

from tickwire.cli.audit_exchange import ExchangeReader, NoAnswer, NoHistory

BTC = ("binance", "BTC-USDT")


class Venue:
    """Answers in the place of HTTP, and keeps the time of which the reader sleeps through."""

    def __init__(self, *answers: tuple[int, object] | OSError, headers: dict[str, str] | None = None) -> None:
        self.answers = list(answers)
        self.headers = headers or {}
        self.asked: list[str] = []
        self.slept: list[float] = []
        self.time = 1_723_118_400 * 10**9

    def open(self, request: Request, timeout: float) -> Any:
        self.asked.append(request.full_url)
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        status, body = answer
        headers = Message()
        for name, value in self.headers.items():
            headers[name] = value
        raise urllib.error.HTTPError(request.full_url, status, "", headers, io.BytesIO(json.dumps(body).encode()))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += round(seconds * 1e9)

    def reader(self, url: str | None = "http://127.0.0.1:9") -> ExchangeReader:
        reader = ExchangeReader(url, now=lambda: self.time, sleep=self.sleep)
        reader._opener = self  # type: ignore[assignment]
        return reader


def row(trade_id: int) -> dict[str, object]:
    return {"id": trade_id, "price": "1.0", "qty": "2.0", "time": 1_723_118_400_000, "isBuyerMaker": True}


def test_the_local_exchange_is_asked_at_the_path_of_the_feed_and_others_at_their_own_address():
    local, remote = Venue((200, [row(7)])), Venue((200, [row(7)]))
    assert local.reader("http://127.0.0.1:9/").newest(BTC) == 7
    assert remote.reader(None).newest(BTC) == 7
    assert local.asked[0].startswith("http://127.0.0.1:9/binance/api/v3/historicalTrades?symbol=BTCUSDT")
    assert remote.asked[0].startswith("https://api.binance.com/api/v3/historicalTrades?symbol=BTCUSDT")


def test_a_venue_that_is_down_for_a_moment_is_asked_again():
    venue = Venue(ConnectionRefusedError("refused"), (503, "busy"), (200, [row(9)]))
    assert venue.reader().newest(BTC) == 9
    assert [seconds for seconds in venue.slept if seconds] == [1.0, 2.0]


def test_a_venue_that_stays_down_gives_no_answer():
    venue = Venue(*[(503, "busy")] * 4)
    with pytest.raises(NoAnswer, match="binance: HTTP 503"):
        venue.reader().newest(BTC)
    assert len(venue.asked) == 4


def test_a_rate_limit_is_waited_for_and_a_ban_is_not():
    limited = Venue((429, "slow"), (200, [row(9)]), headers={"Retry-After": "7"})
    assert limited.reader().newest(BTC) == 9
    assert sum(limited.slept) >= 7
    banned = Venue((418, "banned"), headers={"Retry-After": "3600"})
    with pytest.raises(NoAnswer, match="418"):
        banned.reader().newest(BTC)
    assert len(banned.asked) == 1


def test_requests_keep_half_of_the_pace_that_the_venue_allows():
    """By hand: half of 900 + 75 a second; a request costs 25, so 18 go at once and then 1.48 a second."""
    venue = Venue(*[(200, [row(9)])] * 48)
    reader = venue.reader()
    for _ in range(48):
        reader.newest(BTC)
    assert sum(venue.slept) == pytest.approx(30 * 25 / 37, rel=1e-6)


def test_what_a_venue_says_of_a_range_is_sorted_by_what_it_has():
    venue = Venue((200, [row(i) for i in (9, 10, 13)]), (200, [row(13)]))
    pages = []
    answer = venue.reader().ask(BTC, 10, 15, after_time=0, received=lambda page: pages.append(page.trade_id.tolist()))
    assert pages == [[10, 13]]
    assert list(answer.has.ranges()) == [(10, 10), (13, 13)]
    assert [(absence.first, absence.last) for absence in answer.absent] == [(11, 12)]
    assert list(answer.unresolved.ranges()) == [(14, 15)]
    assert answer.reason == "binance's history ends at id 13"


def test_a_range_that_cannot_be_asked_for_is_unresolved_with_the_reason():
    answer = Venue().reader().ask(("kraken", "BTC-USD"), 10, 15, after_time=0)
    assert list(answer.unresolved.ranges()) == [(10, 15)]
    assert "after_time is needed" in answer.reason


def test_a_venue_without_a_history_is_told_apart():
    with pytest.raises(NoHistory, match="nowhere has no history"):
        Venue().reader().newest(("nowhere", "BTC-USD"))
