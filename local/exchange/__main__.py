"""``python -m local.exchange``: serve a simulated market or recordings until told to stop."""

import argparse
import asyncio
import gc
import json
import signal
import sys
from pathlib import Path

from local.exchange.faults.order import FaultOrder, FaultRefused, read_orders
from local.exchange.floor import steady_clock
from local.exchange.listings import listings
from local.exchange.replay import MAX_SPEED, ReplaySource
from local.exchange.server import Address, Exchange
from local.exchange.simulator import DEFAULT_RATE
from local.exchange.source import SimulatorSource, Source
from tickwire.capture import CaptureError


def main(arguments: list[str] | None = None) -> int:
    """Run the exchange; give the exit status."""
    options = _parser().parse_args(arguments)
    if options.source == "replay" and not options.files:
        _parser().error("--source replay needs at least one capture file")
    if options.source == "simulator" and options.files:
        _parser().error("--source simulator takes no files")
    return asyncio.run(_serve(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.exchange", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--source", choices=("simulator", "replay"), default="simulator")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the simulated market and of the faults (default: %(default)s)"
    )
    parser.add_argument(
        "--rate", type=_rate, default=DEFAULT_RATE, help="mean trades a second over all markets (default: %(default)s)"
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        choices=[name for name, listing in listings().items() if not listing.is_default],
        help="simulate this venue besides those of the default catalogue",
    )
    parser.add_argument(
        "--speed", type=_speed, default=1.0, help="times faster than recorded; 0 or max: as fast as clients take it"
    )
    parser.add_argument(
        "--subscribers", type=int, default=1, help="connections that must listen before a recording starts"
    )
    parser.add_argument(
        "--faults", type=_faults, default=[], metavar="FILE|JSON", help="faults to make: an order, or a list of them"
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="captures to replay")
    return parser


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 1_000_000:
        raise argparse.ArgumentTypeError(f"not a rate above 0: {text}")
    return rate


def _speed(text: str) -> float:
    speed = MAX_SPEED if text == "max" else float(text)
    if not 0 <= speed < float("inf"):
        raise argparse.ArgumentTypeError(f"not a speed: {text}")
    return speed


def _faults(text: str) -> list[FaultOrder]:
    try:
        return read_orders(text if text.lstrip()[:1] in ("[", "{") else Path(text).read_bytes())
    except (FaultRefused, OSError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _source(options: argparse.Namespace) -> Source:
    if options.source == "replay":
        return ReplaySource(options.files, speed=options.speed, subscribers=options.subscribers)
    return SimulatorSource(seed=options.seed, rate=options.rate, now=steady_clock()(), also=options.also)


async def _serve(options: argparse.Namespace) -> int:
    try:
        address = Address(host=options.host, port=options.port)
        exchange = Exchange(_source(options), address, seed=options.seed, faults=options.faults)
        port = await exchange.start()
    except (CaptureError, FaultRefused) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 2
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    # What exists now lives as long as the process: the collector need not walk it again and again.
    gc.freeze()
    print(json.dumps({"event": "listening", "port": port}), flush=True)
    stop = asyncio.create_task(told.wait())
    play = asyncio.create_task(exchange.wait())
    await asyncio.wait([stop, play], return_when=asyncio.FIRST_COMPLETED)
    if play.done() and play.exception() is None:
        # A source that has ended still answers, so that clients and their controllers can finish.
        await stop
    failure = play.exception() if play.done() else None
    play.cancel()
    await exchange.close()
    print(json.dumps({"event": "stopped", "state": exchange.state()}), flush=True)
    if failure is not None:
        print(f"error: the source failed: {failure!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
