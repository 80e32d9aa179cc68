"""``tickwire dead-letters``: what could not go on, listed, shown, and sent again after a fix."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickwire.cli.output import CommandError

if TYPE_CHECKING:
    from lambdas.delivery.letter_bodies import LetterBodies
    from lambdas.postgres.letters import LetterFilter, LetterTable, StoredLetter
    from tickwire.cli.endpoints import Endpoints

_DESCRIPTION = """\
Frames that no parser could read, trades that broke a rule, and stream records that could not be
decoded are kept as dead letters, each with its reason. After a parser or a rule was mended they can
be redriven: their trades are made again and sent to trades-raw, where the validator judges them by
today's rules and admits each once. Redriving twice changes nothing.

Without more the stack that `tickwire run` has started here is asked; without one, the platform that
the TICKWIRE_* variables of the environment name.
"""

_EXAMPLES = """\
examples:
  tickwire dead-letters list --since 24h
  tickwire dead-letters list --kind frame --venue kraken --json
  tickwire dead-letters show 3f2a91c07d55
  tickwire dead-letters show 3f2a91c07d55 --raw > frame.json
  tickwire dead-letters redrive --reason bad_number --dry-run
  tickwire dead-letters redrive --all

exit codes: 0 done, 1 some letters stay as they are or the command failed, 2 wrong usage
"""

_KINDS = ("frame", "trade", "record", "malformed")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def add_parser(subparsers: Any) -> None:
    """Add the command, what it can do, and the options."""
    parser = subparsers.add_parser(
        "dead-letters",
        help="list, show and redrive what could not go on",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--folder", default=Path(".tickwire"), type=Path, help="folder of `tickwire run` (.tickwire)")
    choice = argparse.ArgumentParser(add_help=False)
    choice.add_argument("--kind", choices=_KINDS, help="a frame, a trade, a record, or no letter at all")
    choice.add_argument("--reason", metavar="R", help="the rule that was broken, or why it could not be read")
    choice.add_argument("--venue", metavar="V")
    choice.add_argument("--symbol", metavar="S", help="such as BTC-USDT; a frame has none")
    choice.add_argument(
        "--since", type=_since, metavar="T", help="seen last at or after T: 30m, 24h, 7d, or a time (RFC 3339)"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    listing = actions.add_parser("list", help="list them, the last seen first", parents=[choice, shared])
    listing.add_argument("--limit", type=_count, default=50, metavar="N", help="at most N (50; 0: all)")
    listing.add_argument("--json", action="store_true", help="print an array of objects with all that is known")
    showing = actions.add_parser("show", help="show one with its body", parents=[shared])
    showing.add_argument("key", metavar="KEY", help="its key, KIND/KEY, or the beginning of its key")
    showing.add_argument("--raw", action="store_true", help="print only the body, exactly as it was received")
    redriving = actions.add_parser("redrive", help="send them again after a fix", parents=[choice, shared])
    redriving.add_argument("keys", metavar="KEY", nargs="*", help="as for show; or else a choice:")
    redriving.add_argument("--all", action="store_true", help="all that are not redriven, or came again since")
    redriving.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")
    redriving.add_argument("--json", action="store_true", help="print one object with what each letter came to")
    redriving.set_defaults(parser=redriving)


def main(args: argparse.Namespace) -> int:
    """List, show or redrive."""
    if args.action == "redrive":
        _check_choice(args)
    try:
        import psycopg
    except ImportError as error:
        raise CommandError(f"tickwire dead-letters needs psycopg and cannot load it: {error}") from error
    from tickwire.cli.endpoints import find_endpoints
    from tickwire.cli.letter_database import open_letters

    endpoints = find_endpoints(args.folder)
    try:
        with open_letters(endpoints) as table:
            if args.action == "list":
                return _list(table, args)
            if args.action == "show":
                return _show(table, args, _Bodies(endpoints))
            return _redrive(table, args, endpoints)
    except psycopg.Error as error:
        raise CommandError(" ".join(str(error).split())) from error


class _Bodies:
    """Fetches bodies from S3, whose client is made only when one lies there."""

    def __init__(self, endpoints: "Endpoints") -> None:
        self._endpoints = endpoints
        self._bodies: LetterBodies | None = None

    def __call__(self, address: str) -> bytes:
        if self._bodies is None:
            from lambdas.delivery.letter_bodies import LetterBodies

            bucket = self._endpoints.require("dead_letter_bucket")
            self._bodies = LetterBodies(self._endpoints.aws_client("s3"), bucket=bucket)
        return self._bodies.fetch(address)


def _list(table: "LetterTable", args: argparse.Namespace) -> int:
    from tickwire.cli.letter_text import print_letters, print_letters_json

    # One more than is shown, to know whether there are more.
    letters = table.newest(_filter(args), args.limit + 1 if args.limit else 0)
    more = bool(args.limit) and len(letters) > args.limit
    letters = letters[: args.limit] if more else letters
    if args.json:
        print_letters_json(letters)
    else:
        print_letters(letters, more=more)
    return 0


def _show(table: "LetterTable", args: argparse.Namespace, fetch: _Bodies) -> int:
    from tickwire.cli.letter_text import print_letter
    from tickwire.dead_letter import UnreadableBody, payload

    row = table.find(args.key)
    try:
        body = payload(row["kind"], table.letter((row["kind"], row["key"])).message(fetch), fetch)
    except UnreadableBody as error:
        if args.raw:
            raise CommandError(str(error)) from error
        print_letter(row, str(error))
        return 0
    if args.raw:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    else:
        print_letter(row, body)
    return 0


def _redrive(table: "LetterTable", args: argparse.Namespace, endpoints: "Endpoints") -> int:
    from lambdas.delivery.raw_stream import NotAccepted, RawStream, check_partitions
    from lambdas.delivery.redriving import BATCH, redrive_letters
    from tickwire.cli.letter_text import RedriveReport

    partitions = endpoints.require("partitions")
    check_partitions(partitions, table.placed())
    put = None
    if not args.dry_run:
        stream = RawStream(
            endpoints.aws_client("kinesis"), stream=endpoints.require("raw_stream"), partitions=partitions
        )
        put = stream.put
    report = RedriveReport(json=args.json, dry_run=args.dry_run)
    try:
        for tried in redrive_letters(
            table, _chosen(table, args, BATCH), fetch=_Bodies(endpoints), put=put, partitions=partitions
        ):
            report.add(tried)
    except NotAccepted as error:
        done = f"; {report.redriven} letters were redriven before" if report.redriven else ""
        raise CommandError(f"{error}{done}; run it again, which sends nothing twice into the lake") from error
    report.close()
    return 0 if report.staying == 0 else 1


def _chosen(table: "LetterTable", args: argparse.Namespace, size: int) -> Iterator[Sequence["StoredLetter"]]:
    if not args.keys:
        yield from table.batches(_filter(args, redrivable=True), size=size)
        return
    rows = [table.find(key) for key in dict.fromkeys(args.keys)]
    names = list(dict.fromkeys((row["kind"], row["key"]) for row in rows))
    for start in range(0, len(names), size):
        yield [table.letter(name) for name in names[start : start + size]]


def _filter(args: argparse.Namespace, *, redrivable: bool = False) -> "LetterFilter":
    from lambdas.postgres.letters import LetterFilter

    return LetterFilter(
        kind=args.kind,
        reason=args.reason,
        venue=args.venue,
        symbol=args.symbol,
        since=args.since,
        redrivable=redrivable,
    )


def _check_choice(args: argparse.Namespace) -> None:
    """End with wrong usage unless keys, a choice, or --all say what to redrive."""
    choice = [name for name in ("kind", "reason", "venue", "symbol", "since") if getattr(args, name) is not None]
    if args.keys and (choice or args.all):
        args.parser.error("give keys, or a choice of letters, not both")
    if not (args.keys or choice or args.all):
        args.parser.error("say which: keys, --kind, --reason, --venue, --symbol, --since, or --all")


def _since(text: str) -> datetime:
    from tickwire.errors import UnreadableTime
    from tickwire.timestamps import parse_rfc3339

    number, unit = text[:-1], text[-1:]
    if unit in _UNITS and number.isascii() and number.isdigit() and len(number) <= 9:
        return datetime.now(UTC) - timedelta(seconds=int(number) * _UNITS[unit])
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=parse_rfc3339(text) // 1000)
    except UnreadableTime as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 30m, 24h, 7d nor 2024-08-08T00:00:00Z") from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of letters")
    return int(text)
