"""Why a prediction was made, from the stored minutes and the shipped model's own server.

The truth is the live path: rows from rings by the kernel, a probability by the stage's own client.
"""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from lambdas.migrations.runner import apply
from local.emulator import Emulator
from local.sagemaker.seed import shipped_archive
from tests.integration.local_sagemaker import BUCKET, ENDPOINT, Platform, rising
from tickwire.features.minutes import MINUTE_NS, SLOTS, Minutes, minute_rows, new_rings, put_minutes
from tickwire.forecast.endpoint import EndpointForecaster
from tickwire.forecast.rows import LiveRows, live_rows
from tickwire.model.features import SCHEMA, WINDOW

BEGIN = 1_722_470_400_000_000_000  # 2024-08-01T00:00:00Z
END = BEGIN + SLOTS * MINUTE_NS
ID = f"binance:BTC-USDT:900:{END // 1_000_000}"
CLAIMS = {"sub": "5d1c2c0e", "token_use": "access", "exp": "4000000000", "cognito:groups": "[viewer]"}
BAR = (
    "INSERT INTO bars VALUES ('binance', 'BTC-USDT', 60, to_timestamp(%s), %s::numeric / 100, %s::numeric / 100,"
    " %s::numeric / 100, %s::numeric / 100, %s::numeric / 100000, %s::numeric / 100000, %s::numeric / 10000000, %s, 1,"
    " 2, 1, true, 0)"
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Emulator() as emulator:
        platform = Platform(emulator, tmp_path_factory.mktemp("platform"))
        platform.s3.create_bucket(Bucket=BUCKET)
        try:
            platform.model("shipped", shipped_archive())
            platform.model("other", rising(0.75))
            platform.configuration("first", champion=("shipped", 1.0), challenger=("other", 0.0))
            platform.control.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="first")
            assert platform.endpoint()["EndpointStatus"] == "InService"
            yield platform
        finally:
            platform.child.stop()


def units() -> list[list[int]]:
    """A day of minutes in whole units, one in ten without a trade: minute of 1970, prices by cents, sizes by 1e-5."""
    random = np.random.default_rng(11)
    close = np.round(6_000_000 * np.exp(np.cumsum(random.normal(0, 5e-4, SLOTS)))).astype(np.int64)
    opened = np.concatenate(([6_000_000], close[:-1]))
    high, low = np.maximum(opened, close) + 500, np.minimum(opened, close) - 500
    volume = random.integers(1, 900_000, SLOTS)
    bought = volume * random.integers(0, 100, SLOTS) // 100
    trades = random.integers(1, 400, SLOTS)
    start = BEGIN // MINUTE_NS + np.arange(SLOTS)
    rows = np.stack([start, opened, high, low, close, volume, bought, volume * close, trades], axis=1)
    kept: list[list[int]] = rows[random.random(SLOTS) < 0.9].tolist()
    return kept


def minutes(rows: list[list[int]]) -> Minutes:
    start, opened, high, low, close, volume, bought, notional, trades = np.array(rows, np.int64).T
    return minute_rows(
        start * MINUTE_NS,
        open=opened * 1e-2,
        high=high * 1e-2,
        low=low * 1e-2,
        close=close * 1e-2,
        volume=volume * 1e-5,
        buy_volume=bought * 1e-5,
        notional=notional * 1e-7,
        trades=trades.astype(np.float64),
    )


@pytest.fixture(scope="module")
def live() -> LiveRows:
    day = minutes(units())
    rings = new_rings(1)
    put_minutes(rings, np.zeros(len(day), np.intp), day)
    made = live_rows(rings, END)
    assert made.usable.all()
    return made


@pytest.fixture
def database(database_url: str, platform: Platform, live: LiveRows) -> str:
    """The day's minutes, and the prediction that the champion made of them."""
    forecaster = EndpointForecaster(platform.runtime, endpoint=ENDPOINT, schema=SCHEMA, clock=lambda: END)
    forecast = forecaster.forecast(live.rows, symbols=[("binance", "BTC-USDT")], end=END)
    features = [None if np.isnan(one) else one for one in live.newest[0].tolist()]
    with psycopg.connect(database_url) as connection:
        apply(connection)
        connection.execute("SELECT ensure_bars_partition('2024-08-01')")
        connection.execute("SELECT ensure_conclusions_partition('2024-08-02')")
        with connection.cursor() as cursor:
            cursor.executemany(BAR, [[minute * 60, *rest] for minute, *rest in units()])
        connection.execute(
            "INSERT INTO predictions VALUES ('binance', 'BTC-USDT', to_timestamp(%s), 900, %s, %s, '', %s, %s, %s, %s)",
            [
                END // 10**9,
                float(live.close[0]),
                float(forecast.probability[0]),
                forecast.origin.model,
                forecast.origin.version,
                forecast.origin.variant,
                features,
            ],
        )
    return database_url


