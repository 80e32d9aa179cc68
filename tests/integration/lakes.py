"""The table `trades` in the emulator, with the writer's part played by hand."""

import boto3

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
        written = []
        for file in data_files(records):
            self.s3.put_object(Bucket=self.bucket, Key=file.key, Body=file.body)
            written.append(WrittenFile(f"s3://{self.bucket}/{file.key}", file.rows))
        return WrittenBatch(tuple(written), {p: (first, last) for p, first, last in ranges})

    def commit(self, *batches: WrittenBatch):
        return commit_batches(batches, self.open, wait=lambda _: None)

    def table(self):
        return self.catalog.load_table((self.database, TABLE))

    def counters_in_rows(self, partition: int = 1) -> list[int]:
        rows = self.table().scan().to_arrow().to_pylist()
        return sorted(row["stream_counter"] for row in rows if row["stream_partition"] == partition)
