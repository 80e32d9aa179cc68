"""SIGKILL for the processes in which functions run, while they work."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from local.shard_delivery import MappingStatistics

from .platform import Platform, wait_until


def kill_in_batches(platform: Platform, function: str, *, times: int, seed: int, seconds: float = 240) -> None:
    """Kill a stream function in the middle of its invocations, until ``times`` of these have failed.

    Between two kills it gets some records through, so that what is killed is not only its start.
    About every other kill comes while the emulator is held still, which then finds the request of a
    dead caller: what the function has put is taken, and its state was not saved.
    """
    moments = random.Random(seed)
    statistics = platform.stack.function_statistics()[function]
    before = statistics.errors
    deadline = time.monotonic() + seconds
    while (met := statistics.errors - before) < times:
        assert time.monotonic() < deadline, f"{met} kills met an invocation of {function}"
        delivered = statistics.records
        wait_until(partial(_got_on, statistics, delivered), seconds=seconds, what=f"{function} gets on")
        mean = statistics.seconds_invoking / statistics.invocations
        wait_until(lambda: statistics.running, seconds=seconds, what=f"{function} is invoked", pause=0.001)
        # No synchronisation: the moment of the crash within the invocation is what is random here.
        time.sleep(moments.uniform(0, mean))
        if moments.random() < 0.5:
            kill(platform, function)
        else:
            with _held_still(platform.stack.emulator.pid):
                time.sleep(0.1)
                kill(platform, function)


@contextmanager
def _held_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


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
