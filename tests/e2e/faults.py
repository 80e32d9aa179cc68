"""Faults ordered at the exchange and processes killed, and what the platform made of them."""

import csv
import io
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pandas as pd

from local.stack import fetch

from .kills import kill
from .platform import Platform, wait_until

Order = Mapping[str, Any]

FAULTS: dict[str, tuple[Order, ...]] = {
    "duplicate": ({"kind": "duplicate", "share": 0.3, "delay": 1.0, "seconds": 3},),
    "reorder": ({"kind": "reorder", "share": 0.3, "delay": 1.5, "seconds": 3},),
    "hole": (
        {"kind": "hole", "feed": "binance", "symbol": "BTC-USDT", "count": 60},
        {"kind": "hole", "feed": "coinbase", "symbol": "ETH-USD", "count": 5},
        {"kind": "hole", "feed": "kraken", "symbol": "BTC-USD", "count": 3},
    ),
    "venue outage": ({"kind": "hole", "feed": "binance", "symbol": "ETH-USDT", "venue_outage": True, "count": 40},),
    "garbage": ({"kind": "garbage", "share": 0.2, "replace": True, "seconds": 3},),
    "disconnect": ({"kind": "disconnect", "mode": "abort", "seconds": 1, "refuse": 2},),
    "half-open": ({"kind": "half_open", "feed": "binance", "seconds": 5},),
    "silent stream": ({"kind": "silent_stream", "feed": "binance", "symbol": "SOL-USDT", "seconds": 5},),
    "clock jump": ({"kind": "clock_jump", "feed": "binance", "offset": 20, "seconds": 3},),
    "REST outage": (
        {"kind": "rest_outage", "seconds": 6},
        {"kind": "hole", "feed": "binance", "symbol": "BTC-USDT", "count": 20},
    ),
    "REST throttle": (
        {"kind": "rest_throttle", "seconds": 5, "retry_after": 3},
        {"kind": "hole", "feed": "binance", "symbol": "ETH-USDT", "count": 20},
    ),
    "maintenance": ({"kind": "maintenance", "feed": "kraken", "seconds": 4},),
    "server shutdown": ({"kind": "server_shutdown", "feed": "binance", "seconds": 2},),
}
"""What is ordered for each; where no feed is named, all of them."""

TASKS = ("ingestor", "backfiller")
FUNCTIONS = ("validator", "signals", "store_writer", "lake_writer", "lake_committer")
KILLED = (*TASKS, *FUNCTIONS)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults that come at once, and what is killed while they last."""

    name: str
    orders: tuple[Order, ...]
    kills: tuple[str, ...] = ()


SINGLE = [Scenario(name, orders) for name, orders in FAULTS.items()]
PAIRS = [Scenario(f"{a} + {b}", (*FAULTS[a], *FAULTS[b])) for a, b in combinations(FAULTS, 2)]
KILLS = [Scenario(f"hole, {name} killed", FAULTS["hole"], (name,)) for name in KILLED]


@dataclass(slots=True)
class Outcome:
    """What became of a scenario. Times in seconds.

    Attributes
    ----------
    noticed : from the trade (or heartbeat) that shows a gap to the gap in the ledger's record
    filled : from there until nothing of it was missing
    ids : of the gaps, by how they were filled: live, history, absent, quarantined
    settled : from the end of the faults until nothing was missing and every bar was right again
    """

    name: str
    gaps: int
    ids: dict[str, int] = field(default_factory=dict)
    noticed: list[float] = field(default_factory=list)
    filled: list[float] = field(default_factory=list)
    settled: float = 0.0


def play(platform: Platform, scenario: Scenario, *, seconds: float = 90) -> Outcome:
    """Order the faults, kill what is to be killed, wait until all is well again; give what was measured."""
    started = time.time_ns()
    platform.order(*scenario.orders)
    for name in scenario.kills:
        _kill(platform, name)
    wait_until(lambda: not _active_faults(platform), seconds=60, what=f"the end of {scenario.name}")
    ended = time.monotonic()
    due = {key: max(last for _, last in ids.ranges()) for key, ids in platform.made().items()}
    deadline = ended + seconds
    while left := _unsettled(platform, due):
        assert time.monotonic() < deadline, f"{scenario.name}: {left}; {_backfiller(platform)}"
        time.sleep(0.25)
    settled = time.monotonic() - ended
    rows = platform.rows(
        "SELECT noticed_ns, before_time_ns, closed_ns, live, history, absent, quarantined FROM gaps"
        " WHERE noticed_ns >= %s",
        started,
    )
    outcome = Outcome(scenario.name, len(rows), settled=settled)
    for index, name in enumerate(("live", "history", "absent", "quarantined"), 3):
        outcome.ids[name] = sum(row[index] for row in rows)
    outcome.noticed = sorted(max(0.0, (row[0] - row[1]) / 1e9) for row in rows if row[1])
    outcome.filled = sorted((row[2] - row[0]) / 1e9 for row in rows if row[2])
    return outcome


def trades_of(platform: Platform, keys: Sequence[str]) -> pd.DataFrame:
    """Give what the exchange itself says that it traded, as the oracle writes trades; exact decimals."""
    frames = []
    for key in keys:
        venue, _, symbol = key.partition(":")
        with urlopen(f"{platform.stack.exchange_url}/control/tape?symbol={quote(key)}", timeout=30) as reply:
            rows = list(csv.DictReader(io.StringIO(reply.read().decode())))
        frame = pd.DataFrame(rows).assign(venue=venue, symbol=symbol)
        frame["trade_id"], frame["time"] = frame["trade_id"].astype("int64"), frame["time"].astype("int64")
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _backfiller(platform: Platform) -> Any:
    return fetch(f"{platform.stack.backfiller_url}/health")


def _kill(platform: Platform, name: str) -> None:
    if name == "ingestor":
        os.kill(platform.stack.ingestor.pid, signal.SIGKILL)
        platform.stack.start_ingestor()
    elif name == "backfiller":
        os.kill(platform.stack.backfiller.pid, signal.SIGKILL)
        platform.stack.start_backfiller()
    else:
        statistics = platform.stack.function_statistics().get(name)
        if statistics is not None:
            wait_until(lambda: statistics.running, seconds=60, what=f"{name} is invoked", pause=0.001)
        wait_until(lambda: kill(platform, name), seconds=60, what=f"{name} runs and is killed")


def _active_faults(platform: Platform) -> list[Any]:
    faults = fetch(f"{platform.stack.exchange_url}/control/faults")["faults"]
    return [fault for fault in faults if fault["state"] != "ended"]


def _unsettled(platform: Platform, due: Mapping[str, int]) -> str:
    """Say what is not well yet: trades not seen, ids missing, bars not right; empty if all is."""
    rows = platform.rows("SELECT venue || ':' || symbol, last_id, missing FROM progress")
    ((gaps, bars),) = platform.rows(
        "SELECT (SELECT count(*) FROM gaps WHERE remaining > 0), (SELECT count(*) FROM bar_repairs)"
    )
    unseen = {key: due[key] - last for key, last, _ in rows if due.get(key, last) > last}
    missing = {key: missing for key, _, missing in rows if missing}
    left = {"not seen": unseen, "missing": missing, "open gaps": gaps, "bars to repair": bars}
    return ", ".join(f"{name}: {value}" for name, value in left.items() if value)
