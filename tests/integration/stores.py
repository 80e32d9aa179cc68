"""A migrated PostgreSQL database, and records of market-events on their way into it."""

from base64 import b64encode

import psycopg

from lambdas.postgres.database import Database, DatabaseSettings, connect
from lambdas.store_writer import rows
from lambdas.store_writer.writer import StoreWriter
from tickwire.envelope import encode
from tickwire.records import Record

_TABLES = {
    "bars": "*",
    "progress": "*",
    "ledger": "venue, symbol, counter, missing::text, quarantined::text, absent::text, accepted, backfilled, time_ns",
    "hours": "*",
    "gaps": "*",
    "findings": "*",
    "bar_repairs": "venue, symbol, interval_seconds, start, partition, counter, trades",
    "quarantined": "*",
    "notices": "*",
    "predictions": "*",
    "trading_signals": "*",
    "whales": "*",
    "anomalies": "*",
    "sentiment": "time, index, symbols",
}


def event(*records: Record) -> dict[str, object]:
    return {
        "Records": [
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
    }


class Store:
    """A migrated database, and a writer logged in as the role that the functions have."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = self.new_database()
        self.writer = StoreWriter(self.database)

    def new_database(self) -> Database:
        def open_as_writer() -> psycopg.Connection:
            connection = connect(DatabaseSettings(database_url=self.url))
            connection.execute("SET SESSION AUTHORIZATION tickwire_writer")
            connection.commit()
            return connection

        return Database(open_as_writer, prepare=rows.prepare)

    def query(self, sql: str) -> list[tuple]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchall()

    def contents(self) -> dict[str, list[tuple]]:
        return {
            **{table: sorted(self.query(f"SELECT {what} FROM {table}")) for table, what in _TABLES.items()},
            "stream_checkpoints": sorted(self.query("SELECT sink, partition, counter FROM stream_checkpoints")),
        }
