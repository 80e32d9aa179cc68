"""``tickwire bars``: OHLC, volume and VWAP of trades, exact."""

import argparse
import re
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tickwire.cli.output import CommandError, print_json, replacing

_DESCRIPTION = """\
Computes bars from the trades that `tickwire normalize` wrote. Each bar covers [start, start + interval)
of exchange time, counted from 1970-01-01T00:00:00Z; an interval without a trade has no bar. Open and
close are the trades of lowest and highest id. Columns: venue, symbol, start (timestamp[ns, UTC]),
open, high, low, close, volume, buy_volume (of aggressive buyers), notional and vwap
(decimal128(38, 18), exact; vwap rounded half up to the price's scale), trades, first_id, last_id.
"""

_EXAMPLES = """\
examples:
  tickwire bars trades.parquet --interval 1m --out bars.parquet
  tickwire bars monday.parquet tuesday.parquet --interval 4h --out bars.parquet --json

exit codes: 0 done, 1 a file that cannot be read or holds no trade, 2 wrong usage
"""

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MAX_SECONDS = 366 * 86_400


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "bars",
        help="compute bars (OHLC, volume, VWAP) from trades",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="TRADES", help="files of `tickwire normalize`")
    parser.add_argument(
        "--interval",
        required=True,
        type=interval_seconds,
        metavar="INTERVAL",
        help="1s, 5s, 1m, 5m, 15m, 1h, 4h, 1d or any other whole number of s, m, h or d",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="PARQUET", help="file to write; replaced at the end")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def interval_seconds(text: str) -> int:
    """Turn ``15m`` into seconds.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no such interval, or longer than a year.
    """
    match = re.fullmatch(r"(\d{1,8})([smhd])", text, re.ASCII)
    seconds = int(match[1]) * _SECONDS[match[2]] if match is not None else 0
    if not 0 < seconds <= _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not an interval such as 1s, 5m, 4h or 1d")
    return seconds


def main(args: argparse.Namespace) -> int:
    """Write the bars; 0 if there was a trade."""
    from tickwire.cli.bar_file import write_bars
    from tickwire.cli.trade_file import read_trades
    from tickwire.cli.trade_runs import TradeRuns

    began = time.perf_counter()
    with ExitStack() as stack:
        out = stack.enter_context(replacing(args.out, *args.files))
        beside = args.out.parent if not args.out.exists() or args.out.is_file() else None
        runs = TradeRuns(Path(stack.enter_context(TemporaryDirectory(prefix=".tickwire-", dir=beside))))
        for path in args.files:
            for batch in read_trades(path):
                runs.add(batch)
        if not runs.instruments():
            raise CommandError(f"no trade in {', '.join(map(str, args.files))}")
        symbols = write_bars(out, runs, args.interval)
    totals = {name: sum(symbol[name] for symbol in symbols.values()) for name in ("bars", "trades", "duplicates")}
    seconds = round(time.perf_counter() - began, 3)
    if args.json:
        summary = {"files": list(map(str, args.files)), "out": str(args.out), "interval_seconds": args.interval}
        print_json({**summary, **totals, "symbols": symbols, "seconds": seconds})
    else:
        print(f"{totals['bars']:,} bars of {totals['trades']:,} trades in {args.out}, {seconds} s")
        if totals["duplicates"]:
            print(f"{totals['duplicates']:,} repeated trades left out")
        for key, symbol in symbols.items():
            print(f"{key:<18} {symbol['bars']:,} bars, {symbol['first_start']} to {symbol['last_start']}")
    return 0
