"""Where `tickwire query` finds its tables, and how DuckDB reads them without reading too much."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from tickwire.cli.output import CommandError
from tickwire.lake import SCHEMA, TABLE, columns_of

POSTGRES_TABLES = ("bars", "progress", "gaps", "quarantined", "notices", "dead_letters")

# Bounds of these columns keep a file closed that cannot hold what is asked for.
_BOUNDED = ("venue", "symbol", "trade_id", "exchange_time", "exchange_time_ns", "stream_partition", "stream_counter")
_DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    # A query must neither download code nor read this process' own variables.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the tables are.

    Attributes
    ----------
    files : Parquet files that are the table `trades`, or empty
    glue_database : Glue database that holds the table `trades`, or empty
    aws : what the AWS clients must have in their environment to reach it
    database_url : PostgreSQL with the other tables, or None
    """

    files: tuple[str, ...] = ()
    glue_database: str = ""
    aws: Mapping[str, str] = field(default_factory=dict)
    database_url: str | None = None


def find_sources(folder: Path, *, lake: str | None, database: str | None, environment: Mapping[str, str]) -> Sources:
    """Decide what to ask: what the command line names, a running local stack, or the environment.

    Raises
    ------
    CommandError
        If there is nothing to ask.
    """
    database = database or environment.get("TICKWIRE_DATABASE_URL") or None
    if lake is not None and not lake.startswith("glue:"):
        # Path.glob takes no absolute pattern, and a name with brackets is a pattern to it.
        files = (lake,) if Path(lake).exists() else tuple(sorted(glob(lake)))  # noqa: PTH207
        if not files:
            raise CommandError(f"{lake}: no such file")
        return Sources(files=files, database_url=database)
    if lake is not None:
        return Sources(glue_database=lake.removeprefix("glue:"), database_url=database)
    run = _running_stack(folder)
    if run is not None:
        return Sources(
            glue_database=run["lake_database"],
            aws={
                "AWS_ENDPOINT_URL": run["endpoint_url"],
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
            },
            database_url=database or run.get("database_url"),
        )
    if environment.get("TICKWIRE_LAKE_DATABASE"):
        return Sources(glue_database=environment["TICKWIRE_LAKE_DATABASE"], database_url=database)
    raise CommandError(
        f"no lake to ask: no stack of `tickwire run` is running in {folder}; start one, or name a lake with --lake"
    )


