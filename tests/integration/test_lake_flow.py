"""From records of trades-clean to rows of the lake and answers of `tickwire query`, on the emulator."""

import csv
import io
import json
import os
import sys
import uuid
from base64 import b64encode
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from random import Random

import boto3
import psycopg
import pytest

from lambdas.migrations.runner import apply
from tickwire.cli.main import main
from tickwire.columns import Side, TradeRows
from tickwire.envelope import encode
from tickwire.lake import DAY_NANOSECONDS
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

pytestmark = pytest.mark.services("glue", "s3", "sqs")

DAY = 19_943 * DAY_NANOSECONDS  # 2024-08-08
PARTITIONS = {0: Instrument("binance", "BTC-USDT", 8, 8), 1: Instrument("kraken", "SHIB-USD", 14, 2)}
RECORDS = 20


def record(partition: int, counter: int) -> Record:
    """Two trades, ids 2 counter and 2 counter + 1; none in each fifth record; two days in the tenth."""
    rows = TradeRows()
    for k in range(2 if counter % 5 else 0):
        rows.append(
            PARTITIONS[partition],
            trade_id=2 * counter + k,
            price=6_168_599_000_000 + counter,
            size=12_300,
            side=Side(1 + k),
            exchange_time=DAY + counter * 1_000_000_000 + (k * DAY_NANOSECONDS if counter == 9 else 0),
            receive_time=DAY + counter * 1_000_000_000 + 5,
        )
    return Record(header=Header(RecordKind.CLEAN, partition, counter), trades=rows.batch())


IDS = [2 * counter + k for counter in range(1, RECORDS + 1) if counter % 5 for k in range(2)]


