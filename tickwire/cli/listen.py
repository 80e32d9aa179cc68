"""``tickwire listen``: what happens in the market, as clients of the WebSocket API are told it."""

import argparse
import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tickwire.cli.output import CommandError, printable

_DESCRIPTION = """\
Connects to the WebSocket API, prints what it tells, and goes on where it was when the connection is cut.
Without more it is that of the stack that `tickwire run` has started here; else TICKWIRE_WEBSOCKET_URL or --url names
it, and TICKWIRE_TOKEN has an access token.
"""

_EXAMPLES = """\
examples:
  tickwire listen trades --symbol binance:BTC-USDT
  tickwire listen bars.1m predictions signals
  tickwire listen trades --json --count 100 > trades.jsonl

exit codes: 0 done, 1 the command failed, 2 wrong usage
"""

TOPICS = (
    "bars.1s", "bars.1m", "bars.5m", "bars.1h", "trades", "quotes", "health", "indicators", "predictions", "signals",
    "whales", "anomalies", "sentiment",
)  # fmt: skip
_TOKEN = "TICKWIRE_TOKEN"  # noqa: S105 - the name of a variable
_encode = msgspec.json.Encoder().encode


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "listen",
        help="print what happens in the market, as clients are told it",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("topics", metavar="TOPIC", nargs="+", choices=TOPICS, help=f"one of {', '.join(TOPICS)}")
    parser.add_argument(
        "--symbol", action="append", metavar="S", help="such as binance:BTC-USDT; may be given again (all symbols)"
    )
    parser.add_argument("--url", metavar="URL", help="wss://SITE/live (that of the local run)")
    parser.add_argument("--folder", default=Path(".tickwire"), type=Path, help="folder of `tickwire run` (.tickwire)")
    parser.add_argument("--count", type=_positive, metavar="N", help="end after so many objects")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so long")
    parser.add_argument("--json", action="store_true", help="print each update as one object with all that it says")


def main(args: argparse.Namespace) -> int:
    """Listen until there is enough, or Ctrl-C."""
    url, token = _place(args)
    with contextlib.suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(_listen(args, url, token), args.seconds))
    return 0


async def _listen(args: argparse.Namespace, url: str, token: str | Callable[[], Any]) -> None:
    from tickwire.client import Client, Kind

    left = args.count
    async with Client(url, token=token) as client:
        async for update in client.subscribe(args.topics, args.symbol or ["*"]):
            if args.json:
                print(_encode(update._asdict()).decode(), flush=True)
            elif update.kind is Kind.RESET:
                print(f"{update.topic} {update.symbol} reset: what was missed cannot be told any more", flush=True)
            for one in update.data:
                if left is not None and (left := left - 1) < 0:
                    return
                if not args.json:
                    print(printable(f"{update.topic} {update.symbol} {_line(one)}"), flush=True)
            if left == 0:
                return


def _line(data: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in data.items() if value not in ("", None, []))


def _place(args: argparse.Namespace) -> tuple[str, str | Callable[[], Any]]:
    """Give where to connect, and what gives a token."""
    from tickwire.cli.endpoints import find_endpoints

    named = os.environ.get(_TOKEN)
    if args.url is not None:
        if not named:
            raise CommandError(f"set {_TOKEN} to an access token; docs/clients.md says how to get one")
        return args.url, named
    endpoints = find_endpoints(args.folder)
    url = endpoints.require("websocket_url")
    if not endpoints.local:
        if not named:
            raise CommandError(f"set {_TOKEN} to an access token; docs/clients.md says how to get one")
        return url, named
    address = f"{endpoints.require('page')}token"
    return url, lambda: asyncio.to_thread(_local_token, address)


def _local_token(address: str) -> str:
    """Ask the local page, which gives tokens in place of a login."""
    from urllib.request import urlopen

    with urlopen(address, timeout=10) as reply:  # noqa: S310 - of the run on this machine
        token: str = msgspec.json.decode(reply.read())["accessToken"]
    return token


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it takes at least one")
    return number
