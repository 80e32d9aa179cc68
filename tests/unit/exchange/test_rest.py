"""What the REST histories answer, by the venues' documentation."""

import json
from typing import Any

import pytest

from local.exchange.rest.binance import BinanceRest
from local.exchange.rest.coinbase import CoinbaseRest
from local.exchange.rest.kraken import KrakenRest
from local.exchange.rest.limits import Bucket, MinuteWeight
from local.exchange.rest.venue import Answer, RestVenue
from local.exchange.tape import TapeRow, Tapes
from tickwire.columns import Side

SECOND = 1_000_000_000
START = 1_783_465_200 * SECOND
"""A whole minute: 2026-07-07T23:00:00Z."""


def open_rest(kind: type[RestVenue], venue: str, symbol: str, rows: list[TapeRow]) -> RestVenue:
    tapes = Tapes()
    tape = tapes.open(venue, symbol, price_places=2, size_places=8)
    for row in rows:
        tape.add(row)
    return kind(venue, tapes, {symbol: None})


def rows(count: int, first: int = 10) -> list[TapeRow]:
    """Trades a second apart: prices 100.00, 100.01, …, sizes 0.5, buys and sells in turn."""
    sides = (Side.BUY, Side.SELL)
    return [
        TapeRow(first + i, 10_000 + i, 50_000_000, sides[i % 2], START + i * SECOND + 123_456_000) for i in range(count)
    ]


def ask(rest: RestVenue, path: str, now: int = START + 3600 * SECOND, **query: Any) -> Answer:
    return rest.answer(path, {name: str(value) for name, value in query.items()}, address="1.2.3.4", now=now)


def body(answer: Answer) -> Any:
    return json.loads(answer.body)


TRADES = "/api/v3/historicalTrades"


def test_binance_rows_have_the_documented_fields_and_rise_from_the_id() -> None:
    answer = ask(open_rest(BinanceRest, "binance", "BTC-USDT", rows(5)), TRADES, symbol="BTCUSDT", fromId=11, limit=2)

    assert answer.body == (
        b'[{"id":11,"price":"100.01000000","qty":"0.50000000","quoteQty":"50.00500000","time":1783465201123,'
        b'"isBuyerMaker":true,"isBestMatch":true},'
        b'{"id":12,"price":"100.02000000","qty":"0.50000000","quoteQty":"50.01000000","time":1783465202123,'
        b'"isBuyerMaker":false,"isBestMatch":true}]'
    )
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "25"


def test_binance_gives_the_newest_500_where_no_id_is_asked_for() -> None:
    answer = body(ask(open_rest(BinanceRest, "binance", "BTC-USDT", rows(700)), TRADES, symbol="BTCUSDT"))

    assert [row["id"] for row in answer] == list(range(210, 710))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, -1102),
        ({"symbol": "NOSUCH"}, -1121),
        ({"symbol": "BTCUSDT", "fromId": "x"}, -1100),
        ({"symbol": "BTCUSDT", "limit": "1001"}, -1130),
    ],
)
def test_binance_refuses_with_its_codes(query: dict[str, str], code: int) -> None:
    answer = ask(open_rest(BinanceRest, "binance", "BTC-USDT", rows(1)), TRADES, **query)

    assert (answer.status, body(answer)["code"]) == (400, code)


def test_binance_refuses_above_6000_of_weight_and_bans_who_goes_on() -> None:
    rest = open_rest(BinanceRest, "binance", "BTC-USDT", rows(1))
    now = START + 20 * SECOND
    statuses = [ask(rest, TRADES, now, symbol="BTCUSDT").status for _ in range(240)]
    assert set(statuses) == {200}

    refused = ask(rest, TRADES, now, symbol="BTCUSDT")
    assert (refused.status, refused.headers["Retry-After"], body(refused)["code"]) == (429, "40", -1003)
    assert ask(rest, TRADES, START + 60 * SECOND, symbol="BTCUSDT").status == 200

    for _ in range(240):
        refused = ask(rest, TRADES, START + 61 * SECOND, symbol="BTCUSDT")
    statuses = [ask(rest, TRADES, START + 62 * SECOND, symbol="BTCUSDT").status for _ in range(5)]
    assert statuses[-1] == 418
    banned = ask(rest, TRADES, START + 130 * SECOND, symbol="BTCUSDT")
    assert (banned.status, banned.headers["Retry-After"]) == (418, "52")


