"""``tickwire run``: the whole platform on this machine, with a market in it."""

import argparse
import importlib.util
import sys
from typing import Any

_DESCRIPTION = """\
Starts the whole platform on this machine: exchange, ingestor, streams, functions, databases, page.
Open the page that it names. Ctrl-C stops everything and prints the books of the run.
"""

_EXAMPLES = """\
examples:
  tickwire run                                  a simulated market, until Ctrl-C
  tickwire run --seconds 30 --json              half a minute, then the summary as JSON
  tickwire run --replay capture.gz --speed 10   a recorded session, ten times faster
  tickwire run --live                           Binance, Coinbase and Kraken themselves
  tickwire run --faults '[{"kind": "hole", "feed": "binance", "count": 50, "after": 5}]'

exit codes: 0 every trade is accounted for, 1 not so or a failure, 2 wrong usage
"""


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "run",
        help="run the whole platform on this machine",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    market = parser.add_mutually_exclusive_group()
    market.add_argument("--replay", nargs="+", metavar="FILE", help="play recorded captures instead of the simulator")
    market.add_argument("--live", action="store_true", help="connect to the real exchanges")
    parser.add_argument("--seconds", type=_positive, metavar="N", help="stop after N seconds (default: until Ctrl-C)")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="replay X times faster; 0: at once")
    parser.add_argument("--rate", type=_positive, default=300.0, metavar="N", help="simulated trades a second (300)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the simulated market (1)")
    parser.add_argument(
        "--faults",
        metavar="ORDERS",
        help="what goes wrong at the exchange: a JSON file, or JSON itself (docs/reliability.md lists the kinds)",
    )
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="port of the page (8080; 0: any free one)")
    parser.add_argument("--folder", default=".tickwire", help="where data and logs go (.tickwire)")
    parser.add_argument("--json", action="store_true", help="print only the summary, as JSON, on standard output")


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def main(args: argparse.Namespace) -> int:
    """Run until told to stop; 0 if every trade is accounted for."""
    if importlib.util.find_spec("ministack") is None or importlib.util.find_spec("local") is None:
        print(
            "tickwire run needs the project's checkout with the packages of its [local] extra: run `make setup` there",
            file=sys.stderr,
        )
        return 1
    from local.run import run

    return run(args)
