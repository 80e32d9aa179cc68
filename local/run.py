"""One run from the first line on the terminal to the summary: start, watch, drain, account, stop."""

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from local.accounting import summary_line
from local.books import close_books
from local.completion import complete
from local.exchange.faults.order import as_given, read_orders
from local.run_lock import RunLock
from local.stack import LocalPlatform, Source, clear, fetch
from tickwire.errors import TickwireError

_DRAIN_SECONDS = 120
_CONNECT_SECONDS = 4.0
"""After this long without a connection the terminal says why."""


def run(args: argparse.Namespace) -> int:
    """Run as the command line says; 0 if every trade is accounted for, else 1."""
    terminal = Terminal(quiet=args.json)
    stopping = _Stopping()
    root = Path(args.folder).resolve()
    dashboard = Path(__file__).parents[1] / "dashboard" / "dist"
    if not (dashboard / "index.html").exists():
        raise TickwireError("the page is not built; run `make setup` in the checkout")
    source = _source(args)
    with RunLock(root):
        clear(root / "run")
        terminal.line(f"Tickwire · {source.name}")
        stack = LocalPlatform(root / "run", source=source, port=args.port, report=terminal.started, dashboard=dashboard)
        stack.start()
        try:
            stopping.starting = False
            terminal.line(f"\n  open {stack.page.url}   (Ctrl-C stops)\n")
            _watch(stack, terminal, stopping, seconds=args.seconds)
            summary = _finish(stack, terminal)
        finally:
            stopping.ending = True
            terminal.clear()
            stack.stop()
    (root / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    if args.json:
        print(json.dumps(summary))
    else:
        print(json.dumps(summary, indent=2))
        terminal.line(summary_line(summary))
    if summary["trades"]["received"] == 0:
        raise TickwireError("no trade was received")
    return 0 if summary["accounted"] else 1


class Terminal:
    """Progress on standard error: lines that stay, and one live line where there is a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet

    def line(self, text: str) -> None:
        """Print a line that stays."""
        if not self._quiet:
            self.clear()
            self._write(f"{text}\n")

    def started(self, name: str, seconds: float) -> None:
        """Say that a part is up, and how long that took."""
        self.line(f"  ✓ {name:<28}{seconds:5.1f} s")

    def live(self, text: str) -> None:
        """Replace the live line."""
        if self._live:
            self._write(f"\r\033[K{text}")

    def clear(self) -> None:
        """Remove the live line."""
        if self._live:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        # A terminal whose window was closed takes nothing; the run still has to be ended in order.
        with contextlib.suppress(OSError):
            print(text, end="", file=sys.stderr, flush=True)


class _Stopping(threading.Event):
    """Set by what asks for the end: Ctrl-C, ``kill``, or the terminal's window closed.

    While the run starts there are no books to wait for, and who asks twice does not want to wait
    for them: both raise KeyboardInterrupt. Once everything is being stopped nothing disturbs that,
    or it would leave processes behind.
    """

    def __init__(self) -> None:
        super().__init__()
        self.starting = True
        self.ending = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: object) -> None:
        if self.ending:
            return
        if self.starting or self.is_set():
            self.ending = True
            raise KeyboardInterrupt
        self.set()


def _source(args: argparse.Namespace) -> Source:
    if args.live:
        if args.faults:
            raise TickwireError("real exchanges take no orders for faults: leave out --faults or --live")
        return Source("live: Binance, Coinbase, Kraken", None)
    if args.replay:
        files = [Path(name) for name in args.replay]
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            raise TickwireError(f"no such capture: {', '.join(missing)}")
        names = ", ".join(file.name for file in files)
        arguments = ("--source", "replay", *map(str, files), "--speed", str(args.speed), *_faults(args))
        return Source(f"replay of {names}", arguments, replayed=True)
    arguments = ("--source", "simulator", "--seed", str(args.seed), "--rate", str(args.rate), *_faults(args))
    return Source(f"simulated market, seed {args.seed}", arguments)


def _faults(args: argparse.Namespace) -> tuple[str, ...]:
    """Give the exchange's arguments for faults, read here so that a wrong one is told at once."""
    if args.faults is None:
        return ()
    path = Path(args.faults)
    text = path.read_text() if not args.faults.lstrip().startswith(("[", "{")) else args.faults
    return ("--faults", msgspec.json.encode([as_given(order) for order in read_orders(text)]).decode())


def _watch(stack: LocalPlatform, terminal: Terminal, stopping: _Stopping, *, seconds: float | None) -> None:
    started = time.monotonic()
    last_trades, last_at = 0, started
    told: set[str] = set()
    while not stopping.wait(1.0):
        now = time.monotonic()
        if seconds is not None and now - started >= seconds:
            return
        stack.check()
        try:
            statistics = fetch(f"{stack.ingestor_url}/stats")
            finished = stack.exchange_url is not None and fetch(f"{stack.exchange_url}/control/state")["finished"]
        except OSError:
            # Busy, which passes, or dead, which the next check tells.
            continue
        if now - started > _CONNECT_SECONDS:
            for name, feed in statistics["feeds"].items():
                if not feed["connected"] and name not in told:
                    told.add(name)
                    terminal.line(f"  ✗ {name} is not connected, trying again: {feed['last_end']}")
        trades = sum(symbol["trades"] for symbol in statistics["symbols"].values())
        rate, last_trades, last_at = (trades - last_trades) / (now - last_at), trades, now
        terminal.live(_live_line(stack, trades, rate))
        if finished:
            return


def _live_line(stack: LocalPlatform, trades: int, rate: float) -> str:
    delivered = stack.watcher.delivered
    progress = list(delivered.progress.values())
    recent = sorted(delivered.seconds[-500:])
    latency = f"{recent[len(recent) // 2] * 1000:.0f} ms" if recent else "–"
    accepted = sum(p["accepted"] for p in progress)
    missing = sum(p["missing"] for p in progress)
    quarantined = sum(p["quarantined"] for p in progress)
    return (
        f"  {rate:7,.0f} trades/s │ received {trades:,} │ validated {accepted:,} │ missing {missing:,}"
        f" │ quarantined {quarantined:,} │ socket → screen {latency}"
    )


def _finish(stack: LocalPlatform, terminal: Terminal) -> dict[str, Any]:
    terminal.line("draining: what was received goes through to the end")
    if stack.exchange_url is not None:
        fetch(f"{stack.exchange_url}/control/stop", method="POST")
        stack.wait_for_exchange(seconds=10)
    ingested = stack.stop_ingestor()
    left = complete(stack, seconds=_DRAIN_SECONDS)
    if left:
        terminal.line(f"not everything could be filled within {_DRAIN_SECONDS} s: {left}")
    backfilled = stack.stop_backfiller()
    drained = stack.drain(seconds=_DRAIN_SECONDS)
    truth = None if stack.exchange_url is None else fetch(f"{stack.exchange_url}/control/truth")
    summary = close_books(
        stack,
        ingested=ingested,
        backfilled=backfilled,
        truth=truth,
    )
    summary["drained"] = drained
    summary["outstanding"] = {"missing": left.missing, "tails": list(left.tails), "bars": left.bars}
    summary["accounted"] = bool(summary["accounted"] and drained)
    return summary
