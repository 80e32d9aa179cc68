"""Whatever goes wrong at an exchange or here, every trade that the exchange has is stored once, and its bars are right.

With ``TICKWIRE_RELIABILITY`` naming a file, the measured times are written there as JSON (``make reliability``).
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from local.stack import Source, fetch
from tickwire.venues.registry import new_feed

from .conftest import StartPlatform
from .faults import KILLS, PAIRS, SINGLE, Outcome, Scenario, play, trades_of
from .platform import Platform, assert_stored

TICKWIRE = str(Path(sys.executable).with_name("tickwire"))
MARKET = ("--source", "simulator", "--seed", "11", "--rate", "150")
TIME_UNITS = {"binance": 10**6, "binance-us": 10**6, "coinbase": 10**3, "kraken": 10**3}
"""ns: to which the venues tell the time of a trade."""


def test_gaps_garbage_and_a_venues_own_hole_end_filled_or_confirmed_absent(start_platform: StartPlatform) -> None:
    chosen = {"hole", "venue outage", "garbage", "disconnect"}
    _play_all(start_platform, [scenario for scenario in SINGLE if scenario.name in chosen])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_fault(start_platform: StartPlatform) -> None:
    _play_all(start_platform, SINGLE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_pairs_of_faults(start_platform: StartPlatform) -> None:
    every = os.environ.get("TICKWIRE_RELIABILITY") is not None
    _play_all(start_platform, PAIRS if every else random.Random(2).sample(PAIRS, 12))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_processes_killed_while_gaps_are_filled(start_platform: StartPlatform) -> None:
    _play_all(start_platform, KILLS)


def _play_all(start_platform: StartPlatform, scenarios: Iterable[Scenario]) -> None:
    """Play them one after another on one platform, then compare everything with the exchange's own list."""
    with start_platform(Source("simulated market", MARKET)) as platform:
        _have_each_symbol_trade(platform)
        outcomes = [play(platform, scenario) for scenario in scenarios]
        platform.stop_exchange()
        # Killed tasks took their counts with them, so the sums are not compared here but the ids themselves.
        platform.end()
        made = platform.made()
        progress = platform.progress(made)
        trades = _since(trades_of(platform, sorted(made)), {key: p["first_id"] for key, p in progress.items()})
        absent = platform.rows("SELECT venue, symbol, first_id, last_id, evidence FROM findings WHERE kind = 'absent'")
        audit = _audit(platform)

        assert progress.keys() == made.keys()
        assert all(p["missing"] == 0 for p in progress.values())
        assert_stored(platform, trades, time_units=TIME_UNITS)
        for venue, symbol, first, last, evidence in absent:
            assert not made[f"{venue}:{symbol}"].within(first, last), (symbol, first, last, evidence)
        assert audit.returncode == 0, audit.stdout + audit.stderr
    _report(outcomes)


def _have_each_symbol_trade(platform: Platform) -> None:
    """What lies before the first trade that is seen of a symbol is not known here, so each has to have one."""
    listed = fetch(f"{platform.stack.exchange_url}/control/state")["catalogue"]
    keys = {f"{new_feed(feed).venue}:{symbol}" for feed, symbols in listed.items() for symbol in symbols}
    deadline = time.monotonic() + 60
    while unseen := keys - platform.progress(keys).keys():
        assert time.monotonic() < deadline, f"no trade of {unseen}"
        # Again and again, since those before the subscription reach nobody.
        for key in unseen:
            platform.burst(key, trades=2)
        time.sleep(1)


def _since(trades: pd.DataFrame, first_ids: dict[str, int]) -> pd.DataFrame:
    """Keep what came after the first trade that was seen here, with the venues' own precision of time."""
    first = (trades["venue"] + ":" + trades["symbol"]).map(first_ids)
    kept = trades[trades["trade_id"] >= first]
    unit = kept["venue"].map(TIME_UNITS).astype("int64")
    return kept.assign(
        price=kept["price"].map(Decimal), size=kept["size"].map(Decimal), time=kept["time"] // unit * unit
    )


def _audit(platform: Platform) -> "subprocess.CompletedProcess[str]":
    """Run the command as an operator does: the environment names the platform."""
    addresses = {f"TICKWIRE_{name.upper()}": str(value) for name, value in platform.stack.state().items() if value}
    environment = {**os.environ, **addresses, "AWS_ENDPOINT_URL": platform.stack.emulator.endpoint_url}
    return subprocess.run(
        [TICKWIRE, "audit", "--json"], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def _report(outcomes: list[Outcome]) -> None:
    path = os.environ.get("TICKWIRE_RELIABILITY")
    if path is None:
        return
    with Path(path).open("a") as file:
        file.writelines(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)
