"""The lake as the audit reads it: which trade ids one snapshot of the table holds."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg import expressions
from pyiceberg.exceptions import NoSuchTableError

from lambdas.lake_committer.errors import CountersLost
from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
from tickwire.audit.stored import StoredIds
from tickwire.cli.endpoints import Endpoints
from tickwire.cli.output import CommandError
from tickwire.lake import DAY_NANOSECONDS, TABLE

_COLUMNS = ("venue", "symbol", "trade_id", "stream_partition", "stream_counter")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The constructors are pydantic's, and mypy does not know what they take by position.
_is: Any = expressions

SymbolKey = tuple[str, str]


class LakeReader:
    """The table `trades` of a Glue database; every look opens it anew."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._database = endpoints.require("lake_database")
        if endpoints.local:
            # The AWS libraries of several kinds that take part here all read the environment.
            os.environ.update(
                AWS_ENDPOINT_URL=str(endpoints.endpoint_url),
                AWS_ACCESS_KEY_ID="test",
                AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - the emulator's own, as in its documentation
                AWS_REGION=Endpoints.LOCAL_REGION,
                AWS_DEFAULT_REGION=Endpoints.LOCAL_REGION,
            )
        with _reachable():
            self._catalog = glue_catalog()

    def counters(self) -> dict[int, int]:
        """Give partition → last record of trades-clean that the table holds; empty where there is no table yet.

        Raises
        ------
        CommandError
            If the lake cannot be read.
        """
        table = self._table()
        try:
            return LakeTable(table, bucket="").counters if table is not None else {}
        except CountersLost as error:
            raise CommandError(f"the lake: {error}") from error

    def ids(
        self,
        *,
        until: Mapping[int, int],
        venue: str | None,
        symbol: str | None,
        since: int | None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> dict[SymbolKey, StoredIds]:
        """Give the ids of each (venue, symbol) in rows of records up to ``until[partition]``.

        ``since`` (ns UTC): only trades of its UTC day and later, whose files alone are read. ``progress`` is
        told the number of rows so far.
        """
        table = self._table()
        found: dict[SymbolKey, StoredIds] = {}
        if table is None:
            return found
        rows = 0
        limits = np.zeros(max(until, default=0) + 1, np.int64)
        for partition, counter in until.items():
            limits[partition] = counter
        with _reachable():
            scan = table.scan(row_filter=_row_filter(venue, symbol, since), selected_fields=_COLUMNS)
            for batch in scan.to_arrow_batch_reader():
                _add(found, batch, limits)
                rows += batch.num_rows
                progress(rows)
        return found

    def time_of(self, key: SymbolKey, trade_id: int) -> int:
        """Give the exchange time (ns) of the stored trade with this id, 0 where there is none."""
        table = self._table()
        if table is None:
            return 0
        wanted = _is.And(_is.EqualTo("venue", key[0]), _is.EqualTo("symbol", key[1]), _is.EqualTo("trade_id", trade_id))
        with _reachable():
            rows = table.scan(row_filter=wanted, selected_fields=("exchange_time_ns",)).to_arrow()
        return int(rows["exchange_time_ns"][0].as_py()) if rows.num_rows else 0

    def _table(self) -> Any:
        with _reachable():
            try:
                return self._catalog.load_table((self._database, TABLE))
            except NoSuchTableError:
                return None


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        raise CommandError(f"the lake cannot be read: {error}") from error


def _row_filter(venue: str | None, symbol: str | None, since: int | None) -> Any:
    chosen: Any = _is.AlwaysTrue()
    if venue is not None:
        chosen = _is.And(chosen, _is.EqualTo("venue", venue))
    if symbol is not None:
        chosen = _is.And(chosen, _is.EqualTo("symbol", symbol))
    if since is not None:
        day = _EPOCH + timedelta(days=since // DAY_NANOSECONDS)
        chosen = _is.And(chosen, _is.GreaterThanOrEqual("exchange_time", day.isoformat()))
    return chosen


def _add(found: dict[SymbolKey, StoredIds], batch: pa.RecordBatch, limits: np.ndarray[Any, Any]) -> None:
    """Sort a batch's rows into their symbols, those of later records left out."""
    partitions = batch.column("stream_partition").to_numpy(zero_copy_only=False)
    known = (partitions >= 0) & (partitions < len(limits))
    kept = known & (batch.column("stream_counter").to_numpy() <= limits[np.where(known, partitions, 0)])
    ids = batch.column("trade_id").to_numpy()
    venues, venue_codes = _coded(batch.column("venue"))
    symbols, symbol_codes = _coded(batch.column("symbol"))
    codes = venue_codes * len(symbols) + symbol_codes
    for code in np.unique(codes[kept]).tolist():
        key = venues[code // len(symbols)], symbols[code % len(symbols)]
        found.setdefault(key, StoredIds()).add(ids[kept & (codes == code)])


def _coded(column: Any) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Give a text column as its distinct values and the place of each row's among them."""
    coded = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)
