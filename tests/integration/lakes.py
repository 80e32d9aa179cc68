"""The table `trades` in the emulator, with the writer's part played by hand."""

from decimal import Decimal
from random import Random

import boto3
import pandas as pd

from lambdas.lake_committer.committer import commit_batches
from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
from lambdas.lake_writer.files import data_files
from lambdas.lake_writer.message import WrittenBatch, WrittenFile
from tickwire.columns import Side, TradeRows
from tickwire.lake import DAY_NANOSECONDS, TABLE
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

BTC = Instrument("binance", "BTC-USDT", 8, 8)
DAY_NUMBER = 19_943  # 2024-08-08
DAY = DAY_NUMBER * DAY_NANOSECONDS
_SIDES = (Side.BUY, Side.SELL)


class Lake:
    """A bucket with the table in it, and a writer's part played by hand."""

    def __init__(self, name: str) -> None:
        self.bucket, self.database = name, name.replace("-", "_")
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=self.bucket)
        self.catalog = glue_catalog()

    def open(self) -> LakeTable:
        return LakeTable.open(self.catalog, database=self.database, bucket=self.bucket)

    def write(self, *ranges: tuple[int, int, int], days: int = 1) -> WrittenBatch:
        """Put the files of ranges (partition, first, last); each record holds a trade for each day."""
        records = []
        for partition, first, last in ranges:
            for counter in range(first, last + 1):
                rows = TradeRows()
                for day in range(days):
                    rows.append(
                        BTC,
                        trade_id=1000 * partition + counter,
                        price=6_168_599_000_000,
                        size=10_000,
                        side=Side.BUY,
                        exchange_time=DAY + day * DAY_NANOSECONDS,
                        receive_time=DAY,
                    )
                records.append(Record(header=Header(RecordKind.CLEAN, partition, counter), trades=rows.batch()))
        return self.put(records)

    def put(self, records: list[Record]) -> WrittenBatch:
        """Put the files of records, of which each partition's are dense."""
        written = []
        for file in data_files(records):
            self.s3.put_object(Bucket=self.bucket, Key=file.key, Body=file.body)
            written.append(WrittenFile(f"s3://{self.bucket}/{file.key}", file.rows))
        counters: dict[int, list[int]] = {}
        for record in records:
            counters.setdefault(record.header.partition, []).append(record.header.counter)
        return WrittenBatch(tuple(written), {p: (min(found), max(found)) for p, found in counters.items()})

    def commit(self, *batches: WrittenBatch):
        return commit_batches(batches, self.open, wait=lambda _: None)

    def table(self):
        return self.catalog.load_table((self.database, TABLE))

    def counters_in_rows(self, partition: int = 1) -> list[int]:
        rows = self.table().scan().to_arrow().to_pylist()
        return sorted(row["stream_counter"] for row in rows if row["stream_partition"] == partition)


class Market:
    """Three hours of trades of two symbols at two venues, some of whose ids never came.

    Attributes
    ----------
    trades : a row each, by venue, symbol and id; numbers are ``Decimal``
    missing : (venue, symbol) → ids between the first and the last one that are not among them
    """

    instruments = tuple((venue, symbol) for venue in ("coinbase", "kraken") for symbol in ("BTC-USD", "ETH-USD"))

    def __init__(self, *, seed: int) -> None:
        random = Random(seed)
        rows = []
        for venue, symbol in self.instruments:
            price = 6_168_599 if symbol == "BTC-USD" else 240_000
            times = sorted(random.randrange(3 * 3_600_000_000_000) for _ in range(150))
            for number, time in enumerate(times):
                price += random.randint(-300, 300)
                rows.append(
                    (venue, symbol, 1000 + number, price, random.randint(1, 10**7), random.choice(_SIDES), time)
                )
        lost = next(row for row in rows if row[:2] == ("kraken", "ETH-USD") and row[-1] > 1.5 * 3_600_000_000_000)
        self.missing = {lost[:2]: {lost[2]}}
        self._rows = [row for row in rows if row is not lost]
        self.trades = pd.DataFrame(
            [
                (
                    venue,
                    symbol,
                    trade_id,
                    Decimal(price).scaleb(-2),
                    Decimal(size).scaleb(-8),
                    side.name.lower(),
                    DAY + at,
                )
                for venue, symbol, trade_id, price, size, side, at in self._rows
            ],
            columns=["venue", "symbol", "trade_id", "price", "size", "side", "exchange_time_ns"],
        )

    def store(self, lake: Lake) -> None:
        """Write the trades in the order of their times, a record of ten each, and commit them."""
        in_order = sorted(self._rows, key=lambda row: row[-1])
        batches = []
        for counter, first in enumerate(range(0, len(in_order), 10), start=1):
            rows = TradeRows()
            for venue, symbol, trade_id, price, size, side, at in in_order[first : first + 10]:
                rows.append(
                    Instrument(venue, symbol, 2, 8),
                    trade_id=trade_id,
                    price=price,
                    size=size,
                    side=side,
                    exchange_time=DAY + at,
                    receive_time=DAY + at,
                )
            batches.append(lake.put([Record(header=Header(RecordKind.CLEAN, 1, counter), trades=rows.batch())]))
        lake.commit(*batches)
