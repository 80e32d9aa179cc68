"""``tickwire query``: SQL over the lake, for people and for scripts."""

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from tickwire.analytics.named_queries import named_queries, named_query
from tickwire.cli.output import CommandError

_DESCRIPTION = """\
Runs one SQL statement (DuckDB's dialect) over the lake's table `trades` and prints the result, or one
of the named queries, which Athena has too: --list shows what they answer and which parameters they take. Where
PostgreSQL can be reached, `bars`, `progress`, `gaps`, `quarantined`, `notices` and `dead_letters` are
tables too. Without --lake the stack that `tickwire run` has started here is asked; without one, the
Glue database that TICKWIRE_LAKE_DATABASE names, with the AWS credentials of the environment.

Prices and sizes are exact decimals, times are UTC. Only the columns and files of `trades` that the
query needs are read, by the bounds that Iceberg keeps of each file; the other tables are fetched whole.
"""

_EXAMPLES = """\
examples:
  tickwire query "SELECT venue, symbol, count(*) FROM trades GROUP BY ALL ORDER BY 3 DESC"
  tickwire query "SELECT * FROM trades WHERE symbol = 'BTC-USD' ORDER BY exchange_time_ns DESC LIMIT 20"
  tickwire query "SELECT * FROM bars WHERE interval_seconds = 60" --csv > bars.csv
  tickwire query "SELECT avg(price) FROM trades" --lake trades.parquet --json
  tickwire query "DESCRIBE trades" --lake glue:tickwire_prod
  tickwire query --list
  tickwire query --named bars --param symbols=BTC-USD,ETH-USD --param seconds=900 --param start=2024-08-08

exit codes: 0 done, 1 the query failed or there is no lake to ask, 2 wrong usage
"""


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "query",
        help="run SQL over the lake",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("sql", metavar="SQL", nargs="?", help="the statement; - reads it from standard input")
    what.add_argument("--named", metavar="NAME", help="run this named query")
    what.add_argument("--list", action="store_true", help="list the named queries with their parameters")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        type=_assignment,
        metavar="NAME=VALUE",
        help="give a named query's parameter a value; may be said again",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print an array of objects; decimals are strings, exact")
    form.add_argument("--csv", action="store_true", help="print comma-separated values with a header")
    parser.add_argument(
        "--lake", metavar="URI", help="glue:DATABASE, or a Parquet file of `tickwire normalize` (or a pattern of some)"
    )
    parser.add_argument("--database", metavar="URL", help="postgresql:// address for the other tables")
    parser.add_argument("--folder", default=Path(".tickwire"), type=Path, help="folder of `tickwire run` (.tickwire)")
    parser.add_argument(
        "--rows", type=_row_limit, default=100, metavar="N", help="print at most N rows of a table (100; 0: all)"
    )


def _row_limit(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows")
    return int(text)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def main(args: argparse.Namespace) -> int:
    """Run the statement and print its result."""
    if args.list:
        _print_named_queries()
        return 0
    try:
        import duckdb
        import pyarrow as pa
    except ImportError as error:
        raise CommandError("tickwire query needs duckdb, which is in the [local] extra: run `make setup`") from error
    from tickwire.cli.query_sources import find_sources, open_tables
    from tickwire.cli.query_text import print_csv, print_json, print_table

    sql = _statement(args)
    if not sql.strip():
        raise CommandError("there is no SQL to run")
    sources = find_sources(args.folder, lake=args.lake, database=args.database, environment=os.environ)
    try:
        with open_tables(sql, sources) as connection:
            result = connection.sql(sql)
            if result is None:
                return 0
            with result.to_arrow_reader(10_000) as reader:
                if args.json:
                    print_json(reader)
                elif args.csv:
                    print_csv(reader)
                else:
                    print_table(reader, rows=args.rows, width=shutil.get_terminal_size((160, 40)).columns)
    except (duckdb.Error, pa.ArrowException) as error:
        raise CommandError(str(error).strip()) from error
    return 0


def _statement(args: argparse.Namespace) -> str:
    if args.named is not None:
        return named_query(args.named).sql(dict(args.param))
    if args.param:
        raise CommandError("--param is for --named; write values into the statement itself")
    return str(sys.stdin.read() if args.sql == "-" else args.sql)


def _print_named_queries() -> None:
    for query in named_queries().values():
        print(f"{query.name}\n  {query.answers}")
        for parameter in query.parameters:
            print(f"    {parameter.name:<8}  {parameter.kind:<9}  {parameter.says} ({parameter.default})")
        print()
