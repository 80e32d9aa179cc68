"""SIGKILL for the processes in which functions run, while they work."""

import os
import random
import signal
import time
from functools import partial

from local.shard_delivery import MappingStatistics

from .platform import Platform, wait_until


def kill_in_batches(platform: Platform, function: str, *, times: int, seed: int, seconds: float = 120) -> None:
    """Kill a stream function until ``times`` kills have met a running invocation.

    Between two kills it gets some records through, so that what is killed is not only its start.
    """
    moments = random.Random(seed)
    statistics = platform.stack.function_statistics()[function]
    before = statistics.errors
    deadline = time.monotonic() + seconds
    while statistics.errors - before < times:
        assert time.monotonic() < deadline, f"{statistics.errors - before} kills met an invocation of {function}"
        delivered = statistics.records
        wait_until(partial(_got_on, statistics, delivered), seconds=seconds, what=f"{function} gets on")
        # No synchronisation: the moment of the crash is what is random here.
        time.sleep(moments.uniform(0, 0.2))
        kill(platform, function)


def _got_on(statistics: MappingStatistics, delivered: int) -> bool:
    return statistics.records > delivered


def kill(platform: Platform, function: str) -> int:
    """Kill what runs a function now; gives how many processes those were."""
    killed = 0
    for pid in platform.workers(function):
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            pass
    return killed
