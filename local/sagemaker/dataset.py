"""Athena's UNLOAD on a laptop: DuckDB over the lake, or candle files in the lake's place."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from local.sagemaker.objects import write
from tickwire.errors import TickwireError
from tickwire.features.bar_grid import COLUMNS
from tickwire.lake import TABLE
from tickwire.model.bars import BarColumns
from tickwire.model.candles import read_candles
from tickwire.model.plan import HOLDOUT, TRAIN

_UNLOAD = re.compile(
    r"\s*UNLOAD\s*\((?P<select>.*)\)\s*TO\s*'(?P<address>s3://[^']+)'\s*WITH\s*\((?P<options>.*)\)\s*", re.DOTALL
)
_MOMENT = re.compile(r"CAST\('([0-9: -]+) UTC' AS TIMESTAMP WITH TIME ZONE\)")
_HOLDOUT = re.compile(rf"< (\d+) THEN '{TRAIN}'")
_DAY = 86_400 * 1_000_000_000


class UnknownQuery(TickwireError, ValueError):
    """A query that a laptop cannot answer."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An UNLOAD: its SELECT, the prefix that it writes below, and whether its last column becomes a folder."""

    select: str
    address: str
    partitioned: bool

    @classmethod
    def parse(cls, query: str) -> Self:
        """Take an UNLOAD apart.

        Raises
        ------
        UnknownQuery
            If it is none.
        """
        found = _UNLOAD.fullmatch(query)
        if found is None:
            raise UnknownQuery(f"only UNLOAD is answered here, and this is {query[:80]!r}")
        return cls(found["select"], found["address"], "partitioned_by" in found["options"])


def write_dataset(dataset: Dataset, *, lake_database: str, candles: Sequence[str] = ()) -> None:
    """Answer an UNLOAD of bars, as Parquet in the emulator's S3.

    Candle files end where they end: their bars are moved by whole days, so that their last day is the day before the
    run, and the run finds in them what it looks for in the lake.

    Raises
    ------
    UnknownQuery, UnreadableCandles, CommandError
        If the query, the candles or the lake cannot be read.
    """
    table = _from_candles(dataset, candles) if candles else _from_lake(dataset, lake_database)
    if not dataset.partitioned:
        _put(table, f"{dataset.address}00000")
        return
    import pyarrow.compute as pc

    column = table.column_names[-1]
    for value in pc.unique(table[column]).to_pylist():
        part = table.filter(pc.equal(table[column], value)).drop_columns([column])
        _put(part, f"{dataset.address}{column}={value}/00000")


def _from_lake(dataset: Dataset, database: str) -> Any:
    from tickwire.cli.query_sources import Sources, open_tables

    # Athena names the table with its database.
    select = re.sub(rf'"[^"]+"\."{TABLE}"', TABLE, dataset.select)
    with open_tables(select, Sources(glue_database=database)) as connection:
        return connection.sql(select).to_arrow_table()


def _from_candles(dataset: Dataset, paths: Sequence[str]) -> Any:
    import pyarrow as pa

    moments = [_nanoseconds(text) for text in _MOMENT.findall(dataset.select)]
    holdout = _HOLDOUT.search(dataset.select)
    if len(moments) != 2 or holdout is None:
        raise UnknownQuery("candle files have the bars of a dataset, and the query asks for something else")
    tables = []
    for bars in read_candles([Path(path) for path in paths]):
        moved = _moved(bars, moments[1]).between(*moments)
        part = np.where(moved.start < int(holdout[1]), TRAIN, HOLDOUT)
        tables.append(
            pa.table(
                {
                    "venue": [moved.venue] * len(moved),
                    "symbol": [moved.symbol] * len(moved),
                    "start": moved.start,
                    **{name: moved.columns[name] for name in COLUMNS},
                    "part": part.tolist(),
                }
            )
        )
    return pa.concat_tables(tables)


def _moved(bars: BarColumns, end: int) -> BarColumns:
    """Move bars by whole days so that their last whole day is the one before that of ``end``, ns UTC."""
    last_midnight = int(bars.start[-1]) // _DAY * _DAY
    return BarColumns(bars.venue, bars.symbol, bars.start + (end // _DAY * _DAY - last_midnight), **bars.columns)


def _nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _put(table: Any, address: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    body = pa.BufferOutputStream()
    pq.write_table(table, body, compression="zstd")
    write(address, body.getvalue().to_pybytes())