def test_binance_us_allows_a_fifth() -> None:
    rest = open_rest(BinanceRest, "binance-us", "BTC-USDT", rows(1))

    assert [ask(rest, TRADES, START, symbol="BTCUSDT").status for _ in range(49)] == [200] * 48 + [429]


def test_binance_klines_are_flat_where_nothing_was_traded() -> None:
    made = [
        TapeRow(1, 10_000, 100_000_000, Side.BUY, START + 1 * SECOND),
        TapeRow(2, 10_500, 200_000_000, Side.SELL, START + 59 * SECOND),
        TapeRow(3, 9_900, 50_000_000, Side.BUY, START + 125 * SECOND),
    ]
    rest = open_rest(BinanceRest, "binance", "BTC-USDT", made)
    start = START // 1_000_000
    answer = ask(rest, "/api/v3/klines", START + 130 * SECOND, symbol="BTCUSDT", interval="1m", startTime=start)

    first, second, third = body(answer)
    assert first == [
        *(start, "100.00000000", "105.00000000", "100.00000000", "105.00000000", "3.00000000"),
        *(start + 59_999, "310.00000000", 2, "1.00000000", "100.00000000", "0"),
    ]
    assert second[1:6] == ["105.00000000"] * 4 + ["0.00000000"]
    assert (second[7], second[8]) == ("0.00000000", 0)
    assert third[0:5] == [start + 120_000, "99.00000000", "99.00000000", "99.00000000", "99.00000000"]


def test_coinbase_rows_come_newest_first_with_the_makers_side_and_cursors() -> None:
    rest = open_rest(CoinbaseRest, "coinbase", "BTC-USD", rows(5))
    answer = ask(rest, "/products/BTC-USD/trades", after=13, limit=2)

    assert answer.body == (
        b'[{"trade_id":12,"side":"sell","size":"0.50000000","price":"100.02000000","time":"2026-07-07T23:00:02.123456Z"},'
        b'{"trade_id":11,"side":"buy","size":"0.50000000","price":"100.01000000","time":"2026-07-07T23:00:01.123456Z"}]'
    )
    assert answer.headers == {"CB-BEFORE": "12", "CB-AFTER": "11"}


def test_coinbase_before_gives_the_newest_page_not_the_next_one() -> None:
    rest = open_rest(CoinbaseRest, "coinbase", "BTC-USD", rows(5))
    answer = body(ask(rest, "/products/BTC-USD/trades", before=10, limit=2))

    assert [row["trade_id"] for row in answer] == [14, 13]


def test_coinbase_candles_come_newest_first_and_skip_what_was_not_traded() -> None:
    made = [
        TapeRow(1, 10_000, 100_000_000, Side.BUY, START + 1 * SECOND),
        TapeRow(2, 9_950, 200_000_000, Side.SELL, START + 59 * SECOND),
        TapeRow(3, 10_100, 50_000_000, Side.BUY, START + 125 * SECOND),
    ]
    rest = open_rest(CoinbaseRest, "coinbase", "BTC-USD", made)
    answer = ask(
        rest,
        "/products/BTC-USD/candles",
        granularity=60,
        start="2026-07-07T23:00:00Z",
        end="2026-07-07T23:02:00Z",
    )

    seconds = START // SECOND
    assert body(answer) == [
        [seconds + 120, 101, 101, 101, 101, 0.5],
        [seconds, 99.5, 100, 100, 99.5, 3],
    ]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/products/NO-SUCH/trades", {}, 404),
        ("/products/BTC-USD/nothing", {}, 404),
        ("/products/BTC-USD/trades", {"limit": "1001"}, 400),
        ("/products/BTC-USD/trades", {"after": "x"}, 400),
        ("/products/BTC-USD/candles", {"granularity": "61"}, 400),
        ("/products/BTC-USD/candles", {"granularity": "60", "start": "0", "end": "18000"}, 400),
        ("/products/BTC-USD/candles", {"granularity": "60", "start": "never", "end": "18000"}, 400),
    ],
)
def test_coinbase_refuses_with_a_message(path: str, query: dict[str, str], status: int) -> None:
    answer = ask(open_rest(CoinbaseRest, "coinbase", "BTC-USD", rows(1)), path, **query)

    assert answer.status == status
    assert body(answer)["message"]


def test_coinbase_allows_bursts_of_15_and_10_a_second() -> None:
    rest = open_rest(CoinbaseRest, "coinbase", "BTC-USD", rows(1))

    assert [ask(rest, "/products/BTC-USD/trades", START).status for _ in range(16)] == [200] * 15 + [429]
    later = START + SECOND
    assert [ask(rest, "/products/BTC-USD/trades", later).status for _ in range(11)] == [200] * 10 + [429]


