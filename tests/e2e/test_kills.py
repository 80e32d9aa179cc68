"""Every function of the flow killed with SIGKILL while captures go through it, many times."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .captures import capture_trades
from .conftest import StartPlatform, replay
from .kills import kill, kill_in_batches
from .markets import Market, rows_of, trading
from .platform import Platform, assert_stored, wait_until
from .scripted_exchange import ScriptedExchange

FUNCTIONS = (
    "validator",
    "signals",
    "market",
    "store_writer",
    "lake_writer",
    "lake_committer",
    "broadcaster",
    "websocket",
)


pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_functions_killed_at_random_while_captures_flow_change_nothing(
    start_platform: StartPlatform, captures: list[Path], seed: int
) -> None:
    trades = capture_trades(captures)
    moments = random.Random(seed)
    # At this speed the longest capture takes half a minute.
    with start_platform(replay(captures, speed="12")) as platform:
        killed = dict.fromkeys(FUNCTIONS, 0)
        while not platform.exchange_finished():
            # No synchronisation: the moment of the crash is what is random here.
            time.sleep(moments.uniform(0, 1.5))
            function = moments.choice(FUNCTIONS)
            killed[function] += kill(platform, function)
        platform.tell_truth()
        summary = platform.finish(seconds=300)

        met = {name: figures["errors"] for name, figures in summary["functions"].items()}
        assert sum(killed.values()) >= 10, killed
        assert sum(met.values()) >= 3, met
        assert summary["problems"] == []
        assert summary["trades"]["missing"] == summary["trades"]["unaccounted"] == 0
        assert summary["trades"]["made"] == summary["trades"]["stored"] == len(trades)
        assert all(figures["given_up"] == 0 for figures in summary["functions"].values())
        assert_stored(platform, trades)


@pytest.fixture(scope="module")
def platform(start_platform: StartPlatform, captures: list[Path]) -> Iterator[Platform]:
    """One stack for the functions that are killed one at a time; each test has symbols of its own."""
    with start_platform(replay(captures[-1:], speed="max")) as started:
        started.stack.wait_for_exchange(seconds=60)
        started.finish()
        yield started


@pytest.mark.parametrize("function", ["validator", "signals", "store_writer", "lake_writer"])
def test_a_function_killed_again_and_again_in_the_middle_of_batches_changes_nothing(
    platform: Platform, function: str
) -> None:
    bases = {"validator": "SOL AVAX", "signals": "DOT UNI", "store_writer": "ADA XLM", "lake_writer": "ATOM TRX"}
    markets = [Market("binance-us", f"{base}-USDT", seed=6) for base in bases[function].split()]
    with ScriptedExchange() as exchange:
        symbols = [market.symbol for market in markets]
        platform.ingest([{"feed": "binance-us", "symbols": symbols, "url": exchange.url("binance-us")}])
        wait_until(lambda: exchange.listeners("binance-us"), seconds=30, what="connected")
        with trading(exchange, "binance-us", markets):
            kill_in_batches(platform, function, times=12, seed=7)
        summary = platform.finish(seconds=300)

    assert summary["problems"] == []
    assert summary["functions"][function]["given_up"] == 0
    assert_stored(platform, rows_of(trade for market in markets for trade in market.trades))
