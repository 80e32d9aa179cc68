"""The REST API on a real PostgreSQL, logged in as the role that AWS gives it.

Events: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs", payload 2.0.
"""

import csv
import io
import json
import sys
import time
from base64 import b64decode
from importlib import import_module
from math import log
from types import SimpleNamespace
from typing import Any

import boto3
import numpy as np
import psycopg
import pytest
from moto import mock_aws
from psycopg.conninfo import make_conninfo
from pyarrow import ipc
from scipy.stats import norm

from lambdas.migrations.runner import apply

from .http_api import CLAIMS, Client

HOUR = 1_722_470_400_000  # ms UTC of 2024-08-01T00:00:00Z
NS = 1_000_000
BAR = (
    "INSERT INTO bars VALUES ('binance', %s, %s, to_timestamp(%s / 1000.0), 60000.10, 60000.90, 59999.00, 60000.00,"
    " 1.50000000, 0.5, 90000.00000000, 3, 7, 9, 2, true, 0)"
)
GAP = (
    "INSERT INTO gaps (venue, symbol, first_id, last_id, cause, noticed_ns, after_time_ns, before_time_ns, remaining,"
    " history, closed_ns) VALUES ('binance', 'BTC-USDT', %s, %s, 'disconnect', %s, %s, %s, %s, %s, %s)"
)


