"""The deployed stacks at work: a record that is put to the raw stream comes out at a client's socket.

The smallest wiring there is: emulator, Valkey, PostgreSQL, the templates, and the Kinesis mappings that they ask
for. No exchange and no task of ours: what is put stands for what an ingestor would put.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import websockets

from lambdas.migrations.runner import apply
from local.deploy import Deployment, deploy, synthesise
from local.emulator import CREDENTIALS, Emulator
from local.event_source import EventSource
from local.identity import LocalUser
from local.postgres import LocalPostgres
from local.valkey import LocalValkey
from tickwire.columns import Side, TradeRows
from tickwire.envelope import encode
from tickwire.partitions import explicit_hash_key, partition_of
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

pytestmark = pytest.mark.services(
    "apigatewayv2", "cloudformation", "cognito-idp", "dynamodb", "kinesis", "lambda", "s3", "sqs"
)

PROJECT = Path(__file__).parents[2]
PARTITIONS = 2
BTC = Instrument("binance", "BTC-USDT", 8, 8)
SYMBOL = "binance:BTC-USDT"
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Deployed:
    """What the test talks to, all of it over the network."""

    deployment: Deployment
    endpoint_url: str
    database_url: str
    token: str


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        # Short, since PostgreSQL listens on a Unix socket in it, and open, since it runs as another user than root.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tw-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        valkey = stack.enter_context(LocalValkey(folder / "valkey"))
        postgres = stack.enter_context(LocalPostgres(folder / "postgres"))
        emulator = stack.enter_context(Emulator())
        with psycopg.connect(postgres.url) as connection:
            apply(connection)
        deployment = deploy(
            synthesise(PROJECT / ".tickwire" / "assembly").folder,
            endpoint_url=emulator.endpoint_url,
            overrides={
                "TICKWIRE_PARTITIONS": str(PARTITIONS),
                "TICKWIRE_STATE_URL": valkey.url,
                "TICKWIRE_DATABASE_URL": postgres.url,
                "TICKWIRE_DATABASE_IAM": "false",
            },
        )
        user = LocalUser(
            emulator.endpoint_url,
            pool_id=deployment.outputs["UserPoolId"],
            client_id=deployment.outputs["ProgrammesClientId"],
        )
        user.create()
        source = EventSource(deployment.event_source_mappings, endpoint_url=emulator.endpoint_url)
        source.start()
        stack.callback(source.stop)
        yield Deployed(deployment, emulator.endpoint_url, postgres.url, user.token())


def put(deployed: Deployed, *, trade_id: int, price: int, at: int) -> None:
    """Put a record of one bought trade of two units, as an ingestor would."""
    partition = partition_of(BTC.venue, BTC.symbol, PARTITIONS)
    rows = TradeRows()
    rows.append(
        BTC,
        trade_id=trade_id,
        price=price * 10**BTC.price_scale,
        size=2 * 10**BTC.size_scale,
        side=Side.BUY,
        exchange_time=at,
        receive_time=at + 1_000_000,
    )
    header = Header(RecordKind.RAW, partition, created=at, hops=(("ingestor", at),))
    boto3.client("kinesis", endpoint_url=deployed.endpoint_url).put_record(
        StreamName=deployed.deployment.outputs["RawStream"],
        Data=encode(Record(header=header, trades=rows.batch())),
        PartitionKey=str(partition),
        ExplicitHashKey=explicit_hash_key(partition, PARTITIONS),
    )


async def next_bar(socket: Any, *, start: int) -> dict[str, Any]:
    """Give the first bar of the second ``start`` (ms UTC) that the server sends."""
    while True:
        message = json.loads(await socket.recv())
        for item in message.get("items", ()):
            if (item["topic"], item["symbol"]) == ("bars.1s", SYMBOL):
                for bar in item["data"]:
                    if bar["start"] == start:
                        return dict(bar)


async def test_a_record_put_to_the_raw_stream_comes_out_at_a_client(deployed: Deployed) -> None:
    at = time.time_ns() // SECOND * SECOND
    headers = {"Authorization": f"Bearer {deployed.token}"}
    async with (
        asyncio.timeout(60),
        websockets.connect(deployed.deployment.websocket_url, additional_headers=headers) as socket,
    ):
        await socket.send(json.dumps({"action": "subscribe", "topics": ["bars.1s"], "symbols": [SYMBOL]}))
        assert json.loads(await socket.recv())["type"] == "subscribed"
        await asyncio.to_thread(put, deployed, trade_id=1, price=61_000, at=at)
        bar = await next_bar(socket, start=at // 1_000_000)
    assert {name: bar[name] for name in ("open", "close", "volume", "buy_volume", "trades", "final")} == {
        "open": "61000.00000000",
        "close": "61000.00000000",
        "volume": "2.00000000",
        "buy_volume": "2.00000000",
        "trades": 1,
        "final": False,
    }


def test_a_bar_that_is_final_stands_in_the_database(deployed: Deployed) -> None:
    start = time.time_ns() // SECOND * SECOND
    # A bar is final when a trade of a later second has passed the time that late trades are given.
    for number, second in enumerate((0, 30)):
        put(deployed, trade_id=2 + number, price=62_000, at=start + second * SECOND)
    query = "SELECT trades, volume FROM bars WHERE interval_seconds = 1 AND start = to_timestamp(%s)"
    deadline = time.monotonic() + 60
    with psycopg.connect(deployed.database_url, autocommit=True) as connection:
        while (row := connection.execute(query, [start / SECOND]).fetchone()) is None:
            assert time.monotonic() < deadline, "no bar in the database within a minute"
            time.sleep(0.05)
    assert (row[0], float(row[1])) == (1, 2.0)
