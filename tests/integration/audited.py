"""A platform to audit, moved by hand: the real stages, PostgreSQL, Valkey, a lake on the emulator, and an exchange."""

import json
import os
import threading
from base64 import b64encode
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import boto3
import numpy as np
import psycopg
import valkey

from lambdas.lake_committer.committer import commit_batches
from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
from lambdas.lake_writer.files import data_files
from lambdas.lake_writer.message import WrittenBatch, WrittenFile
from lambdas.postgres.database import Database
from lambdas.store_writer import rows as store_rows
from lambdas.store_writer.writer import StoreWriter
from tickwire.columns import QuoteRows, Side, TradeFlag, TradeRows
from tickwire.envelope import decode, encode
from tickwire.lake import TABLE
from tickwire.partitions import partition_of
from tickwire.records import Finding, Header, Heartbeat, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.stage import Stage
from tickwire.stages.validator import ValidatorSettings, ValidatorStage
from tickwire.symbols import Instrument

PARTITIONS = 2
NOON = 19_943 * 86_400 * 10**9 + 43_200 * 10**9
"""2024-08-08T12:00:00Z."""
MINUTE = 60 * 10**9
BTC = Instrument("binance", "BTC-USDT", 8, 8)


def time_of(trade_id: int) -> int:
    """A trade a minute, the one with id 1000 at noon."""
    return NOON + (trade_id - 1_000) * MINUTE


def trades(ids: Iterable[int], *, bad: Iterable[int] = (), flags: TradeFlag | int = 0, of: Instrument = BTC) -> Any:
    """Give trades; those of ``bad`` ids have no size, which breaks a rule."""
    rows, refused = TradeRows(), set(bad)
    for trade_id in ids:
        rows.append(
            of,
            trade_id=trade_id,
            price=6_000_000_000_000 + trade_id,
            size=0 if trade_id in refused else 10_000,
            side=Side.BUY,
            exchange_time=time_of(trade_id),
            receive_time=time_of(trade_id) + 10**6,
            flags=int(flags),
        )
    return rows.batch()


