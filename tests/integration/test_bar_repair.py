"""Bars recomputed from the emulator's lake at the request of a real PostgreSQL; pandas is the oracle."""

import logging
import uuid
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

import boto3
import pandas as pd
import psycopg
import pytest

from ecs_tasks.backfiller import bar_repair
from ecs_tasks.backfiller.bar_repair import BarRepairs
from ecs_tasks.backfiller.bar_repair_lake import Lake
from ecs_tasks.backfiller.bar_repair_requests import RepairRequests
from ecs_tasks.ingestor.aws import KinesisPut, client
from ecs_tasks.ingestor.publisher import Payload
from lambdas.lake_committer.committer import commit_batches
from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
from lambdas.lake_writer.files import data_files
from lambdas.lake_writer.message import WrittenBatch, WrittenFile
from lambdas.migrations.runner import apply
from lambdas.postgres.database import Database, DatabaseSettings, connect
from lambdas.store_writer import rows as store_rows
from lambdas.store_writer.writer import StoreWriter
from tickwire.columns import Side, TradeFlag, TradeRows
from tickwire.envelope import decode, encode
from tickwire.records import LAKE_REVISION, Bar, Header, Record, RecordKind, StaleBar
from tickwire.symbols import Instrument

pytestmark = pytest.mark.services("glue", "s3", "kinesis")

SECOND = 1_000_000_000
AUGUST = 1_723_075_200 * SECOND  # 2024-08-08T00:00:00Z
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BTC = Instrument("binance", "BTC-USDT", 8, 8)
ETH = Instrument("coinbase", "ETH-USD", 8, 8)
PEPE = Instrument("kraken", "PEPE-USD", 14, 5)
PARTITION = {BTC: 1, ETH: 1, PEPE: 2}
PARTITIONS = 3


class Trade(NamedTuple):
    """A trade as a person writes it; ``time`` is ns after midnight."""

    instrument: Instrument
    trade_id: int
    price: str
    size: str
    side: Side
    time: int
    flags: int = 0


def random_trades(
    instrument: Instrument, ids: range, seconds: int, *, seed: int, flags: int = 0, after: int = 0
) -> list[Trade]:
    """Trades spread over ``seconds``, ids in order of time, several to a second and some on its very edge."""
    random = Random(seed)
    times = sorted(random.choice([random.randrange(seconds * SECOND), random.randrange(seconds) * SECOND]) for _ in ids)
    return [
        Trade(
            instrument,
            trade_id,
            f"{Decimal(random.randrange(1, 10**13)).scaleb(-instrument.price_scale):f}",
            f"{Decimal(random.randrange(1, 10**10)).scaleb(-instrument.size_scale):f}",
            random.choice([Side.BUY, Side.SELL]),
            after + time,
            flags,
        )
        for trade_id, time in zip(ids, times, strict=True)
    ]


