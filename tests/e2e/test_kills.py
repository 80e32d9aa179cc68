"""Every function of the flow killed with SIGKILL while captures go through it, many times."""

import random
import time
from pathlib import Path

import pytest

from .captures import capture_trades
from .conftest import StartPlatform, replay
from .kills import kill
from .platform import assert_stored

FUNCTIONS = ("validator", "signals", "store_writer", "lake_writer", "lake_committer", "broadcaster", "websocket")


@pytest.mark.slow
@pytest.mark.timeout(900)
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
        platform.announced = platform.announcements()
        summary = platform.finish(seconds=300)

        met = {name: figures["errors"] for name, figures in summary["functions"].items()}
        assert sum(killed.values()) >= 10, killed
        assert sum(met.values()) >= 3, met
        assert summary["problems"] == []
        assert summary["trades"]["missing"] == summary["trades"]["unaccounted"] == 0
        assert summary["trades"]["announced"] == summary["trades"]["stored"] == len(trades)
        assert all(figures["given_up"] == 0 for figures in summary["functions"].values())
        assert_stored(platform, trades)