class Function:
    """The REST API's function, asked as API Gateway asks it."""

    def __init__(self, module: Any, context: SimpleNamespace) -> None:
        self._module = module
        self._context = context
        self.claims: dict[str, str] = CLAIMS

    def __call__(self, name: str) -> tuple[int, Any]:
        path = f"/v1/predictions/{name}/explanation"
        answer = self._module.handler(
            {
                "version": "2.0",
                "routeKey": "GET /v1/predictions/{id}/explanation",
                "rawPath": path,
                "rawQueryString": "",
                "headers": {"host": "abcdef.execute-api.eu-central-1.amazonaws.com"},
                "pathParameters": {"id": name},
                "requestContext": {
                    "http": {"method": "GET", "path": path, "sourceIp": "192.0.2.1"},
                    "stage": "$default",
                    "requestId": "r1",
                    "authorizer": {"jwt": {"claims": self.claims, "scopes": None}},
                },
                "isBase64Encoded": False,
            },
            self._context,
        )
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture
def runtime_url(platform: Platform) -> str:
    return platform.url


@pytest.fixture
def ask(
    database: str, runtime_url: str, lambda_context: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Function]:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime_url,
        "TICKWIRE_DATABASE_URL": make_conninfo(database, user="tickwire_reader"),
        "TICKWIRE_TICKETS_TABLE": "tickets",
        "TICKWIRE_LAST_VALUES_TABLE": "last-values",
        "TICKWIRE_MODEL_ENDPOINT": ENDPOINT,
    }.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("lambdas.rest_api.handler", None)
    module = import_module("lambdas.rest_api.handler")
    yield Function(module, lambda_context)
    module.database.close()


@pytest.mark.parametrize("name", [ID, quote(ID, safe="")])
def test_a_prediction_is_explained_by_its_features_and_by_its_bars(
    ask: Function, database: str, live: LiveRows, name: str
) -> None:
    status, body = ask(name)
    assert status == 200, body
    with psycopg.connect(database) as connection:
        stored = connection.execute("SELECT probability, model, version FROM predictions").fetchone()
    assert (body["probability"], body["model"], body["version"]) == stored
    assert body["id"] == ID
    assert [one["name"] for one in body["features"]] == list(SCHEMA.names)
    np.testing.assert_allclose([one["value"] for one in body["features"]], live.newest[0], rtol=1e-5, atol=1e-5)
    moved = body["probability"] - body["base"]
    assert sum(one["contribution"] for one in body["features"]) == pytest.approx(moved, abs=1e-5)
    assert len(body["bars"]) == WINDOW
    assert sum(body["bars"]) == pytest.approx(moved, abs=1e-5)
    assert max(map(abs, body["bars"])) > 0
    assert "Shapley" in body["method"]


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "binance:BTC-USDT:900",
        ID.replace("BTC", "ETH"),
        ID.replace(":900:", ":300:"),
        ID + "0" * 9,
        ID.replace(":900:", ":٩٠٠:"),
        f"binance:BTC-USDT:900:{END // 1_000_000 + 1}",
        f"binance:BTC-USDT:900:{END // 1_000_000 + 60_000}",
        "binance:BTC-USDT:900:99999999960000",
    ],
)
def test_what_is_no_prediction_is_not_found(ask: Function, name: str) -> None:
    status, body = ask(quote(name, safe=":"))
    assert (status, body["detail"]) == (404, "There is no such prediction.")


LATE = END - 60 * MINUTE_NS  # within the newest bar's features
EARLY = END - 600 * MINUTE_NS  # only in bars of the row that are older


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "UPDATE predictions SET probability = NULL, absent = 'halted'",
            "no prediction of that time to explain: halted",
        ),
        ("UPDATE predictions SET variant = ''", "does not say which variant"),
        ("UPDATE predictions SET features = '{}'", "minutes are not stored as it knew them"),
        ("DELETE FROM bars", "minutes are not stored as it knew them"),
        (
            f"UPDATE bars SET close = close * 1.01 WHERE start < to_timestamp({LATE // 10**9})",
            "minutes are not stored as it knew them",
        ),
        (
            f"UPDATE bars SET close = close * 0.9 WHERE start < to_timestamp({EARLY // 10**9})",
            "gives the stored minutes another probability",
        ),
        ("UPDATE predictions SET version = '1999-12-31'", "1999-12-31, and its variant champion now serves lstm"),
        ("UPDATE predictions SET variant = 'challenger'", "serves no model that explains it"),
        ("UPDATE predictions SET variant = 'nobody'", "serves no model that explains it"),
    ],
)
def test_a_prediction_that_cannot_be_explained_says_why(ask: Function, database: str, change: str, says: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(change)
    status, body = ask(ID)
    assert (status, body["title"]) == (409, "Conflict")
    assert says in body["detail"]


def test_whoever_has_no_role_gets_no_explanation(ask: Function) -> None:
    ask.claims = {**CLAIMS, "cognito:groups": "[guests]"}
    assert ask(ID)[0] == 403


@pytest.mark.parametrize("runtime_url", ["http://127.0.0.1:9"])
def test_a_model_that_does_not_answer_is_to_be_asked_again(ask: Function) -> None:
    status, body = ask(ID)
    assert (status, body["detail"]) == (503, "The model did not answer; please try again.")