class Bench:
    """The lake with its writer's part played by hand, the tables, and trades-raw."""

    def __init__(self, url: str) -> None:
        name = f"lake-{uuid.uuid4().hex[:8]}"
        self.url, self.bucket, self.lake_database, self.stream = url, name, name.replace("-", "_"), name
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=self.bucket)
        self.kinesis = client("kinesis", connections=2)
        self.kinesis.create_stream(StreamName=self.stream, ShardCount=1)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=self.stream)
        self.catalog = glue_catalog()
        self.trades: list[Trade] = []
        self.counters: dict[int, int] = {}
        self.databases: list[Database] = []
        self.sent: list[Payload] = []
        self.stored = 0
        self._put = KinesisPut(self.kinesis, stream=self.stream, partitions=PARTITIONS, concurrency=1)

    def database(self) -> Database:
        """A task's own, logged in as its role."""

        def open_as_backfiller() -> psycopg.Connection:
            connection = connect(DatabaseSettings(database_url=self.url))
            connection.execute("SET SESSION AUTHORIZATION tickwire_backfiller")
            connection.commit()
            return connection

        database = Database(open_as_backfiller)
        self.databases.append(database)
        return database

    async def put(self, payloads: Sequence[Payload]) -> list[str | None]:
        self.sent += payloads
        return await self._put(payloads)

    def repairs(self, **options: object) -> BarRepairs:
        """A task that has just started."""
        lake = Lake(self.catalog, database=self.lake_database, bucket=self.bucket)
        requests = RepairRequests(self.database(), page_rows=options.pop("page_rows", 5_000))
        return BarRepairs(requests, options.pop("lake", lake), options.pop("put", self.put), **options)

    def commit(self, trades: list[Trade]) -> None:
        """Let trades into the lake, a record for each partition."""
        self.trades += trades
        records, ranges = [], {}
        for partition in sorted({PARTITION[trade.instrument] for trade in trades}):
            counter = self.counters.get(partition, 0) + 1
            self.counters[partition] = counter
            ranges[partition] = (counter, counter)
            rows = TradeRows()
            for trade in trades:
                if PARTITION[trade.instrument] == partition:
                    price_scale, size_scale = trade.instrument.price_scale, trade.instrument.size_scale
                    rows.append(
                        trade.instrument,
                        trade_id=trade.trade_id,
                        price=int(Decimal(trade.price).scaleb(price_scale)),
                        size=int(Decimal(trade.size).scaleb(size_scale)),
                        side=trade.side,
                        exchange_time=AUGUST + trade.time,
                        receive_time=AUGUST + trade.time + 7_000_000,
                        flags=trade.flags,
                    )
            records.append(Record(header=Header(RecordKind.CLEAN, partition, counter), trades=rows.batch()))
        written = []
        for file in data_files(records):
            self.s3.put_object(Bucket=self.bucket, Key=file.key, Body=file.body)
            written.append(WrittenFile(f"s3://{self.bucket}/{file.key}", file.rows))
        batch = WrittenBatch(tuple(written), ranges)
        result = commit_batches(
            [batch], lambda: LakeTable.open(self.catalog, database=self.lake_database, bucket=self.bucket)
        )
        assert result.rows == len(trades)

    def request(
        self, instrument: Instrument, interval: int, start: int, *, counter: int | None = None, age: float = 10.0
    ) -> None:
        """Ask for a bar, ``start`` in seconds after midnight, as the store writer does."""
        moment = EPOCH + timedelta(seconds=AUGUST // SECOND + start)
        partition = PARTITION[instrument]
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "INSERT INTO bar_repairs VALUES (%s, %s, %s, %s, %s, %s, 1, now() - make_interval(secs => %s))"
                " ON CONFLICT (venue, symbol, interval_seconds, start) DO UPDATE SET"
                " counter = greatest(bar_repairs.counter, excluded.counter), requested_at = excluded.requested_at",
                [
                    instrument.venue,
                    instrument.symbol,
                    interval,
                    moment,
                    partition,
                    counter if counter is not None else self.counters[partition],
                    age,
                ],
            )

    def requested(self) -> list[tuple[str, int, int]]:
        """The requests that stand: symbol, interval, start in seconds after midnight."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute("SELECT symbol, interval_seconds, start FROM bar_repairs").fetchall()
        return sorted((symbol, interval, int(start.timestamp()) - AUGUST // SECOND) for symbol, interval, start in rows)

    def bars(self) -> list[Bar]:
        """The bars that trades-raw holds."""
        shard = self.kinesis.list_shards(StreamName=self.stream)["Shards"][0]["ShardId"]
        found = self.kinesis.get_shard_iterator(StreamName=self.stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        records = [decode(entry["Data"]) for entry in self.kinesis.get_records(**_iterator(found))["Records"]]
        for record in records:
            assert record.header.kind is RecordKind.RAW
            assert {PARTITION[Instrument(b.venue, b.symbol, b.price_scale, b.size_scale)] for b in record.bars} == {
                record.header.partition
            }
            assert len(record.bars) <= 1_000
        return [bar for record in records for bar in record.bars]

    def store(self, bars: Sequence[Bar] = (), *, stale: Sequence[StaleBar] = ()) -> None:
        """Let bars, and word of stale ones, into the tables as the stages and the store writer do."""
        partition = 1
        self.stored += 1
        header = Header(RecordKind.EVENTS, partition, self.stored, source=str(self.counters.get(partition, 0)))
        record = Record(header=header, bars=tuple(bars), stale_bars=tuple(stale))
        entry = {
            "sequenceNumber": str(9_000 + self.stored),
            "partitionKey": str(partition),
            "data": b64encode(encode(record)).decode(),
            "approximateArrivalTimestamp": 1.0,
        }
        database = Database(lambda: connect(DatabaseSettings(database_url=self.url)), prepare=store_rows.prepare)
        self.databases.append(database)
        assert StoreWriter(database).write_event({"Records": [{"kinesis": entry}]}).response == {
            "batchItemFailures": []
        }

    def stored_bars(self, instrument: Instrument, interval: int) -> dict[int, tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT start, open, high, low, close, volume, buy_volume, notional, trades, first_id, last_id"
                " FROM bars WHERE venue = %s AND symbol = %s AND interval_seconds = %s",
                [instrument.venue, instrument.symbol, interval],
            ).fetchall()
        return {int(start.timestamp()) - AUGUST // SECOND: tuple(values) for start, *values in rows}

    def expected(self, instrument: Instrument, interval: int) -> dict[int, tuple[object, ...]]:
        """All trades' bars as pandas computes them: decimals as objects, so that sums are exact."""
        frame = pd.DataFrame(
            [
                (t.trade_id, Decimal(t.price), Decimal(t.size), t.side is Side.BUY, t.time // (interval * SECOND))
                for t in self.trades
                if t.instrument == instrument
            ],
            columns=["id", "price", "size", "buy", "bar"],
        ).sort_values("id")
        frame["notional"] = frame["price"] * frame["size"]
        frame["bought"] = frame["size"].where(frame["buy"], Decimal(0))
        grouped = frame.groupby("bar")
        table = pd.DataFrame(
            {
                "open": grouped["price"].first(),
                "high": grouped["price"].max(),
                "low": grouped["price"].min(),
                "close": grouped["price"].last(),
                "volume": grouped["size"].agg(lambda sizes: sum(sizes, Decimal(0))),
                "buy_volume": grouped["bought"].agg(lambda sizes: sum(sizes, Decimal(0))),
                "notional": grouped["notional"].agg(lambda parts: sum(parts, Decimal(0))),
                "trades": grouped["id"].count(),
                "first_id": grouped["id"].first(),
                "last_id": grouped["id"].last(),
            }
        )
        return {row[0] * interval: tuple(row[1:]) for row in table.itertuples()}


def _iterator(found: dict[str, object]) -> dict[str, object]:
    return {"ShardIterator": found["ShardIterator"], "Limit": 10_000}


@pytest.fixture
def bench(aws: str, database_url: str) -> Iterator[Bench]:
    with psycopg.connect(database_url) as connection:
        apply(connection)
    bench = Bench(database_url)
    yield bench
    for database in bench.databases:
        database.close()


async def test_bars_with_late_trades_become_those_of_all_trades(bench):
    """Live trades, then late ones from history, among other symbols' trades in the same files."""
    live = random_trades(BTC, range(1, 601), 180, seed=1)
    bench.commit(
        live[::2] + random_trades(ETH, range(1, 301), 180, seed=2) + random_trades(PEPE, range(9), 180, seed=3)
    )
    bench.commit([trade._replace(flags=TradeFlag.BACKFILL) for trade in live[1::2]])
    wanted = [(60, 0), (60, 60), (1, 59), (1, 60), (1, 61), (1, 179)]
    for interval, start in wanted:
        bench.request(BTC, interval, start)
    bench.request(PEPE, 60, 120)
    await bench.repairs().run_pass()
    assert bench.requested() == []
    bars = bench.bars()
    assert {(bar.symbol, bar.final) for bar in bars} == {("BTC-USDT", True), ("PEPE-USD", True)}
    assert {bar.symbol: bar.revision - LAKE_REVISION for bar in bars} == {"BTC-USDT": 2, "PEPE-USD": 1}
    bench.store(bars)
    for instrument, interval, starts in ((BTC, 60, {0, 60}), (BTC, 1, {59, 60, 61, 179}), (PEPE, 60, {120})):
        expected = bench.expected(instrument, interval)
        assert bench.stored_bars(instrument, interval) == {start: expected[start] for start in starts}


async def test_the_newest_live_trade_tells_the_latency_of_a_bar(bench):
    bench.commit([Trade(BTC, 1, "1", "1", Side.BUY, 5), Trade(BTC, 3, "1", "1", Side.BUY, 61 * SECOND)])
    late = [Trade(BTC, 2, "1", "1", Side.BUY, 50 * SECOND, TradeFlag.BACKFILL)]
    late += [Trade(BTC, 4, "1", "1", Side.BUY, 120 * SECOND, TradeFlag.BACKFILL)]
    bench.commit(late)
    for start in (0, 60, 120):
        bench.request(BTC, 60, start)
    await bench.repairs().run_pass()
    received = {(bar.start - AUGUST) // SECOND: bar.latest_receive for bar in bench.bars()}
    assert received == {0: AUGUST + 5 + 7_000_000, 60: AUGUST + 61 * SECOND + 7_000_000, 120: 0}


async def test_ten_minutes_of_a_symbol_take_one_scan(bench):
    bench.commit(random_trades(BTC, range(1, 4_001), 600, seed=4))
    for start in range(600):
        bench.request(BTC, 1, start)
    for start in range(0, 600, 60):
        bench.request(BTC, 60, start)
    repairs = bench.repairs()
    await repairs.run_pass()
    expected = {1: bench.expected(BTC, 1), 60: bench.expected(BTC, 60)}
    assert repairs.stats.scans == 1
    assert len(bench.sent) == 1
    assert repairs.stats.bars == len(expected[1]) + len(expected[60])
    # Seconds without a trade have no bar, and the lake says so.
    assert bench.requested() == [("BTC-USDT", 1, start) for start in range(600) if start not in expected[1]]
    bench.store(bench.bars())
    assert bench.stored_bars(BTC, 1) == expected[1]
    assert bench.stored_bars(BTC, 60) == expected[60]


async def test_a_request_waits_until_the_lake_holds_the_record_that_made_it(bench):
    bench.commit([Trade(BTC, 1, "1.5", "1", Side.BUY, 0)])
    bench.request(BTC, 60, 0, counter=2)
    repairs = bench.repairs()
    await repairs.run_pass()
    assert (bench.requested(), bench.sent) == ([("BTC-USDT", 60, 0)], [])
    bench.commit([Trade(BTC, 2, "2.5", "1", Side.SELL, 1)])
    await repairs.run_pass()
    assert bench.requested() == []
    assert [(bar.trades, bar.close, bar.revision) for bar in bench.bars()] == [(2, 250_000_000, LAKE_REVISION + 2)]


def test_the_task_may_see_and_delete_requests_and_nothing_else(bench):
    for statement in ("SELECT FROM bars", "SELECT FROM ledger", "UPDATE bar_repairs SET counter = 9"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            bench.database().run(lambda connection, sql=statement: connection.execute(sql))


async def test_there_is_nothing_to_do_before_the_lake_has_a_table(bench):
    bench.request(BTC, 60, 0, counter=1)
    await bench.repairs().run_pass()
    assert bench.requested() == [("BTC-USDT", 60, 0)]


async def test_later_late_trades_supersede_in_whatever_order_the_bars_come(bench):
    bench.store([Bar("binance", "BTC-USDT", 60, AUGUST, 8, 8, 1, 1, 1, 1, 1, 1, Decimal("0.1"), 1, 1, 1, 40, True, 9)])
    trades = random_trades(BTC, range(1, 31), 60, seed=5)
    repairs = bench.repairs()
    for part in (trades[:10], trades[10:20], trades[20:]):
        bench.commit(part)
        bench.request(BTC, 60, 0)
        await repairs.run_pass()
    bars = bench.bars()
    assert [bar.trades for bar in bars] == [10, 20, 30]
    for bar in (bars[1], bars[2], bars[0]):
        bench.store([bar])
    assert bench.stored_bars(BTC, 60) == bench.expected(BTC, 60)


async def test_a_request_that_is_made_anew_while_its_bar_is_on_its_way_stays(bench):
    bench.commit([Trade(BTC, 1, "1", "1", Side.BUY, 0)])
    bench.request(BTC, 60, 0)

    async def put(payloads: Sequence[Payload]) -> list[str | None]:
        bench.request(BTC, 60, 0, counter=2)
        return await bench.put(payloads)

    await bench.repairs(put=put).run_pass()
    assert bench.requested() == [("BTC-USDT", 60, 0)]
    bench.commit([Trade(BTC, 2, "2", "1", Side.BUY, 1)])
    await bench.repairs().run_pass()
    assert bench.requested() == []
    assert [bar.trades for bar in bench.bars()] == [1, 2]


async def test_what_the_stages_call_stale_is_recomputed_once_it_is_quiet_or_has_waited_long(bench):
    trades = random_trades(BTC, range(1, 101), 60, seed=10)
    bench.commit(trades[:50])
    bench.commit(trades[50:])
    bench.store(stale=[StaleBar("binance", "BTC-USDT", 60, AUGUST, 50)])
    with psycopg.connect(bench.url) as connection:
        # As new as can be, however slow this machine is.
        connection.execute("UPDATE bar_repairs SET requested_at = requested_at + interval '1 hour'")
    seconds = [0.0]
    repairs = bench.repairs(now=lambda: seconds[0])
    await repairs.run_pass()
    assert bench.requested() == [("BTC-USDT", 60, 0)]
    seconds[0] = 30.0
    await repairs.run_pass()
    assert bench.requested() == []
    (bar,) = bench.bars()
    assert bar.revision == LAKE_REVISION + 2
    bench.store([bar])
    assert bench.stored_bars(BTC, 60) == bench.expected(BTC, 60)


class Killed(BaseException):
    """Ends a task in the middle, as SIGKILL does: nothing of ours handles it."""


@pytest.mark.parametrize("moment", ["reading the lake", "before the put", "after the put", "after the deletion"])
async def test_a_task_killed_at_any_moment_and_its_successor_send_the_same_bars(bench, moment, monkeypatch):
    trades = random_trades(BTC, range(1, 201), 120, seed=6)
    bench.commit(trades)
    for start in (0, 60):
        bench.request(BTC, 60, start)

    def kill(*_: object, **__: object) -> None:
        raise Killed

    async def put(payloads: Sequence[Payload]) -> list[str | None]:
        if moment == "before the put":
            raise Killed
        codes = await bench.put(payloads)
        if moment == "after the put":
            raise Killed
        return codes

    dying = bench.repairs(put=put)
    if moment == "reading the lake":
        monkeypatch.setattr(bar_repair, "repaired_bars", kill)
    if moment == "after the deletion":
        delete = RepairRequests.delete
        monkeypatch.setattr(RepairRequests, "delete", lambda *arguments: kill(delete(*arguments)))
    with pytest.raises(Killed):
        await dying.run_pass()
    monkeypatch.undo()
    left = [] if moment == "after the deletion" else [("BTC-USDT", 60, 0), ("BTC-USDT", 60, 60)]
    assert bench.requested() == left
    await bench.repairs().run_pass()
    assert bench.requested() == []
    bars = bench.bars()
    assert len(bars) == (4 if moment == "after the put" else 2)
    bench.store(bars)
    assert bench.stored_bars(BTC, 60) == bench.expected(BTC, 60)


async def test_a_bar_without_trades_in_the_lake_stays_requested_and_keeps_no_other_waiting(bench, caplog):
    bench.commit(random_trades(BTC, range(1, 21), 60, seed=7))
    bench.request(BTC, 60, 0)
    bench.request(BTC, 60, 3_000)
    seconds = [0.0]
    repairs = bench.repairs(now=lambda: seconds[0])
    with caplog.at_level(logging.ERROR):
        await repairs.run_pass()
        await repairs.run_pass()
    assert repairs.stats.scans == 1, "not again at once"
    assert bench.requested() == [("BTC-USDT", 60, 3_000)]
    (logged,) = [entry for entry in caplog.records if entry.name == "tickwire.backfiller"]
    assert "no trade" in logged.getMessage()
    assert logged.fields == {
        "venue": "binance",
        "symbol": "BTC-USDT",
        "bars": 1,
        "starts": [AUGUST + 3_000 * SECOND],
    }
    seconds[0] = 31.0
    bench.commit([Trade(BTC, 21, "1", "1", Side.BUY, 3_001 * SECOND)])
    await repairs.run_pass()
    assert bench.requested() == []


async def test_a_row_that_is_twice_in_the_lake_counts_once_and_is_reported(bench, caplog):
    first = [Trade(BTC, n, "10", "1", Side.BUY, n) for n in (1, 2, 3)]
    bench.commit(first)
    bench.commit([trade._replace(price="99") for trade in first[1:2]])
    bench.request(BTC, 60, 0)
    with caplog.at_level(logging.ERROR):
        await bench.repairs().run_pass()
    assert [(bar.trades, bar.high) for bar in bench.bars()] == [(3, 1_000_000_000)]
    (logged,) = [entry for entry in caplog.records if entry.name == "tickwire.backfiller"]
    assert (logged.fields["rows"], logged.fields["ids"]) == (1, [2])


async def test_requests_are_read_page_by_page_and_each_is_served(bench):
    bench.commit(random_trades(BTC, range(1, 301), 30, seed=8) + random_trades(ETH, range(1, 301), 30, seed=9))
    for instrument in (BTC, ETH):
        for start in bench.expected(instrument, 1):
            bench.request(instrument, 1, start)
    wanted = len(bench.requested())
    repairs = bench.repairs(page_rows=7)
    passes = 0
    while bench.requested():
        await repairs.run_pass()
        passes += 1
    assert passes == -(-wanted // 7)
    bench.store(bench.bars())
    for instrument in (BTC, ETH):
        assert bench.stored_bars(instrument, 1) == bench.expected(instrument, 1)


async def test_a_symbol_that_cannot_be_read_leaves_the_others_their_bars(bench, caplog, monkeypatch):
    strange = Instrument("binance", "A-B-C", 8, 8)
    monkeypatch.setitem(PARTITION, strange, 1)
    bench.commit([Trade(strange, 1, "1", "1", Side.BUY, 0), Trade(BTC, 1, "1", "1", Side.BUY, 0)])
    bench.request(strange, 60, 0)
    bench.request(BTC, 60, 0)
    repairs = bench.repairs()
    await repairs.run_pass()
    assert bench.requested() == [("A-B-C", 60, 0)]
    assert repairs.stats.failures == 1
    assert "A-B-C" in caplog.text