class Lake:
    """Writer and committer as their functions, and the queue between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, context: object) -> None:
        name = f"lake-{uuid.uuid4().hex[:8]}"
        self.bucket, self.database, self._context = name, name.replace("-", "_"), context
        self.s3, self.sqs = boto3.client("s3"), boto3.client("sqs")
        self.s3.create_bucket(Bucket=name)
        queue = self.sqs.create_queue(
            QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "0"}
        )
        self.queue_url = queue["QueueUrl"]
        monkeypatch.setenv("TICKWIRE_LAKE_BUCKET", name)
        monkeypatch.setenv("TICKWIRE_LAKE_DATABASE", self.database)
        monkeypatch.setenv("TICKWIRE_LAKE_COMMITS_QUEUE_URL", self.queue_url)
        monkeypatch.setenv("TICKWIRE_ORPHAN_DAYS", "16")
        for function in ("lake_writer", "lake_committer", "lake_maintenance"):
            sys.modules.pop(f"lambdas.{function}.handler", None)
        self._writer = import_module("lambdas.lake_writer.handler").handler
        self._committer = import_module("lambdas.lake_committer.handler").handler
        self._maintenance = import_module("lambdas.lake_maintenance.handler").handler

    def write(self, *records: Record) -> dict[str, object]:
        items = [
            {
                "kinesis": {
                    "sequenceNumber": str(9000 + k),
                    "partitionKey": str(entry.header.partition),
                    "data": b64encode(encode(entry)).decode(),
                    "approximateArrivalTimestamp": 1.0,
                }
            }
            for k, entry in enumerate(records)
        ]
        return self._writer({"Records": items}, self._context)

    def messages(self) -> list[dict[str, str]]:
        found = self.sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        ).get("Messages", [])
        return [
            {
                "messageId": m["MessageId"],
                "body": m["Body"],
                "receiptHandle": m["ReceiptHandle"],
                "attributes": m["Attributes"],
            }
            for m in found
        ]

    def commit(self, messages: list[dict[str, str]], *, delete: bool = True) -> int:
        """Commit as SQS and Lambda do: what is not reported as failed is deleted. Gives the failures."""
        response = self._committer({"Records": messages}, self._context)
        failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        for message in messages:
            if delete and message["messageId"] not in failed:
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["receiptHandle"])
        return len(failed)

    def maintain(self, task: str) -> None:
        self._maintenance({"task": task}, self._context)

    def objects(self, prefix: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for entry in found.get("Contents", [])]

    def commit_all(self) -> None:
        while messages := self.messages():
            assert self.commit(messages) == 0


@pytest.fixture
def lake(aws: str, monkeypatch: pytest.MonkeyPatch, lambda_context: object) -> Lake:
    monkeypatch.delenv("TICKWIRE_DATABASE_URL", raising=False)
    return Lake(monkeypatch, lambda_context)


@pytest.fixture
def query(lake: Lake, aws: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command against a state file as `tickwire run` writes it."""
    (tmp_path / "run").mkdir()
    state = {"pid": os.getpid(), "endpoint_url": aws, "lake_bucket": lake.bucket, "lake_database": lake.database}
    (tmp_path / "run" / "run.json").write_text(json.dumps(state))

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert main(["query", "--folder", str(tmp_path), *arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def filled(lake: Lake) -> Lake:
    for first in range(1, RECORDS + 1, 4):
        lake.write(*(record(partition, c) for c in range(first, first + 4) for partition in PARTITIONS))
    lake.commit_all()
    return lake


@pytest.mark.parametrize("seed", range(4))
def test_however_records_are_split_and_repeated_every_trade_is_in_the_lake_once(lake, query, seed):
    """Also: commits whose messages come again because the function died before they were deleted."""
    random = Random(seed)
    sent = dict.fromkeys(PARTITIONS, 0)
    while any(done < RECORDS for done in sent.values()):
        batch: list[Record] = []
        for partition in PARTITIONS:
            first = random.randint(max(0, sent[partition] - 6), sent[partition]) + 1
            last = random.randint(first - 1, min(RECORDS, first + 7))
            batch += [record(partition, counter) for counter in range(first, last + 1)]
            sent[partition] = max(sent[partition], last)
        if batch:
            assert lake.write(*batch) == {"batchItemFailures": []}
        if random.random() < 0.5:
            assert lake.commit(lake.messages(), delete=random.random() < 0.7) == 0
    lake.commit_all()
    rows = json.loads(query("SELECT venue, trade_id, stream_counter FROM trades ORDER BY ALL", "--json"))
    assert rows == [
        {"venue": venue, "trade_id": trade_id, "stream_counter": trade_id // 2}
        for venue in ("binance", "kraken")
        for trade_id in IDS
    ]


def test_the_upkeep_makes_few_files_of_many_and_answers_stay_the_same(lake, query, lambda_context, monkeypatch):
    monkeypatch.setattr(lambda_context, "get_remaining_time_in_millis", lambda: 900_000)
    filled(lake)
    everything = "SELECT * FROM trades ORDER BY ALL"
    before = query(everything, "--json")
    days = [lake.objects(f"trades/data/exchange_day=2024-08-0{day}/") for day in (8, 9)]
    assert [len(files) for files in days] == [5, 1]
    lake.maintain("compact")
    lake.commit_all()
    (compacted,) = set(lake.objects("trades/data/exchange_day=2024-08-08/")) - set(days[0])
    for key in days[0]:
        lake.s3.delete_object(Bucket=lake.bucket, Key=key)
    assert query(everything, "--json") == before
    assert compacted
    lake.write(record(0, RECORDS + 1))
    lake.commit_all()
    assert len(json.loads(query(everything, "--json"))) == 2 * len(IDS) + 2


def test_a_compaction_for_which_the_time_is_short_is_left_for_the_next_call(lake, query, lambda_context):
    """The context says that a minute is left, of which a compaction would need more."""
    filled(lake)
    lake.maintain("compact")
    assert lake.messages() == []


def test_the_upkeep_of_a_lake_without_a_table_does_nothing(lake):
    lake.maintain("compact")
    lake.maintain("sweep")
    assert lake.objects("") == []


def test_what_an_orphan_could_be_is_noted_at_the_first_look(lake):
    filled(lake)
    lake.maintain("sweep")
    assert lake.objects("maintenance/") == ["maintenance/unnamed.json"]


def test_a_lost_message_stops_the_table_until_it_comes_back(lake, query):
    lake.write(record(0, 1))
    lake.write(record(0, 2))
    lake.write(record(0, 3))
    first, lost, third = lake.messages()
    assert lake.commit([first, third], delete=False) == 1
    assert query("SELECT max(stream_counter) FROM trades", "--csv") == "max(stream_counter)\n1\n"
    assert lake.commit([lost, third]) == 0
    assert query("SELECT max(stream_counter) FROM trades", "--csv") == "max(stream_counter)\n3\n"


def test_an_unreadable_message_stops_what_follows_it_and_nothing_before(lake, query):
    lake.write(record(0, 1))
    (good,) = lake.messages()
    assert (
        lake.commit([good, {"messageId": "x", "body": "{", "receiptHandle": "?", "attributes": {}}], delete=False) == 1
    )
    assert query("SELECT count(*) AS n FROM trades", "--csv") == "n\n2\n"


def test_a_table_for_people_has_exact_numbers_and_utc_times(lake, query):
    filled(lake)
    text = query("SELECT symbol, price, size, exchange_time FROM trades WHERE trade_id = 2 ORDER BY venue")
    assert text.splitlines() == [
        "symbol               price      size  exchange_time",
        "--------  ----------------  --------  --------------------",
        "BTC-USDT    61685.99000001  0.000123  2024-08-08T00:00:01Z",
        "SHIB-USD  0.06168599000001       123  2024-08-08T00:00:01Z",
    ]


def test_csv_and_json_are_exact_and_complete(lake, query):
    filled(lake)
    sql = (
        "SELECT price, exchange_time, side FROM trades WHERE venue = 'kraken' AND stream_counter = 9 ORDER BY trade_id"
    )
    assert json.loads(query(sql, "--json")) == [
        {"price": "0.06168599000009", "exchange_time": "2024-08-08T00:00:09Z", "side": "buy"},
        {"price": "0.06168599000009", "exchange_time": "2024-08-09T00:00:09Z", "side": "sell"},
    ]
    assert [row["price"] for row in csv.DictReader(io.StringIO(query(sql, "--csv")))] == ["0.06168599000009"] * 2
    assert len(json.loads(query("SELECT * FROM trades", "--json"))) == 2 * len(IDS)


def test_files_that_cannot_hold_the_answer_are_not_opened(lake, query):
    """Proof: they are taken away, and the query does not miss them."""
    filled(lake)
    for entry in lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix="trades/data/exchange_day=2024-08-08/")["Contents"]:
        lake.s3.delete_object(Bucket=lake.bucket, Key=entry["Key"])
    found = query(
        "SELECT venue, trade_id FROM trades WHERE exchange_time >= '2024-08-09T00:00:00Z' ORDER BY 1", "--csv"
    )
    assert found == "venue,trade_id\nbinance,19\nkraken,19\n"


def test_an_empty_lake_answers_with_no_rows(lake, query):
    assert query("SELECT count(*) AS n FROM trades", "--csv") == "n\n0\n"
    assert "(no rows)" in query("SELECT venue FROM trades")


def test_bars_come_from_postgresql(lake, query, database_url):
    with psycopg.connect(database_url) as connection:
        apply(connection)
        connection.execute("SELECT ensure_bars_partition('2024-08-08')")
        connection.execute(
            "INSERT INTO bars VALUES ('binance', 'BTC-USDT', 60, '2024-08-08T00:00:00Z',"
            " 1.5, 2.25, 1, 2, 10.00000001, 4, 15.5, 7, 1, 7, 3, true, 9)"
        )
    sql = "SELECT b.symbol, b.start, b.volume, b.final FROM bars b SEMI JOIN trades t ON b.symbol = t.symbol"
    filled(lake)
    assert json.loads(query(sql, "--json", "--database", database_url)) == [
        {"symbol": "BTC-USDT", "start": "2024-08-08T00:00:00Z", "volume": "10.00000001", "final": True}
    ]
    tables = query("SHOW TABLES", "--csv", "--database", database_url).split()
    assert tables == ["name", "bars", "dead_letters", "gaps", "notices", "progress", "quarantined", "trades"]
