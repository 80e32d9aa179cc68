"""The WebSocket protocol as a client meets it, on the deployed functions: numbers, snapshots, what was missed, resets.

The broadcaster is handed records as Lambda would; every message is held to the protocol's document.
"""

import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import pytest

from local.deploy import Deployment, deploy, synthesise
from local.emulator import CREDENTIALS, Emulator
from local.identity import LocalUser
from tests.protocol import check_answer, check_request
from tickwire.columns import Side, TradeRows
from tickwire.envelope import encode
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

pytestmark = pytest.mark.services("apigatewayv2", "cloudformation", "cognito-idp", "dynamodb", "lambda")

PROJECT = Path(__file__).parents[2]
SOURCE = 3


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def deployment(emulator: Emulator) -> Deployment:
    return deploy(
        synthesise(PROJECT / ".tickwire" / "assembly").folder,
        endpoint_url=emulator.endpoint_url,
        overrides={
            "TICKWIRE_STATE_URL": "valkey://127.0.0.1:9/0",
            "TICKWIRE_DATABASE_URL": "postgresql://127.0.0.1:9/none",
            "TICKWIRE_DATABASE_IAM": "false",
        },
    )


@pytest.fixture(scope="module")
def token(deployment: Deployment, emulator: Emulator) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        user = LocalUser(
            emulator.endpoint_url,
            pool_id=deployment.outputs["UserPoolId"],
            client_id=deployment.outputs["ProgrammesClientId"],
        )
        user.create()
        yield user.token()


class Market:
    """Trades of one symbol, record by record, into the deployed broadcaster."""

    def __init__(self, deployment: Deployment, emulator: Emulator, symbol: str) -> None:
        session = boto3.Session(
            CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1"
        )
        self._lambda = session.client("lambda", endpoint_url=emulator.endpoint_url)
        self._function = deployment.outputs["BroadcasterFunction"]
        self._instrument = Instrument("binance", symbol, 2, 2)
        self.symbol = f"binance:{symbol}"

    def trade(self, counter: int) -> None:
        """Let the partition's record ``counter`` have a trade with this id."""
        rows = TradeRows()
        rows.append(
            self._instrument,
            trade_id=counter,
            price=100,
            size=1,
            side=Side.BUY,
            exchange_time=1_000_000,
            receive_time=2_000_000,
        )
        record = Record(header=Header(RecordKind.EVENTS, SOURCE, counter), trades=rows.batch())
        kinesis = {
            "partitionKey": str(SOURCE),
            "sequenceNumber": str(counter),
            "data": b64encode(encode(record)).decode(),
            "approximateArrivalTimestamp": 1_700_000_000.0,
        }
        answer = self._lambda.invoke(
            FunctionName=self._function, Payload=json.dumps({"Records": [{"kinesis": kinesis}]}).encode()
        )
        assert "FunctionError" not in answer, answer["Payload"].read()


class Client:
    """A connection whose messages are of the protocol, in both directions."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def say(self, **message: Any) -> None:
        check_request(message)
        await self._socket.send_json(message)

    async def hears(self, kind: str) -> dict[str, Any]:
        """Give the next message, which must be of this kind."""
        message: dict[str, Any] = await self._socket.receive_json(timeout=20)
        check_answer(message)
        assert message["type"] == kind, message
        return message


@asynccontextmanager
async def connected(deployment: Deployment, token: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(deployment.websocket_url, headers=headers) as socket,
    ):
        yield Client(socket)


def numbers(message: dict[str, Any]) -> tuple[int, int, list[int]]:
    """Give what an update's only item covers, and the ids in it."""
    (item,) = message["items"]
    assert item["source"] == SOURCE
    return item["from"], item["to"], [trade["id"] for trade in item["data"]]


async def test_a_client_is_continued_where_it_was_and_begins_anew_where_that_is_too_long_ago(
    deployment: Deployment, emulator: Emulator, token: str
) -> None:
    market = Market(deployment, emulator, "BTC-USDT")
    wanted = {"topics": ["trades"], "symbols": [market.symbol]}
    async with connected(deployment, token) as client:
        await client.say(action="subscribe", id="s", **wanted)
        assert (await client.hears("subscribed"))["id"] == "s"
        assert (await client.hears("snapshot"))["items"] == []
        for counter in (1, 2):
            market.trade(counter)
            assert numbers(await client.hears("update")) == (counter, counter, [counter])
    for counter in (3, 4, 5):
        market.trade(counter)
    async with connected(deployment, token) as client:
        positions = {"trades": {market.symbol: {str(SOURCE): 2}}}
        await client.say(action="resume", positions=positions, id="r", **wanted)
        missed = await client.hears("update")
        assert (missed["replay"], numbers(missed)) == (True, (3, 5, [3, 4, 5]))
        assert await client.hears("resumed") == {"type": "resumed", "replayed": 1, "reset": 0, "id": "r"}
        # A number that nobody gave.
        positions["trades"][market.symbol][str(SOURCE)] = 500
        await client.say(action="resume", positions=positions)
        (reset,) = (await client.hears("reset"))["items"]
        assert (reset["symbol"], reset["source"], reset["reason"]) == (market.symbol, SOURCE, "unknown")
        (item,) = (await client.hears("snapshot"))["items"]
        stored = item["positions"][str(SOURCE)]
        assert [trade["id"] for trade in item["data"]] == list(range(1, stored + 1))
        if stored < 5:
            # Stored once a second: the log has the rest.
            assert numbers(await client.hears("update")) == (stored + 1, 5, list(range(stored + 1, 6)))
        assert await client.hears("resumed") == {"type": "resumed", "replayed": 0, "reset": 1}


async def test_what_a_client_may_not_ask_is_refused_with_its_id(
    deployment: Deployment, emulator: Emulator, token: str
) -> None:
    async with connected(deployment, token) as client:
        await client.say(action="resume", positions={"trades": {"binance:ETH-USDT": {"0": 1}}}, id="x")
        refused = await client.hears("error")
        assert (refused["code"], refused["id"]) == ("forbidden", "x")
        await client.say(action="subscribe", topics=["alerts"], symbols=["binance:ETH-USDT"], id="y")
        refused = await client.hears("error")
        assert (refused["code"], refused["id"]) == ("invalid_symbol", "y")
        await client.say(action="ping", id="z")
        assert await client.hears("pong") == {"type": "pong", "id": "z"}