@contextmanager
def open_tables(sql: str, sources: Sources) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a DuckDB connection that has the tables which a statement mentions.

    Raises
    ------
    CommandError
        If a table cannot be reached.
    """
    mentioned = {name for name in (TABLE, *POSTGRES_TABLES) if re.search(rf"\b{name}\b", sql, re.IGNORECASE)}
    # `SHOW TABLES` and the like get every table, the fetched ones without rows.
    listing = not mentioned
    with duckdb.connect(":memory:", config=_DUCKDB) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if listing or TABLE in mentioned:
            if sources.files:
                connection.read_parquet(list(sources.files), union_by_name=True).create_view(TABLE)
            else:
                connection.register(TABLE, _lake_trades(sources))
        if sources.database_url is not None:
            for name in POSTGRES_TABLES:
                if listing or name in mentioned:
                    connection.register(name, _postgres_table(sources.database_url, name, empty=listing))
        elif mentioned - {TABLE}:
            raise CommandError(
                f"{', '.join(sorted(mentioned - {TABLE}))}: no PostgreSQL to ask; name it with --database"
            )
        yield connection


def _running_stack(folder: Path) -> dict[str, str] | None:
    for path in (folder / "run" / "run.json", folder / "run.json"):
        try:
            run: dict[str, Any] = json.loads(path.read_text())
            os.kill(int(run["pid"]), 0)
        except (FileNotFoundError, ValueError, KeyError, ProcessLookupError):
            continue
        except PermissionError:
            pass  # it lives, and belongs to somebody else
        return run
    return None


def _lake_trades(sources: Sources) -> ds.Dataset:
    """Give the lake's files as a data set that opens those which a query needs, when it needs them."""
    # The AWS libraries of three kinds that take part here all read the environment.
    os.environ.update(sources.aws)
    from botocore.exceptions import BotoCoreError, ClientError
    from pyiceberg.exceptions import NoSuchTableError

    from lambdas.lake_committer.lake_table import glue_catalog

    try:
        table = glue_catalog().load_table((sources.glue_database, TABLE))
        tasks = list(table.scan().plan_files())
    except NoSuchTableError as error:
        if sources.aws:
            return ds.dataset(SCHEMA.empty_table())  # nothing has been committed yet
        raise CommandError(f"there is no table {TABLE} in the Glue database {sources.glue_database}") from error
    except (BotoCoreError, ClientError, OSError) as error:
        raise CommandError(f"the lake cannot be reached: {error}") from error
    if any(task.delete_files for task in tasks):
        return ds.dataset(table.scan().to_arrow())
    schema = columns_of(table)
    if not tasks:
        return ds.dataset(schema.empty_table())
    address = table.location().removeprefix("s3://")
    io: Any = table.io
    filesystem = io.fs_by_scheme("s3", address.partition("/")[0])
    return ds.FileSystemDataset.from_paths(
        [task.file.file_path.removeprefix("s3://") for task in tasks],
        # Of the table: a column that a file does not have yet reads as null.
        schema=schema,
        format=ds.ParquetFileFormat(),
        filesystem=filesystem,
        partitions=[_bounds(table.schema(), task.file) for task in tasks],
    )


def _bounds(schema: Any, file: Any) -> pc.Expression:
    """Say of a data file, by Iceberg's column bounds, what holds for each of its rows."""
    from pyiceberg.conversions import from_bytes

    holds = pc.scalar(True)
    for name in _BOUNDED:
        column = schema.find_field(name)
        kind = SCHEMA.field(name).type
        lower, upper = ((bounds or {}).get(column.field_id) for bounds in (file.lower_bounds, file.upper_bounds))
        if lower is not None:
            holds &= pc.field(name) >= pa.scalar(from_bytes(column.field_type, lower), kind)
        if upper is not None:
            holds &= pc.field(name) <= pa.scalar(from_bytes(column.field_type, upper), kind)
    return holds


def _postgres_table(url: str, name: str, *, empty: bool) -> pa.Table:
    import psycopg
    from psycopg import sql

    query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(name)) + sql.SQL(" LIMIT 0" if empty else "")
    batches = []
    try:
        with psycopg.connect(url, connect_timeout=5) as connection, connection.cursor(name="query") as cursor:
            cursor.itersize = 10_000
            cursor.execute(query)
            columns = [(column.name, column.type_code) for column in cursor.description or ()]
            schema = pa.schema([(column, _arrow_type(oid)) for column, oid in columns])
            while rows := cursor.fetchmany(10_000):
                values = zip(*rows, strict=True)
                arrays = [_array(column, kind) for column, kind in zip(values, schema.types, strict=True)]
                batches.append(pa.record_batch(arrays, schema=schema))
    except psycopg.errors.UndefinedTable as error:
        raise CommandError(f"{name}: PostgreSQL has no such table; run its migrations") from error
    except psycopg.OperationalError as error:
        raise CommandError(f"PostgreSQL cannot be reached: {error}") from error
    return pa.Table.from_batches(batches, schema=schema)


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], kind)
    return pa.array(values, kind)


def _arrow_type(oid: int) -> pa.DataType:
    from psycopg.postgres import types

    names = {
        "bool": pa.bool_(),
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "numeric": pa.decimal128(38, 18),
        "timestamptz": pa.timestamp("us", "UTC"),
        "bytea": pa.binary(),
    }
    info = types.get(oid)
    return names.get(info.name if info is not None else "", pa.string())
