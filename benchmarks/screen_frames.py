"""Measures how much script the page runs for each frame while updates come in, by a trace of a real Chromium.

    python -m benchmarks.screen_frames
    python -m benchmarks.screen_frames --page '#/symbol/venue-0:S00-USD' --rate 1000 --seconds 10 --json

A frame is a sixtieth of a second, whether something was drawn in it or not. Its script is what the page's main thread
spends in the functions, timers and garbage collections that begin in it, on the thread's own processor clock: what else
the machine does is not in it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jwt
import numpy as np
from aiohttp import web

from benchmarks.screen_feed import Feed, application
from local.browser import opened
from tickwire.errors import TickwireError

_DIST = Path(__file__).parents[1] / "dashboard" / "dist"
_CATEGORIES = "devtools.timeline,disabled-by-default-devtools.timeline,blink.user_timing,v8"
_SCRIPT = frozenset(
    {"FunctionCall", "EvaluateScript", "TimerFire", "FireAnimationFrame", "EventDispatch", "RunMicrotasks"}
    | {"MinorGC", "MajorGC", "V8.GCScavenger", "V8.GCFinalizeMC"}
)
_FRAME_US = 1e6 / 60
_SYMBOLS = [f"venue-{k // 20}:S{k:02d}-USD" for k in range(100)]


def main() -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.screen_frames",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--page", default="#/markets", metavar="HASH", help="which page of the dashboard (#/markets)")
    parser.add_argument("--rate", type=int, default=1_000, metavar="N", help="updates a second (1,000)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="how long is recorded (10)")
    parser.add_argument("--json", action="store_true", help="print one object instead of sentences")
    options = parser.parse_args()
    if not (_DIST / "index.html").exists():
        print("the page is not built; run `make setup`", file=sys.stderr)
        return 2
    try:
        found = asyncio.run(measure(options.page, rate=options.rate, seconds=options.seconds))
    except TickwireError as error:
        print(f"screen_frames: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found))
    else:
        script = ", ".join(f"{name} {value:.2f}" for name, value in found["script_ms"].items())
        print(
            f"{found['updates_per_second']:,.0f} updates/s on {options.page}: ms of script per frame {script};"
            f" {found['frames_above_8_ms']} of {found['frames']} frames above 8 ms;"
            f" {found['script_share']:.0%} of a core"
        )
    return 0


async def measure(page: str, *, rate: int, seconds: float) -> dict[str, Any]:
    """Open the page on a feed of so many updates a second, and give what its frames took.

    Raises
    ------
    TickwireError
        If there is no browser, or the page does not come to life.
    """
    feed = Feed(_SYMBOLS, rate=rate)
    # Of the form of a token, since the page reads its user's roles there; nothing here verifies it.
    token = jwt.encode({"sub": "you", "cognito:groups": ["viewer"], "exp": 4_000_000_000}, "k" * 32, algorithm="HS256")
    runner = web.AppRunner(application(_DIST, feed, token=token))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with opened(f"http://127.0.0.1:{port}/{page}") as tab:
            await tab.wait_for("document.body?.innerText.includes('S01-USD')", seconds=30)
            # Past the first drawing and the compiling of what runs often.
            await asyncio.sleep(3)
            before = feed.sent
            events = await tab.trace(seconds, categories=_CATEGORIES)
            sent = feed.sent - before
    finally:
        await runner.cleanup()
    script = script_by_frame(events)
    quantiles = dict(zip(("p50", "p95", "p99", "most"), np.quantile(script, [0.5, 0.95, 0.99, 1.0]), strict=True))
    return {
        "page": page,
        "updates_per_second": sent / seconds,
        "frames": len(script),
        "frames_above_8_ms": int((script > 8).sum()),
        "script_ms": {name: float(value) for name, value in quantiles.items()},
        "script_share": float(script.sum()) / 1_000 / seconds,
    }


def script_by_frame(events: Sequence[dict[str, Any]]) -> np.ndarray:
    """Give the ms of script in each frame, of the thread of a trace that runs the most.

    Raises
    ------
    TickwireError
        If no script ran.
    """
    by_thread: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in events:
        if event.get("ph") == "X" and event["name"] in _SCRIPT:
            by_thread.setdefault((event["pid"], event["tid"]), []).append(event)
    if not by_thread:
        raise TickwireError("no script ran while the page was recorded")
    busiest: list[dict[str, Any]] = max(by_thread.values(), key=len)
    stretches = list(_outermost(busiest))
    start = stretches[0][0]
    frames = np.array([(at - start) // _FRAME_US for at, _ in stretches], dtype=np.int64)
    return np.bincount(frames, weights=[spent / 1_000 for _, spent in stretches])


def _outermost(events: Iterable[dict[str, Any]]) -> Iterable[tuple[float, float]]:
    """Give start and processor time (µs) of each stretch of script that lies in no other."""
    until = -1.0
    for event in sorted(events, key=lambda one: (one["ts"], -one.get("dur", 0))):
        if event["ts"] < until:
            continue
        until = event["ts"] + event.get("dur", 0)
        yield event["ts"], event.get("tdur", event.get("dur", 0))


if __name__ == "__main__":
    raise SystemExit(main())