@pytest.fixture
def owner_url(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        apply(connection)
        connection.execute("SELECT ensure_bars_partition('2024-08-01')")
        connection.execute("SELECT ensure_conclusions_partition('2024-08-01')")
    return database_url


@pytest.fixture
def module(owner_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "TICKWIRE_DATABASE_URL": make_conninfo(owner_url, user="tickwire_reader"),
        "TICKWIRE_TICKETS_TABLE": "tickets",
        "TICKWIRE_LAST_VALUES_TABLE": "last-values",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="tickets",
            AttributeDefinitions=[{"AttributeName": "ticket_hash", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "ticket_hash", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        boto3.client("dynamodb").create_table(
            TableName="last-values",
            AttributeDefinitions=[
                {"AttributeName": "item", "AttributeType": "S"},
                {"AttributeName": "at", "AttributeType": "N"},
            ],
            KeySchema=[{"AttributeName": "item", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
            BillingMode="PAY_PER_REQUEST",
        )
        sys.modules.pop("lambdas.rest_api.handler", None)
        loaded = import_module("lambdas.rest_api.handler")
        yield loaded
        loaded.database.close()


@pytest.fixture
def call(module: Any, lambda_context: SimpleNamespace) -> Client:
    return Client(module, lambda_context)


def bars_query(**changes: object) -> dict[str, object]:
    query = {
        "venue": "binance",
        "symbol": "BTC-USDT",
        "interval": "1m",
        "start": "2024-08-01T00:00:00Z",
        "end": "2024-08-02T00:00:00Z",
    }
    return {name: value for name, value in {**query, **changes}.items() if value is not None}


def test_bars_of_a_range_come_oldest_first_with_their_digits(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute in (2, 0, 1, 24 * 60):
            connection.execute(BAR, ["BTC-USDT", 60, HOUR + minute * 60_000])
        connection.execute(BAR, ["BTC-USDT", 1, HOUR])
        connection.execute(BAR, ["ETH-USDT", 60, HOUR])
    answer = call("GET", "/v1/bars", **bars_query())
    assert answer.status == 200
    assert [bar["start"] for bar in answer.body["bars"]] == [HOUR, HOUR + 60_000, HOUR + 120_000]
    assert answer.body["bars"][0] == {
        "start": HOUR,
        "open": "60000.10",
        "high": "60000.90",
        "low": "59999.00",
        "close": "60000.00",
        "volume": "1.50000000",
        "buy_volume": "0.5",
        "notional": "90000.00000000",
        "trades": 3,
        "first_id": 7,
        "last_id": 9,
        "revision": 2,
        "final": True,
    }
    assert answer.body["next"] is None


def test_a_limit_says_where_to_go_on(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute in range(5):
            connection.execute(BAR, ["BTC-USDT", 60, HOUR + minute * 60_000])
    first = call("GET", "/v1/bars", **bars_query(limit=3)).body
    assert len(first["bars"]) == 3
    rest = call("GET", "/v1/bars", **bars_query(limit=3, cursor=first["next"])).body
    assert ([bar["start"] for bar in rest["bars"]], rest["next"]) == ([HOUR + 180_000, HOUR + 240_000], None)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"venue": None}, "venue"),
        ({"venue": "binance'; DROP TABLE bars"}, "venue"),
        ({"venue": "binance\n"}, "venue"),
        ({"symbol": "BTCUSDT"}, "symbol"),
        ({"symbol": "B" * 21 + "-USDT"}, "symbol"),
        ({"interval": "2m"}, "interval"),
        ({"cursor": "a=b"}, "cursor"),
        ({"format": "xml"}, "format"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"start": "2024-08-01T00:00:00"}, "start"),
        ({"start": "yesterday"}, "start"),
        ({"end": None}, "end"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(call: Client, changes: dict[str, object], parameter: str) -> None:
    answer = call("GET", "/v1/bars", **bars_query(**changes))
    assert (answer.status, answer.body["status"], answer.body["type"]) == (422, 422, "about:blank")
    assert [error["parameter"] for error in answer.body["errors"]] == [parameter]


@pytest.mark.parametrize("path", ["/v1/bars", "/v1/continuity", "/v1/predictions", "/v1/signals", "/v1/sentiment"])
@pytest.mark.parametrize("end", ["2024-08-01T00:00:00Z", "2024-07-01T00:00:00Z", "2024-09-02T00:00:00Z"])
def test_an_empty_or_overlong_range_is_refused(call: Client, path: str, end: str) -> None:
    query = bars_query(end=end, interval="1m" if path == "/v1/bars" else None)
    assert call("GET", path, **query).status == 422


def test_continuity_tells_the_hours_and_the_gaps_of_a_range(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO hours VALUES ('binance', 'BTC-USDT', to_timestamp(%s), 90, 1, 100)", [HOUR // 1000]
        )
        # Ten ids are missing within the first hour; two of the next day came from the history.
        first, later = HOUR * NS, (HOUR + 86_400_000) * NS
        connection.execute(GAP, [41, 50, first + 5, first + 1, first + 9, 10, 0, 0])
        connection.execute(GAP, [201, 202, later + 5, later + 1, later + 9, 0, 2, later + 7])
    query = bars_query(interval=None)
    answer = call("GET", "/v1/continuity", **query)
    assert answer.status == 200
    assert answer.body["hours"] == [
        {
            "hour": HOUR,
            "trades": "90.000",
            "missing": "10.000",
            "absent": "0.000",
            "quarantined": "0.000",
            "completeness": "0.900000000000",
        }
    ]
    assert [(gap["first_id"], gap["last_id"], gap["remaining"]) for gap in answer.body["gaps"]] == [(41, 50, 10)]
    assert answer.body["next"] is None
    query = {**query, "end": "2024-08-03T00:00:00Z", "limit": 1}
    first_page = call("GET", "/v1/continuity", **query).body
    assert [gap["first_id"] for gap in first_page["gaps"]] == [201]
    second = call("GET", "/v1/continuity", **query, cursor=first_page["next"]).body
    assert ([gap["first_id"] for gap in second["gaps"]], second["next"]) == ([41], None)


BAR_OF = (
    "INSERT INTO bars VALUES ('binance', 'BTC-USDT', 60, to_timestamp(%s / 1000.0), %s, %s, %s, %s, %s, 0.5, %s, %s,"
    " %s, %s, %s, true, 0)"
)


def test_bars_of_five_minutes_are_made_of_those_of_one(call: Client, owner_url: str) -> None:
    rows = (
        # minute, open, high, low, close, volume, notional, trades, first id, last id, revision
        (0, "10.10", "12.00", "10.00", "11.0", "1.50", "16.5", 3, 1, 3, 2),
        (3, "11.00", "11.50", "9.125", "9.50", "0.25", "2.5", 1, 4, 4, 1),
        (5, "9.50", "9.50", "9.50", "9.50", "1", "9.5", 1, 5, 5, 1),
    )
    with psycopg.connect(owner_url) as connection:
        for minute, *rest in rows:
            connection.execute(BAR_OF, [HOUR + minute * 60_000, *rest])
    body = call("GET", "/v1/bars", **bars_query(interval="5m")).body
    assert [bar["start"] for bar in body["bars"]] == [HOUR, HOUR + 300_000]
    assert body["bars"][0] == {
        "start": HOUR,
        "open": "10.10",
        "high": "12.00",
        "low": "9.125",
        "close": "9.50",
        "volume": "1.75",
        "buy_volume": "1.0",
        "notional": "19.0",
        "trades": 4,
        "first_id": 1,
        "last_id": 4,
        "revision": 3,
        "final": True,
    }
    # A bar is in the range in which it begins, and is whole.
    within = call("GET", "/v1/bars", **bars_query(interval="5m", start="2024-08-01T00:01:00Z")).body
    assert [bar["start"] for bar in within["bars"]] == [HOUR + 300_000]
    short = call("GET", "/v1/bars", **bars_query(interval="5m", end="2024-08-01T00:02:00Z")).body
    assert short["bars"] == body["bars"][:1]


def test_bars_come_as_csv_and_as_arrow_with_the_same_digits(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute in range(3):
            connection.execute(BAR, ["BTC-USDT", 60, HOUR + minute * 60_000])
    expected = call("GET", "/v1/bars", **bars_query()).body["bars"]
    text = call.ask("GET", "/v1/bars", **bars_query(format="csv"))
    assert text["headers"]["Content-Type"] == "text/csv; charset=utf-8"
    found = list(csv.DictReader(io.StringIO(text["body"], newline="")))
    assert found == [{name: str(value).lower() for name, value in bar.items()} for bar in expected]
    accept = {"accept": "application/vnd.apache.arrow.stream"}
    arrow = call.ask("GET", "/v1/bars", headers=accept, **bars_query(limit=2))
    assert arrow["isBase64Encoded"] is True
    assert ipc.open_stream(b64decode(arrow["body"])).read_all().to_pylist() == expected[:2]
    following = arrow["headers"]["Link"].split("cursor=")[1].split(">")[0]
    assert [bar["start"] for bar in call("GET", "/v1/bars", **bars_query(cursor=following)).body["bars"]] == [
        HOUR + 120_000
    ]


def test_a_cursor_is_good_for_its_own_query_alone(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute in range(2):
            connection.execute(BAR, ["BTC-USDT", 60, HOUR + minute * 60_000])
    cursor = call("GET", "/v1/bars", **bars_query(limit=1)).body["next"]
    for query in (bars_query(symbol="ETH-USDT", cursor=cursor), bars_query(cursor=cursor[:-2]), bars_query(cursor="x")):
        answer = call("GET", "/v1/bars", **query)
        assert (answer.status, "cursor" in answer.body["detail"]) == (422, True)


def test_what_a_caller_has_already_is_not_sent_again(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        connection.execute(BAR, ["BTC-USDT", 60, HOUR])
    first = call.ask("GET", "/v1/bars", **bars_query())
    assert first["headers"]["Cache-Control"] == "private, max-age=300"
    tag = first["headers"]["ETag"]
    for named in (tag, f'"other", W/{tag}', "*"):
        again = call.ask("GET", "/v1/bars", headers={"if-none-match": named}, **bars_query())
        assert (again["statusCode"], again["body"], again["headers"]["ETag"]) == (304, "", tag)
    with psycopg.connect(owner_url) as connection:
        connection.execute("UPDATE bars SET trades = 4")
    assert call.ask("GET", "/v1/bars", headers={"if-none-match": tag}, **bars_query())["statusCode"] == 200
    call.claims = None
    refused = call.ask("GET", "/v1/bars", headers={"if-none-match": tag}, **bars_query())
    assert (refused["statusCode"], refused["headers"]["Cache-Control"]) == (401, "no-store")


def test_symbols_are_told_with_their_last_day(call: Client, owner_url: str) -> None:
    now = int(time.time()) // 60 * 60
    with psycopg.connect(owner_url) as connection:
        for symbol in ("BTC-USDT", "NEW-USDT"):
            connection.execute(
                "INSERT INTO ledger VALUES ('binance', %s, 0, 1, 1, 9, '{}', '{}', '{}', 9, 0, %s)",
                [symbol, now * 10**9],
            )
        for day in (0, 1):
            connection.execute("SELECT ensure_bars_partition((now() - %s * interval '1 day')::date)", [day])
        for back, price in ((86_400, "1"), (86_340, "2.50"), (60, "3"), (0, "4.00")):
            values = [(now - back) * 1000, price, price, price, price, "1.5", "1", 1, 1, 1, 1]
            connection.execute(BAR_OF, values)
    body = call("GET", "/v1/symbols", venue="binance").body
    nothing = {"last_bar": None, "close": None, "open_24h": None, "volume_24h": None}
    day = {"last_bar": now * 1000, "close": "4.00", "open_24h": "2.50", "volume_24h": "4.5"}
    assert body["symbols"] == [
        {"venue": "binance", "symbol": "BTC-USDT", **day},
        {"venue": "binance", "symbol": "NEW-USDT", **nothing},
    ]
    assert call("GET", "/v1/symbols", venue="kraken").body == {"symbols": []}
    assert call("GET", "/v1/venues").body == {"venues": [{"venue": "binance", "symbols": 2, "last_trade": now * 1000}]}


def test_whales_come_newest_first_page_by_page(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for second, venues, symbol in ((0, ["binance"], "BTC-USDT"), (1, ["kraken", "coinbase"], "BTC-USD"),
                                       (1, ["binance"], "ETH-USDT")):  # fmt: skip
            started = HOUR + second * 1000
            connection.execute(
                "INSERT INTO whales VALUES (%s, %s, -1, to_timestamp(%s / 1000.0), to_timestamp(%s / 1000.0), 2, 9e5,"
                " 3, 8e5, 5, 6)",
                [venues, symbol, started, started + 500],
            )
    query = bars_query(interval=None, venue=None, symbol=None, limit=2)
    first = call("GET", "/v1/whales", **query).body
    assert [(whale["started"], whale["symbol"]) for whale in first["whales"]] == [
        (HOUR + 1000, "ETH-USDT"),
        (HOUR + 1000, "BTC-USD"),
    ]
    second_page = call("GET", "/v1/whales", **query, cursor=first["next"]).body
    assert second_page == {
        "whales": [
            {
                "started": HOUR,
                "ended": HOUR + 500,
                "venues": ["binance"],
                "symbol": "BTC-USDT",
                "side": "sell",
                "trades": 2,
                "notional": 9e5,
                "price": 3.0,
                "threshold": 8e5,
                "first_id": 5,
                "last_id": 6,
            }
        ],
        "next": None,
    }
    of_one = call("GET", "/v1/whales", **bars_query(interval=None, venue="coinbase", symbol=None)).body
    assert [whale["symbol"] for whale in of_one["whales"]] == ["BTC-USD"]


def test_anomalies_come_newest_first_page_by_page(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for second, venue, kind in ((0, "binance", "price"), (1, "binance/kraken", "disagreement"), (1, "okx", "rate")):
            connection.execute(
                "INSERT INTO anomalies VALUES (%s, 'BTC-USDT', %s, to_timestamp(%s / 1000.0), 5, 4, 'sigma', 'why')",
                [venue, kind, HOUR + second * 1000],
            )
    query = bars_query(interval=None, venue=None, limit=2)
    first = call("GET", "/v1/anomalies", **query).body
    assert [(one["venue"], one["anomaly"]) for one in first["anomalies"]] == [
        ("okx", "rate"),
        ("binance/kraken", "disagreement"),
    ]
    rest = call("GET", "/v1/anomalies", **query, cursor=first["next"]).body
    assert ([one["anomaly"] for one in rest["anomalies"]], rest["next"]) == (["price"], None)
    of_one = call("GET", "/v1/anomalies", **bars_query(interval=None, venue="kraken")).body
    assert [one["anomaly"] for one in of_one["anomalies"]] == ["disagreement"]


def test_the_last_indicators_of_a_symbol(call: Client) -> None:
    data = [{"interval": 60, "start": HOUR, "values": {"rsi_14": 55.5, "vwap": None}}]
    boto3.client("dynamodb").put_item(
        TableName="last-values",
        Item={
            "item": {"S": "indicators#binance:BTC-USDT"},
            "at": {"N": "60"},
            "data": {"S": json.dumps(data)},
        },
    )
    query = {"venue": "binance", "symbol": "BTC-USDT"}
    assert call("GET", "/v1/indicators", **query).body == {**query, **data[0]}
    missing = call("GET", "/v1/indicators", **query, interval=300)
    assert (missing.status, "300 s" in missing.body["detail"]) == (404, True)


def test_a_track_record_counts_what_was_decided_and_how_sure_that_is(call: Client, owner_url: str) -> None:
    rows = [(0.6, True), (0.6, False), (0.4, False), (0.5, True), (0.9, None)]
    with psycopg.connect(owner_url) as connection:
        for minute, (probability, rose) in enumerate(rows):
            connection.execute(PREDICTION, [HOUR + minute * 60_000, 900, probability, "", 1.0, rose])
    (record,) = call("GET", "/v1/track-record", **bars_query(interval=None)).body["records"]
    # Wilson's interval of 2 of 3 by hand: (0.6667 + 0.6402 ± 0.6888) / 2.2805.
    low, high = record.pop("interval")
    assert (round(low, 3), round(high, 3)) == (0.208, 0.939)
    losses = [-log(0.6), -log(0.4), -log(0.6), -log(0.5)]
    assert record.pop("log_loss") == pytest.approx(sum(losses) / 4)
    assert record.pop("brier") == pytest.approx((0.16 + 0.36 + 0.16 + 0.25) / 4)
    assert record == {
        "model": "direction",
        "version": "7",
        "predictions": 4,
        "decided": 3,
        "right": 2,
        "accuracy": 2 / 3,
        "base_rate": 0.5,
        "from": HOUR,
        "to": HOUR + 180_000,
    }


TRADER = {**CLAIMS, "cognito:groups": "[trader]"}


def test_a_position_is_sized_in_exact_decimals(call: Client) -> None:
    call.claims = TRADER
    asked = {"side": "long", "account": "10000", "risk_fraction": "0.01", "entry": 50000, "stop": "49000.5"}
    answer = call.post("/v1/risk/position", {**asked, "size_step": "0.001", "target": "53000"})
    assert answer.status == 200
    # 100 over 999.50 a unit is 0.10005….
    assert answer.body == {
        "size": "0.1",
        "notional": "5000",
        "risk": "100",
        "loss_at_stop": "99.95",
        "fees": "0",
        "margin": "5000",
        "leverage": "1",
        "liquidation_price": None,
        "liquidated_before_stop": False,
        "reward_to_risk": "3.001500750375",
        "limited_by": "risk",
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stop": "51000"}, "below its entry"),
        ({"risk_amount": "5"}, "risk_fraction or risk_amount"),
        ({"account": "-1"}, "greater than 0"),
        ({"account": "NaN"}, "finite"),
        ({"side": "up"}, "long"),
        ({"colour": "red"}, "not permitted"),
        ({"leverage": 100, "maintenance_margin": "0.02", "stop": "49999", "risk_fraction": "1"}, "at once"),
    ],
)
def test_a_position_that_cannot_be_is_refused_with_why(call: Client, changes: dict[str, Any], says: str) -> None:
    call.claims = TRADER
    asked = {"side": "long", "account": "10000", "risk_fraction": "0.01", "entry": "50000", "stop": "49000"}
    answer = call.post("/v1/risk/position", {**asked, **changes})
    assert answer.status == 422
    assert says in json.dumps(answer.body)


def test_risks_are_for_traders(call: Client) -> None:
    position = {"side": "long", "account": 1, "risk_amount": 1, "entry": 2, "stop": 1}
    portfolio = {"positions": [{"venue": "binance", "symbol": "BTC-USDT", "quantity": 1}]}
    for path, body in (("/v1/risk/position", position), ("/v1/risk/portfolio", portfolio)):
        answer = call.post(path, body)
        assert (answer.status, answer.body["detail"]) == (403, "This takes one of the roles operator, trader.")


def hours_of(owner_url: str, symbol: str, prices: list[float]) -> None:
    """Store a bar of the last minute of each of the hours that ended last."""
    now = int(time.time()) // 3600 * 3600
    with psycopg.connect(owner_url) as connection:
        for back, price in enumerate(reversed(prices), 1):
            minute = now - (back - 1) * 3600 - 60
            connection.execute("SELECT ensure_bars_partition(to_timestamp(%s)::date)", [minute])
            text = f"{price:.8f}"
            connection.execute(
                "INSERT INTO bars VALUES ('binance', %s, 60, to_timestamp(%s), %s, %s, %s, %s, 1, 0.5, 1, 1, 1, 1, 1,"
                " true, 0)",
                [symbol, minute, text, text, text, text],
            )


def test_a_portfolio_is_judged_by_the_prices_that_are_stored(call: Client, owner_url: str) -> None:
    random = np.random.default_rng(1)
    moves = random.normal(0, 0.01, size=(2, 400))
    bitcoin = 50_000 * np.exp(np.cumsum(moves[0]))
    ether = 3_000 * np.exp(np.cumsum(0.5 * moves[0] + 0.8 * moves[1]))
    hours_of(owner_url, "BTC-USDT", bitcoin.tolist())
    hours_of(owner_url, "ETH-USDT", ether.tolist())
    call.claims = TRADER
    positions = [
        {"venue": "binance", "symbol": "ETH-USDT", "quantity": 10},
        {"venue": "binance", "symbol": "BTC-USDT", "quantity": -0.25},
    ]
    answer = call.post("/v1/risk/portfolio", {"positions": positions, "confidence": 0.95, "horizon_hours": 4})
    assert answer.status == 200, answer.body
    body = answer.body
    values = np.array([10 * round(ether[-1], 8), -0.25 * round(bitcoin[-1], 8)])
    assert body["value"] == pytest.approx(values.sum())
    assert [one["value"] for one in body["positions"]] == pytest.approx(values.tolist())
    returns = np.stack([0.5 * moves[0] + 0.8 * moves[1], moves[0]])[:, 1:]
    deviation = np.sqrt(values @ np.cov(returns, bias=True) @ values * 4)
    # The covariance is shrunk a little, so nearly.
    assert body["var"]["parametric"] == pytest.approx(norm.ppf(0.95) * deviation, rel=0.05)
    assert body["correlation"]["matrix"][0][1] == pytest.approx(np.corrcoef(returns)[0, 1], abs=0.05)
    for method, value in body["var"].items():
        assert body["expected_shortfall"][method] > value > 0
    crash = body["scenarios"][0]
    assert crash["by_position"][1] == pytest.approx(-values[1] * 0.44)
    assert crash["pnl"] == pytest.approx(sum(crash["by_position"]))
    assert sum(body["distribution"]["counts"]) == 10_000
    assert len(body["distribution"]["edges"]) == len(body["distribution"]["counts"]) + 1
    assert (body["data"]["observations"], body["data"]["missing"]) == (399, 0)


@pytest.mark.parametrize(
    ("positions", "says"),
    [
        ([{"venue": "binance", "symbol": "XXX-USDT", "quantity": 1}], "no price of XXX-USDT on binance"),
        (
            [
                {"venue": "binance", "symbol": "ETH-BTC", "quantity": 1},
                {"venue": "binance", "symbol": "BTC-USDT", "quantity": 1},
            ],
            "different currencies",
        ),
        ([{"venue": "binance", "symbol": "BTC-USDT", "quantity": 1}] * 2, "once"),
        ([{"venue": "binance", "symbol": "BTC-USDT' OR 1=1", "quantity": 1}], "pattern"),
        ([], "at least 1"),
    ],
)
def test_a_portfolio_that_cannot_be_judged_is_refused_with_why(call: Client, positions: Any, says: str) -> None:
    call.claims = TRADER
    answer = call.post("/v1/risk/portfolio", {"positions": positions})
    assert answer.status == 422
    assert says in json.dumps(answer.body)


PREDICTION = (
    "INSERT INTO predictions VALUES ('binance', 'BTC-USDT', to_timestamp(%s / 1000.0), %s, 60000.5, %s, %s,"
    " 'direction', '7', 'champion', '{0.5}', %s, %s)"
)


def test_predictions_come_oldest_first_with_what_became_of_them(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute, horizon, *rest in (
            (1, 900, None, "unavailable", None, None),
            (0, 900, 0.53, "", 60010.0, True),
            (0, 300, 0.4, "", None, None),
            (2, 900, 0.5, "", 60000.5, None),
        ):
            connection.execute(PREDICTION, [HOUR + minute * 60_000, horizon, *rest])
    answer = call("GET", "/v1/predictions", **bars_query(interval=None, limit=2))
    model = {"close": 60000.5, "model": "direction", "version": "7", "variant": "champion"}
    assert answer.body == {
        "venue": "binance",
        "symbol": "BTC-USDT",
        "horizon": 900,
        "predictions": [
            {
                "id": f"binance:BTC-USDT:900:{HOUR}",
                "time": HOUR,
                **model,
                "probability": 0.53,
                "absent": "",
                "closed_at": 60010.0,
                "rose": True,
            },
            {
                "id": f"binance:BTC-USDT:900:{HOUR + 60_000}",
                "time": HOUR + 60_000,
                **model,
                "probability": None,
                "absent": "unavailable",
                "closed_at": None,
                "rose": None,
            },
        ],
        "next": answer.body["next"],
    }
    rest = call("GET", "/v1/predictions", **bars_query(interval=None, limit=2, cursor=answer.body["next"])).body
    assert ([one["time"] for one in rest["predictions"]], rest["next"]) == ([HOUR + 120_000], None)
    shorter = call("GET", "/v1/predictions", **bars_query(interval=None, horizon=300)).body
    assert [(one["time"], one["probability"]) for one in shorter["predictions"]] == [(HOUR, 0.4)]
    assert shorter["next"] is None


def test_signals_of_a_range_say_what_to_do_and_why(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute, direction, invalidation in ((0, "long", 59000.5), (1, "flat", None), (24 * 60, "short", 61000.0)):
            connection.execute(
                "INSERT INTO trading_signals VALUES ('binance', 'BTC-USDT', to_timestamp(%s / 1000.0), 900, %s, 0.06,"
                " 60000.5, %s, -0.0004, 'costs eat it')",
                [HOUR + minute * 60_000, direction, invalidation],
            )
    body = call("GET", "/v1/signals", **bars_query(interval=None)).body
    rest = {"confidence": 0.06, "price": 60000.5, "expected_move": -0.0004, "reason": "costs eat it"}
    assert body["signals"] == [
        {"time": HOUR, "direction": "long", "invalidation": 59000.5, **rest},
        {"time": HOUR + 60_000, "direction": "flat", "invalidation": None, **rest},
    ]
    assert body["next"] is None


def test_sentiment_is_the_markets(call: Client, owner_url: str) -> None:
    part = {"name": "momentum", "score": 70.0, "weight": 1.0, "value": 0.002}
    with psycopg.connect(owner_url) as connection:
        for minute in range(3):
            connection.execute(
                "INSERT INTO sentiment VALUES (to_timestamp(%s / 1000.0), 70, 5, %s)",
                [HOUR + minute * 60_000, json.dumps([part])],
            )
    query = {"start": "2024-08-01T00:01:00Z", "end": "2024-08-01T00:02:00Z"}
    assert call("GET", "/v1/sentiment", **query).body == {
        "sentiment": [{"time": HOUR + 60_000, "index": 70.0, "symbols": 5, "parts": [part]}],
        "next": None,
    }


@pytest.mark.parametrize("horizon", [0, 86_401, "long"])
def test_a_horizon_is_seconds_of_a_day(call: Client, horizon: object) -> None:
    answer = call("GET", "/v1/predictions", **bars_query(interval=None, horizon=horizon))
    assert (answer.status, [error["parameter"] for error in answer.body["errors"]]) == (422, ["horizon"])


def test_a_ticket_of_the_api_stands_for_who_asked(call: Client, module: Any) -> None:
    answer = call("POST", "/ws-tickets")
    assert (answer.status, answer.body["expires_in"]) == (201, 60)
    user = module.tickets.redeem(answer.body["ticket"])
    assert (user.subject, user.roles, user.expires) == ("5d1c2c0e", ("viewer",), 4_000_000_000)


ROUTES = [
    ("POST", "/ws-tickets", {}),
    ("GET", "/v1/bars", bars_query()),
    ("GET", "/v1/continuity", bars_query(interval=None)),
    ("GET", "/v1/predictions", bars_query(interval=None)),
    ("GET", "/v1/signals", bars_query(interval=None)),
    ("GET", "/v1/sentiment", bars_query(interval=None, venue=None, symbol=None)),
    ("GET", "/v1/track-record", bars_query(interval=None)),
    ("GET", "/v1/whales", bars_query(interval=None, venue=None, symbol=None)),
    ("GET", "/v1/anomalies", bars_query(interval=None)),
    ("GET", "/v1/venues", {}),
    ("GET", "/v1/symbols", {"venue": "binance"}),
]


@pytest.mark.parametrize(("method", "path", "query"), ROUTES)
@pytest.mark.parametrize(
    ("claims", "status"),
    [
        (None, 401),
        ({**CLAIMS, "token_use": "id"}, 401),
        ({**CLAIMS, "cognito:groups": "[guests]"}, 403),
        ({**CLAIMS, "cognito:groups": "[]"}, 403),
        ({name: value for name, value in CLAIMS.items() if name != "cognito:groups"}, 403),
        ({**CLAIMS, "cognito:groups": "[guests operator]"}, None),
    ],
)
def test_every_route_wants_an_access_token_of_a_user_with_a_role(
    call: Client, method: str, path: str, query: Any, claims: Any, status: int | None
) -> None:
    call.claims = claims
    answer = call(method, path, **query)
    assert answer.status == status if status is not None else answer.status < 300


def test_health_wants_no_login_and_needs_the_database(
    call: Client, module: Any, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call.claims = None
    assert call("GET", "/v1/health").body == {"status": "ok"}
    module.database.close()
    monkeypatch.setattr(
        module.database, "_open", lambda: psycopg.connect("postgresql://127.0.0.1:9/x", connect_timeout=1)
    )
    answer = call("GET", "/v1/health")
    assert answer.status == 503
    assert "127.0.0.1" not in json.dumps(answer.body)


def test_a_route_that_is_not_there_is_a_problem_too(call: Client) -> None:
    assert call("GET", "/v1/orders").status == 404


def test_what_goes_wrong_on_our_side_is_not_shown(call: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Any, **query: Any) -> None:
        raise ZeroDivisionError("secret of the house")

    monkeypatch.setattr("lambdas.rest_api.market_routes.read_bars", broken)
    answer = call("GET", "/v1/bars", **bars_query())
    assert answer.status == 500
    assert "secret" not in json.dumps(answer.body)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO bar_repairs DEFAULT VALUES",
        "UPDATE bars SET trades = 0",
        "DELETE FROM gaps",
        "UPDATE predictions SET probability = 1",
        "TRUNCATE bars",
        "SELECT body FROM dead_letters",
        "SELECT * FROM ledger",
        "SELECT * FROM stream_checkpoints",
        "SELECT ensure_bars_partition('2030-01-01')",
        "SELECT ensure_conclusions_partition('2030-01-01')",
        "CREATE TABLE mine (x int)",
    ],
)
def test_the_readers_role_reads_what_clients_may_know_and_changes_nothing(module: Any, statement: str) -> None:
    # Without its own setting, which a session may change: the rights alone must hold.
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        module.database.run(
            lambda connection: [connection.execute("SET TRANSACTION READ WRITE"), connection.execute(statement)]
        )


def test_the_readers_limits_belong_to_the_role(module: Any) -> None:
    """RDS Proxy takes no options with a connection."""
    names = ("default_transaction_read_only", "statement_timeout", "idle_in_transaction_session_timeout")
    found = module.database.run(lambda connection: [connection.execute(f"SHOW {name}").fetchone()[0] for name in names])
    assert found == ["on", "5s", "10s"]


def test_a_reading_connection_prepares_nothing(module: Any) -> None:
    """A prepared statement would pin the proxy's connection to one client."""

    def prepared(connection: psycopg.Connection) -> int:
        for _ in range(10):
            connection.execute("SELECT 1 WHERE 1 = %s", [1])
        return connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0]

    assert module.database.run(prepared) == 0
