"""``tickwire cat``: a stream record for people, or as JSON for programmes."""

import argparse
import base64
import binascii
import sys
from pathlib import Path
from typing import Any

from tickwire.cli.output import CommandError, print_json

_DESCRIPTION = """\
Shows what a record of the streams trades-raw, trades-clean or market-events holds: one envelope, or
several where a stage caught up. RECORD is its bytes, or their base64 as `aws kinesis get-records`
prints them.
"""

_EXAMPLES = """\
examples:
  tickwire cat record.bin
  aws kinesis get-records … | jq -r '.Records[0].Data' | tickwire cat - --json

exit codes: 0 shown, 1 damaged or of an unknown version, 2 wrong usage
"""


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "cat",
        help="show what a stream record holds",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("record", metavar="RECORD", help="file, or - for standard input")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="rows shown of each section (20; 0: all)")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON, times in ns UTC")


def main(args: argparse.Namespace) -> int:
    """Show the record."""
    from tickwire.cli.record_text import record_lines, record_object
    from tickwire.envelope import decode, split
    from tickwire.errors import DamagedRecord, UnknownRecordVersion

    name = "standard input" if args.record == "-" else args.record
    data = sys.stdin.buffer.read() if args.record == "-" else Path(args.record).read_bytes()
    data = _raw(data)
    try:
        parts = split(data) or [data]
    except DamagedRecord:
        # Decoding says more exactly what is wrong.
        parts = [data]
    try:
        records = [decode(part) for part in parts]
    except (DamagedRecord, UnknownRecordVersion) as error:
        raise CommandError(f"{name}: not a readable record: {error}") from error
    if args.json:
        print_json({"bytes": len(data), "envelopes": [record_object(record) for record in records]})
        return 0
    for number, (part, record) in enumerate(zip(parts, records, strict=True)):
        if number:
            print()
        for line in record_lines(record, size=len(part), limit=args.limit if args.limit > 0 else None):
            print(line)
    return 0


def _raw(data: bytes) -> bytes:
    if data[:4] == b"TKWR":
        return data
    try:
        return base64.b64decode(b"".join(data.strip().strip(b'"').split()), validate=True)
    except binascii.Error:
        return data
