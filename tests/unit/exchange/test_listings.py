"""Which venues the exchange can serve, found by their modules; and OKX, which is served when asked for."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.exchange.__main__ import main
from local.exchange.catalogue import FEED_VENUES, MARKETS
from local.exchange.listings import find, listings, venue_of
from local.exchange.replay import Recording
from local.exchange.rest.okx import OkxRest
from local.exchange.source import SimulatorSource
from local.exchange.tape import TapeRow, Tapes
from local.exchange.venues.okx import OkxProtocol
from local.exchange.venues.protocol import Desk
from tickwire.capture import CaptureError
from tickwire.columns import Side
from tickwire.venues.registry import FEEDS

SECOND = 1_000_000_000
START = 1_783_465_200 * SECOND
"""A whole minute: 2026-07-07T23:00:00Z."""


def test_every_listed_feed_is_one_that_tickwire_reads() -> None:
    assert {feed for listing in listings().values() for feed in listing.feeds} <= set(FEEDS)


@pytest.mark.parametrize("name", list(listings()))
def test_listing_names_all_that_it_needs(name: str) -> None:
    listing = listings()[name]
    venues = set(listing.feeds.values())
    assert listing.protocols.keys() == listing.feeds.keys()
    assert listing.rest.keys() == venues
    assert {spec.venue for spec in listing.markets} == venues
    for feed in listing.feeds:
        assert find("protocols", feed)(feed, venue_of(feed), Desk({})).feed == feed
    for venue in venues:
        assert find("rest", venue)(venue, Tapes(), {}).venue == venue


def test_default_catalogue_is_without_what_must_be_asked_for() -> None:
    assert list(FEED_VENUES) == ["binance", "binance-us", "coinbase", "coinbase-advanced", "kraken"]
    assert len(MARKETS) == 16
    plain = SimulatorSource(seed=1, rate=100, now=START).catalogue()
    more = SimulatorSource(seed=1, rate=100, now=START, also=["okx"]).catalogue()
    assert list(plain) == list(FEED_VENUES)
    assert more == plain | {"okx": ["BTC-USDT", "ETH-USDT", "SOL-USDT", "ATOM-USDT"]}


def test_unknown_feeds_are_no_keys() -> None:
    with pytest.raises(KeyError):
        venue_of("nope")
    with pytest.raises(KeyError):
        find("rest", "nope")


def test_asking_for_an_unknown_venue_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--also", "nope"])
    assert "choose from" in (said := capsys.readouterr().err)
    assert "okx" in said


def update(trade_id: int) -> str:
    row = {"instId": "BTC-USDT", "tradeId": str(trade_id), "px": "1", "sz": "2", "side": "buy", "ts": "1783465205562"}
    return json.dumps({"arg": {"channel": "trades-all", "instId": "BTC-USDT"}, "data": [row]})


def test_recording_of_a_listed_venue_is_known_by_its_trades(tmp_path: Path) -> None:
    path = tmp_path / "okx.ndjson"
    path.write_text(f"pong\n{update(7)}\n{update(8)}\n")
    recording = Recording(path)
    assert (recording.feed, recording.symbols, recording.trades) == ("okx", ("BTC-USDT",), 2)


def test_recording_of_nobody_is_refused_with_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "other.ndjson"
    path.write_text('{"hello":"world"}\n')
    with pytest.raises(CaptureError, match=r"not a capture of binance.*kraken, okx"):
        Recording(path)


@pytest.mark.parametrize(
    "frame", ["{", "[]", '{"arg":{"channel":"trades-all","instId":"?"},"data":[]}', update(7)[:-1]]
)
def test_frame_that_nobody_can_read_is_sent_to_everyone(frame: str) -> None:
    recorded = OkxProtocol("okx", "okx", Desk({})).describe(frame.encode())
    assert recorded is not None
    assert (recorded.topics, recorded.trades) == (("",), ())


def okx(*rows: TapeRow) -> OkxRest:
    tapes = Tapes()
    tape = tapes.open("okx", "BTC-USDT", price_places=1, size_places=8)
    for row in rows:
        tape.add(row)
    return OkxRest("okx", tapes, {"BTC-USDT": None})


def ask(rest: OkxRest, name: str, now: int = START + 180 * SECOND, /, **query: Any) -> tuple[int, Any]:
    texts = {key: f"{value}" for key, value in query.items()}
    answer = rest.answer(f"/api/v5/market/{name}", texts, address="1.2.3.4", now=now)
    return answer.status, json.loads(answer.body)


def test_okx_rows_are_newest_first_below_the_id() -> None:
    rest = okx(*(TapeRow(k, 422_199 + k, 12_060_306, Side.BUY if k % 2 else Side.SELL, START + k) for k in range(5)))
    status, body = ask(rest, "history-trades", instId="BTC-USDT", after=3, limit=2)
    assert (status, body["code"]) == (200, "0")
    assert body["data"] == [
        {
            "instId": "BTC-USDT",
            "side": side,
            "sz": "0.12060306",
            "source": "0",
            "px": px,
            "tradeId": number,
            "ts": "1783465200000",
        }
        for number, px, side in (("2", "42220.1", "sell"), ("1", "42220", "buy"))
    ]


def test_okx_candles_are_newest_first_between_exclusive_bounds() -> None:
    rest = okx(
        TapeRow(1, 1_000, 100_000_000, Side.BUY, START + 1),
        TapeRow(2, 1_010, 200_000_000, Side.SELL, START + 59 * SECOND),
        TapeRow(3, 990, 100_000_000, Side.SELL, START + 125 * SECOND),
    )
    ms = START // 10**6
    query = {"instId": "BTC-USDT", "bar": "1m", "before": ms - 1, "after": ms + 180_000, "limit": 300}
    _, body = ask(rest, "history-candles", START + 130 * SECOND, **query)
    assert body["data"] == [
        [str(ms + 120_000), "99", "99", "99", "99", "1", "99", "99", "0"],
        [str(ms + 60_000), "101", "101", "101", "101", "0", "0", "0", "1"],
        [str(ms), "100", "101", "100", "101", "3", "302", "302", "1"],
    ]
    _, body = ask(rest, "history-candles", START + 130 * SECOND, **{**query, "before": ms, "after": ms + 120_000})
    assert [row[0] for row in body["data"]] == [str(ms + 60_000)]


@pytest.mark.parametrize(
    ("name", "query", "status", "code"),
    [
        ("history-trades", {}, 400, "50014"),
        ("history-trades", {"instId": "NO-PE"}, 200, "51001"),
        ("history-trades", {"instId": "BTC-USDT", "after": "x"}, 400, "51000"),
        ("history-trades", {"instId": "BTC-USDT", "type": "2"}, 400, "51000"),
        ("history-trades", {"instId": "BTC-USDT", "limit": "0"}, 400, "51000"),
        ("history-candles", {"instId": "BTC-USDT", "bar": "7m"}, 400, "51000"),
        ("tickers", {}, 404, "50404"),
    ],
)
def test_okx_refuses_with_its_codes(name: str, query: dict[str, str], status: int, code: str) -> None:
    answer = ask(okx(), name, **query)
    assert (answer[0], answer[1]["code"]) == (status, code)


def test_okx_answers_twenty_requests_in_two_seconds_and_each_path_for_itself() -> None:
    rest = okx()
    statuses = [ask(rest, "history-trades", START, instId="BTC-USDT")[0] for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    assert ask(rest, "history-candles", START, instId="BTC-USDT")[0] == 200
    assert ask(rest, "history-trades", START + 2 * SECOND, instId="BTC-USDT")[0] == 200