class Exchange:
    """Binance's history of BTC-USDT over HTTP, with the ids that it is given."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.requests: list[str] = []
        self.status = 200
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exchange.answer(self.path)
                self.send_response(exchange.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        self.requests.append(parts.path)
        query = parse_qs(parts.query)
        limit = int(query["limit"][0])
        if "fromId" in query:
            chosen = [i for i in self.ids if i >= int(query["fromId"][0])][:limit]
        else:
            chosen = self.ids[-limit:]
        return json.dumps(
            [
                {
                    "id": i,
                    "price": f"{60_000 + i / 10**8:.8f}",
                    "qty": "0.00010000",
                    "time": time_of(i) // 10**6,
                    "isBuyerMaker": False,
                }
                for i in chosen
            ]
        ).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class Platform:
    """Raw records in, everything that the stages and sinks make of them out, step by step."""

    def __init__(self, folder: Path, *, database_url: str, state_url: str, aws: str, exchange: Exchange) -> None:
        name = f"audit-{uuid4().hex[:8]}"
        self.folder, self.exchange, self.database_url = folder, exchange, database_url
        self.bucket, self.stream, self.glue = name, name, name.replace("-", "_")
        self.s3, self.kinesis = boto3.client("s3"), boto3.client("kinesis")
        self.s3.create_bucket(Bucket=name)
        self.kinesis.create_stream(StreamName=name, ShardCount=1)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
        self.valkey = valkey.Valkey.from_url(state_url)
        self.valkey.flushdb()
        self._stages: tuple[Stage[Any], Stage[Any]] = (
            ValidatorStage(ValidatorSettings()),
            SignalsStage(SignalsSettings()),
        )
        self._states = [[stage.new_state() for _ in range(PARTITIONS)] for stage in self._stages]
        self._database = Database(lambda: psycopg.connect(database_url), prepare=store_rows.prepare)
        self._store = StoreWriter(self._database)
        self._source = 0
        self._clean: list[Record] = []
        self._events: list[Record] = []
        self._last = dict.fromkeys(range(PARTITIONS), 0)
        (folder / "run").mkdir()
        (folder / "run" / "run.json").write_text(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "endpoint_url": aws,
                    "database_url": database_url,
                    "state_url": state_url,
                    "raw_stream": name,
                    "partitions": PARTITIONS,
                    "lake_bucket": name,
                    "lake_database": self.glue,
                    "exchange_url": exchange.url,
                }
            )
        )

    def receive(self, batch: Any = None, *, findings: tuple[Finding, ...] = (), beat: int | None = None) -> None:
        """Take in a raw record of BTC-USDT up to the two streams; no sink sees it yet."""
        sections: dict[str, Any] = {"trades": batch} if batch is not None else {}
        if beat is not None:
            sections["heartbeats"] = (Heartbeat(BTC.venue, BTC.symbol, beat, time_of(beat), time_of(beat)),)
        partition = partition_of(BTC.venue, BTC.symbol, PARTITIONS)
        header = Header(RecordKind.RAW, partition, created=time_of(1_720))
        self.process(Record(header=header, findings=findings, **sections))

    def quote(self, *, times: int) -> None:
        """Take in raw records of a quote each, all within a second."""
        partition = partition_of(BTC.venue, BTC.symbol, PARTITIONS)
        for update in range(1, times + 1):
            rows = QuoteRows()
            rows.append(
                BTC, bid_price=1, bid_size=1, ask_price=2, ask_size=1, update_id=update,
                exchange_time=NOON + update, receive_time=NOON + update,
            )  # fmt: skip
            self.process(Record(header=Header(RecordKind.RAW, partition, created=NOON), quotes=rows.batch()))

    def tell(self, **changes: str | None) -> None:
        """Change what the platform tells of itself."""
        path = self.folder / "run" / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def process(self, raw: Record) -> None:
        """Run a raw record through both stages, and save their states as they do."""
        self._source += 1
        partition = raw.header.partition
        clean = self._stages[0].process(self._states[0][partition], raw, self._source).record
        if clean is not None:
            self._clean.append(clean)
            events = self._stages[1].process(self._states[1][partition], clean, clean.header.counter).record
            if events is not None:
                self._events.append(events)
        for stage, states in zip(self._stages, self._states, strict=True):
            key = f"tickwire:state:{{{stage.name}:{partition}}}"
            self.valkey.hset(key, mapping={"version": f"{self._source}.x", "data": stage.dump(states[partition])})

    def write_store(self) -> None:
        """Let the store writer take in what is on market-events."""
        items = [
            {
                "kinesis": {
                    "sequenceNumber": str(k),
                    "partitionKey": str(record.header.partition),
                    "data": b64encode(encode(record)).decode(),
                    "approximateArrivalTimestamp": 1.0,
                }
            }
            for k, record in enumerate(self._events, 1)
        ]
        assert self._store.write_event({"Records": items}).response == {"batchItemFailures": []}
        self._events.clear()

    def write_lake(self, *, losing: Iterable[int] = ()) -> None:
        """Let the lake take in what is on trades-clean, but for the trades with some ids."""
        lost = np.array(sorted(losing), np.int64)
        ranges: dict[int, tuple[int, int]] = {}
        kept = []
        for record in self._clean:
            partition, counter = record.header.partition, record.header.counter
            ranges[partition] = ranges.get(partition, (counter, counter))[0], counter
            rows = np.flatnonzero(~np.isin(record.trades.trade_id, lost))
            kept.append(Record(header=record.header, trades=record.trades.take(rows)))
        files = []
        for file in data_files(kept):
            self.s3.put_object(Bucket=self.bucket, Key=file.key, Body=file.body)
            files.append(WrittenFile(f"s3://{self.bucket}/{file.key}", file.rows))
        if ranges:
            commit_batches([WrittenBatch(tuple(files), ranges)], self.open_lake, wait=lambda _: None)
        self._clean.clear()

    def write_all(self) -> None:
        """Let both sinks take in everything."""
        self.write_store()
        self.write_lake()

    def open_lake(self) -> LakeTable:
        return LakeTable.open(glue_catalog(), database=self.glue, bucket=self.bucket)

    def tamper(self, *ids: int) -> None:
        """Append rows to the lake behind the platform's back."""
        partition = partition_of(BTC.venue, BTC.symbol, PARTITIONS)
        table = glue_catalog().load_table((self.glue, TABLE))
        for file in data_files([Record(header=Header(RecordKind.CLEAN, partition, 1), trades=trades(ids))]):
            self.s3.put_object(Bucket=self.bucket, Key=file.key, Body=file.body)
            table.add_files([f"s3://{self.bucket}/{file.key}"])

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[arg-type]

    def raw_records(self, iterator: str | None) -> tuple[list[Record], str]:
        """Give what was put on trades-raw since the last call, and where the next begins."""
        if iterator is None:
            shard = self.kinesis.list_shards(StreamName=self.stream)["Shards"][0]["ShardId"]
            iterator = self.kinesis.get_shard_iterator(
                StreamName=self.stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
        reply = self.kinesis.get_records(ShardIterator=iterator)
        return [decode(record["Data"]) for record in reply["Records"]], reply["NextShardIterator"]

    def close(self) -> None:
        self._database.close()
        self.valkey.close()


class Pump:
    """Moves what is put on trades-raw through the platform until it is stopped."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._stop = threading.Event()
        self.records: list[Record] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failure: BaseException | None = None

    def _run(self) -> None:
        iterator = None
        try:
            while not self._stop.wait(0.05):
                records, iterator = self._platform.raw_records(iterator)
                for record in records:
                    self.records.append(record)
                    self._platform.process(record)
                if records:
                    self._platform.write_all()
        except BaseException as error:
            self.failure = error

    def __enter__(self) -> "Pump":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert self.failure is None
