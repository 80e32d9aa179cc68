"""``tickwire normalize``: recorded frames into exact trades, and what was wrong with the rest."""

import argparse
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tickwire.capture import detect_feed, read_capture
from tickwire.cli.output import CommandError, print_counts, print_json, printable, replacing
from tickwire.venues.registry import FEEDS

_DESCRIPTION = """\
Reads capture files (plain or gzip; a frame a line, with or without a receive time before it) and
writes their trades as Parquet: venue, symbol, trade_id, price and size (decimal128(38, 18), exact),
side (buy or sell: the aggressor's), exchange_time, receive_time (timestamp[ns, UTC]).

Trades are sorted by (venue, symbol, trade_id), each id once, in whatever order the files come. A
receive time that the capture does not say is the trade's exchange time. Frames that cannot be read
and trades that break a rule are counted by name, and kept by --rejects.
"""

_EXAMPLES = """\
examples:
  tickwire normalize --venue binance btcusdt.gz ethusdt.gz --out trades.parquet
  tickwire normalize --venue kraken session.ndjson --out trades.parquet --rejects rejects.ndjson --json

exit codes: 0 done, 1 no trade found or a file that cannot be read, 2 wrong usage
A file of rejects can be given as FILE again, once the parser that refused it is fixed.
"""

_SECOND = 1_000_000_000


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "normalize",
        help="turn recorded exchange frames into exact trades in Parquet",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="capture files of one venue")
    parser.add_argument("--venue", required=True, choices=list(FEEDS), help="the feed that was recorded")
    parser.add_argument("--out", required=True, type=Path, metavar="PARQUET", help="file to write; replaced at the end")
    parser.add_argument("--rejects", type=Path, metavar="NDJSON", help="write what was refused here, with the reason")
    parser.add_argument(
        "--max-ahead",
        type=float,
        default=86_400.0,
        metavar="SECONDS",
        help="quarantine trades whose exchange time lies further than this after the receive time (86400)",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def main(args: argparse.Namespace) -> int:
    """Normalize the files; 0 if there was a trade in them."""
    from tickwire.cli.normalizer import Normalizer, RejectFile

    began = time.perf_counter()
    inputs: list[Path] = args.files
    if args.rejects is not None and args.rejects.resolve() == args.out.resolve():
        raise CommandError(f"--out and --rejects are the same file, {args.out}")
    with ExitStack() as stack:
        out = stack.enter_context(replacing(args.out, *inputs))
        beside = args.out.parent if not args.out.exists() or args.out.is_file() else None
        folder = Path(stack.enter_context(TemporaryDirectory(prefix=".tickwire-", dir=beside)))
        with ExitStack() as reject_stack:
            rejects = None
            if args.rejects is not None:
                rejects = RejectFile(reject_stack.enter_context(replacing(args.rejects, *inputs)))
            normalizer = Normalizer(args.venue, folder, rejects, max_ahead=int(args.max_ahead * _SECOND))
            for path in inputs:
                normalizer.read(path)
            symbols = normalizer.write(out)
        if not symbols:
            raise CommandError(_no_trade(args.venue, inputs, frames=normalizer.frames, counted=normalizer.counted()))
    summary = normalizer.summary(symbols)
    summary["seconds"] = round(time.perf_counter() - began, 3)
    if args.json:
        print_json({"venue": args.venue, "files": list(map(str, inputs)), "out": str(args.out), **summary})
    else:
        _print(summary, args)
    return 0


def _no_trade(venue: str, inputs: list[Path], *, frames: int, counted: Counter[str]) -> str:
    message = f"no {venue} trade found in {', '.join(map(str, inputs))} ({frames:,} frames)"
    for path in inputs:
        detected = detect_feed(path)
        if detected is not None and detected != venue:
            return f"{message}; {path} looks like a {detected} capture: use --venue {detected}"
        first = next(iter(read_capture(path)), None)
        if detected is None and first is not None:
            if first.frame.startswith((b"[", b'{"event":', b'{"connectionID":')):
                return f"{message}; {path} looks like Kraken's WebSocket v1, which has no trade ids; v2 is read"
            return f"{message}; the first frame of {path} is {first.frame[:80]!r}"
    content = ", ".join(f"{name} {number:,}" for name, number in counted.most_common(6))
    return f"{message}; they hold {content}" if content else message


def _print(summary: dict[str, Any], args: argparse.Namespace) -> None:
    print(f"{'trades':<18} {summary['trades']:,} in {args.out}")
    for name in ("frames", "quotes", "duplicates", "out_of_order", "gaps", "missing_ids", "checksum_failures"):
        print(f"{name.replace('_', ' '):<18} {summary[name]:,}")
    for name in ("rejected", "quarantined", "ignored", "drift", "skipped_lines"):
        print_counts(name.replace("_", " "), summary[name])
    for text, count in list(summary["statuses"].items())[:5]:
        print(f"{'the venue said':<18} {printable(text[:100])}{f' ({count:,} times)' if count > 1 else ''}")
    for key, symbol in summary["symbols"].items():
        span = f"{symbol['first_id']} to {symbol['last_id']}"
        complete = "complete" if not symbol["missing_ids"] else f"{symbol['missing_ids']:,} ids missing"
        print(f"{key:<18} {symbol['trades']:,} trades, ids {span}, {complete}")
    print(f"{'seconds':<18} {summary['seconds']}")
    if (summary["rejected"] or summary["quarantined"]) and args.rejects is None:
        print("what was rejected or quarantined can be kept with --rejects FILE")
