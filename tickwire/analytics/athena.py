"""The named queries on Athena, by awswrangler: as frames, as exports, as bars to train on.

``awswrangler`` and ``pandas`` are for whoever analyses, and in no function's image: they are
imported where they are used. Each function takes the Glue database of the lake and Athena's
workgroup, which the outputs ``LakeDatabaseName`` and ``AnalyticsWorkgroup`` of the stacks name; the
workgroup says where results go, how they are encrypted and how much a query may scan.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from tickwire.analytics.named_queries import Value, named_query

if TYPE_CHECKING:
    import pandas as pd

FileFormat = Literal["PARQUET", "ORC", "AVRO", "JSON", "TEXTFILE"]

_EXACT = ("open", "high", "low", "close", "volume", "buy_volume")


@dataclass(frozen=True, slots=True)
class AthenaLake:
    """Where to ask: the Glue database of the lake, and a workgroup of Athena."""

    database: str
    workgroup: str


def run_named(name: str, values: Mapping[str, Value] | None = None, *, lake: AthenaLake) -> "pd.DataFrame":
    """Run a named query and give its rows; decimals are ``decimal.Decimal``, times naive UTC.

    Raises
    ------
    UnknownQuery, InvalidParameter
        As :mod:`tickwire.analytics.named_queries` does.
    awswrangler.exceptions.QueryFailed
        If Athena refuses the query, as when it would scan more than the workgroup allows.
    """
    import awswrangler as wr

    # No CTAS: it writes a table into the catalogue, which an analyst of the lake may not.
    return wr.athena.read_sql_query(
        named_query(name).sql(values),
        database=lake.database,
        workgroup=lake.workgroup,
        ctas_approach=False,
    )


def export(
    name: str,
    values: Mapping[str, Value] | None = None,
    *,
    path: str,
    lake: AthenaLake,
    file_format: FileFormat = "PARQUET",
) -> None:
    """Write a named query's rows to files below ``path``, by Athena's UNLOAD.

    ``path`` is an ``s3://`` address below which nothing lies yet; Athena refuses any other.

    Raises
    ------
    UnknownQuery, InvalidParameter
        As :mod:`tickwire.analytics.named_queries` does.
    awswrangler.exceptions.QueryFailed
        If Athena refuses the query.
    """
    import awswrangler as wr

    wr.athena.unload(
        named_query(name).sql(values),
        path=path,
        database=lake.database,
        workgroup=lake.workgroup,
        file_format=file_format,
    )


def training_dataset(
    symbols: Iterable[str], start: datetime, end: datetime, *, lake: AthenaLake, seconds: int = 60
) -> "pd.DataFrame":
    """Give bars to train on: the named query ``bars`` in floats, ordered by venue, symbol and start.

    Parameters
    ----------
    symbols : canonical symbols, of all venues that have them
    start, end : instants, ``end`` exclusive; the bars at both ends are whole if ``seconds`` divides them
    seconds : length of a bar

    Returns
    -------
    One row a bar with a trade: ``venue``, ``symbol``, ``start`` (UTC), ``open``, ``high``, ``low``,
    ``close``, ``volume``, ``buy_volume``, ``notional``, ``vwap`` (float64), ``trades``, ``first_id``,
    ``last_id`` (int64). An interval without a trade has no row: what it means is the model's to say.
    """
    bars = run_named("bars", {"symbols": symbols, "seconds": seconds, "start": start, "end": end}, lake=lake)
    bars["start"] = bars["start"].dt.tz_localize("UTC")
    types = dict.fromkeys((*_EXACT, "notional", "vwap"), "float64")
    return bars.astype({**types, "trades": "int64", "first_id": "int64", "last_id": "int64"})
