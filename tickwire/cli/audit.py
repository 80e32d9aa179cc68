"""``tickwire audit``: proves that everything is stored, or names what is not."""

import argparse
import math
from pathlib import Path
from typing import Any

from tickwire.cli.endpoints import find_endpoints
from tickwire.cli.output import CommandError, ProgressLine, print_json
from tickwire.errors import TickwireError
from tickwire.timestamps import parse_rfc3339

_DESCRIPTION = """\
Compares the continuity ledger with the lake id by id, with the validator's own state, with the dead
letters of quarantined trades, and with the exchanges' own histories. It names every trade id that is
missing, lost or stored twice, with its cause. A running platform is compared as of one record, so
trades on their way are no alarm. Without a platform of `tickwire run` in --folder, the TICKWIRE_*
variables of the environment name the one to audit.
"""

_EXAMPLES = """\
examples:
  tickwire audit                                  all symbols, all time
  tickwire audit --venue kraken --no-exchange     without asking the exchange
  tickwire audit --since 2026-11-21T00:00:00Z     trades of that hour and later
  tickwire audit --json > audit.json              for scripts
  tickwire audit --repair                         fetch again what is missing or lost, then audit again

exit codes: 0 each id is stored, quarantined with a reason, or confirmed absent at the exchange;
            1 not so, or it could not be found out; 2 wrong usage
"""


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "audit",
        help="prove that every trade is stored, or name what is not",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--since", type=_time, metavar="T", help="only trades from the hour of this time on (RFC 3339)")
    parser.add_argument("--venue", metavar="NAME", help="only this venue")
    parser.add_argument("--symbol", metavar="NAME", help="only this symbol, such as BTC-USD")
    parser.add_argument("--no-exchange", action="store_true", help="do not ask the exchanges")
    parser.add_argument("--repair", action="store_true", help="put what is missing or lost on trades-raw again")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.add_argument(
        "--wait", type=_seconds, default=120.0, metavar="S", help="wait so long for one store to reach another (120)"
    )
    parser.add_argument("--folder", default=Path(".tickwire"), type=Path, help="folder of `tickwire run` (.tickwire)")


def _time(text: str) -> int:
    try:
        return parse_rfc3339(text)
    except (TickwireError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-11-21T00:00:00Z") from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 86400")
    return seconds


def main(args: argparse.Namespace) -> int:
    """Audit, repair if asked to, and print the report; 0 if the record is complete."""
    endpoints = find_endpoints(args.folder)
    from lambdas.delivery.raw_stream import check_partitions
    from tickwire.cli.audit_checks import Patience
    from tickwire.cli.audit_exchange import ExchangeReader
    from tickwire.cli.audit_lake import LakeReader
    from tickwire.cli.audit_ledger import open_ledger
    from tickwire.cli.audit_repair import RawStream
    from tickwire.cli.audit_run import Audit, Options, Places
    from tickwire.cli.audit_state import StateReader
    from tickwire.cli.audit_text import report_lines

    skipped: dict[str, str] = {}
    if endpoints.state_url is None:
        skipped["validator"] = "not known (state_url)"
    if args.no_exchange:
        skipped["exchange"] = "not asked"
    line = ProgressLine()
    with open_ledger(endpoints, venue=args.venue, symbol=args.symbol) as ledger:
        places = Places(
            ledger=ledger,
            lake=LakeReader(endpoints),
            states=StateReader(endpoints.state_url) if endpoints.state_url is not None else None,
            exchange=None if args.no_exchange else ExchangeReader(endpoints.exchange_url),
            skipped=skipped,
        )
        options = Options(since=args.since, venue=args.venue, symbol=args.symbol)
        stream = RawStream(endpoints) if args.repair else None
        audit = Audit(places, options, Patience(args.wait), line.update)
        try:
            report = audit.run(ask_missing_ids=stream is None)
            if stream is not None and not report.complete:
                placed = [(one.venue, one.symbol, one.partition) for one in report.symbols]
                check_partitions(endpoints.require("partitions"), placed)
                report = audit.repair(stream)
        finally:
            line.clear()
    if not report.symbols:
        chosen = f"no symbol {args.venue or '*'}:{args.symbol or '*'}" if args.venue or args.symbol else "no symbol yet"
        raise CommandError(f"there is nothing to audit: the ledger knows {chosen}")
    if args.json:
        print_json(report)
    else:
        print("\n".join(report_lines(report)))
    return 0 if report.complete else 1