def test_kraken_rows_rise_in_time_and_since_is_exclusive() -> None:
    rest = open_rest(KrakenRest, "kraken", "BTC-USD", rows(5))
    # 1783465201123456 microseconds x 7 ends on 2: REST says .1234562.
    first = START + SECOND + 123_456_200
    answer = ask(rest, "/0/public/Trades", pair="XBTUSD", since=first, count=2)

    assert answer.body == (
        b'{"error":[],"result":{"XXBTZUSD":['
        b'["100.02000","0.50000000",1783465202.1234562,"b","m","",12],'
        b'["100.03000","0.50000000",1783465203.1234562,"s","l","",13]],"last":"1783465203123456200"}}'
    )
    before = body(ask(rest, "/0/public/Trades", pair="XBTUSD", since=first - 1, count=1))
    assert before["result"]["XXBTZUSD"][0][6] == 11


def test_kraken_names_results_by_its_own_pairs() -> None:
    for symbol, asked, named in [
        ("ETH-USD", "ETHUSD", "XETHZUSD"),
        ("SOL-USD", "SOL/USD", "SOLUSD"),
        ("MINA-GBP", "MINAGBP", "MINAGBP"),
        ("DOGE-USD", "XDGUSD", "XDGUSD"),
    ]:
        answer = body(ask(open_rest(KrakenRest, "kraken", symbol, rows(1)), "/0/public/Trades", pair=asked))
        assert list(answer["result"]) == [named, "last"]


@pytest.mark.parametrize(
    ("path", "query", "error"),
    [
        ("/0/public/Trades", {"pair": "NOSUCH"}, "EQuery:Unknown asset pair"),
        ("/0/public/Trades", {}, "EGeneral:Invalid arguments"),
        ("/0/public/Trades", {"pair": "XBTUSD", "since": "x"}, "EGeneral:Invalid arguments"),
        ("/0/public/OHLC", {"pair": "XBTUSD", "interval": "2"}, "EGeneral:Invalid arguments"),
        ("/0/public/Nothing", {}, "EGeneral:Unknown method"),
    ],
)
def test_kraken_refuses_with_status_200(path: str, query: dict[str, str], error: str) -> None:
    answer = ask(open_rest(KrakenRest, "kraken", "BTC-USD", rows(1)), path, **query)

    assert (answer.status, body(answer)) == (200, {"error": [error]})


def test_kraken_refuses_more_than_about_one_request_a_second_and_pair() -> None:
    rest = open_rest(KrakenRest, "kraken", "BTC-USD", rows(1))
    answers = [body(ask(rest, "/0/public/Trades", START, pair="XBTUSD")) for _ in range(3)]

    assert [answer["error"] for answer in answers] == [[], [], ["EGeneral:Too many requests"]]
    assert body(ask(rest, "/0/public/Trades", START + SECOND, pair="XBTUSD"))["error"] == []


def test_kraken_ohlc_ends_with_the_running_candle_and_names_the_one_before() -> None:
    made = [
        TapeRow(1, 10_000, 100_000_000, Side.BUY, START + 1 * SECOND),
        TapeRow(2, 10_600, 200_000_000, Side.SELL, START + 59 * SECOND),
        TapeRow(3, 9_900, 50_000_000, Side.BUY, START + 125 * SECOND),
    ]
    rest = open_rest(KrakenRest, "kraken", "BTC-USD", made)
    since = START // SECOND - 60
    answer = body(ask(rest, "/0/public/OHLC", START + 130 * SECOND, pair="XBTUSD", interval=1, since=since))

    assert answer["result"]["last"] == since + 120
    assert answer["result"]["XXBTZUSD"] == [
        [since + 60, "100.00", "106.00", "100.00", "106.00", "104.00", "3.00000000", 2],
        [since + 120, "106.00", "106.00", "106.00", "106.00", "0.00", "0.00000000", 0],
        [since + 180, "99.00", "99.00", "99.00", "99.00", "99.00", "0.50000000", 1],
    ]


def test_limits_forget_addresses_rather_than_grow_without_bound() -> None:
    bucket, weights = Bucket(per_second=1, burst=1), MinuteWeight(100)
    for number in range(5_000):
        bucket.take(number, START)
        weights.charge(f"10.0.0.{number}", 101, START)

    assert len(bucket._left) == len(weights._used) == len(weights._blocked) == 1_000
