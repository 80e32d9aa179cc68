"""Measures one prepared benchmark; also in the peers' own environment, so it imports the standard library alone."""

import gc
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

MAX_PASSES = 25


def nothing(*_: object) -> None:
    """Prepare nothing, check nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A benchmark with its data made and its agreement not yet shown.

    Attributes
    ----------
    rows : trades (or bars, or frames) that one pass handles
    run : what is timed; it is given what ``fresh`` gave, and gives what ``check`` looks at
    fresh : makes the state that a pass starts from, untimed
    check : raises AssertionError where the outcome of a pass is not what independent truth says
    facts : what else is worth telling, such as bytes a trade
    """

    rows: int
    run: Callable[[Any], Any]
    fresh: Callable[[], Any] = nothing
    check: Callable[[Any], None] = nothing
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians over the passes; seconds of one pass."""

    cpu_seconds: float
    wall_seconds: float
    passes: int


def rehearse(prepared: Prepared) -> None:
    """Go through one pass untimed, which also warms what is lazy, and check its outcome."""
    prepared.check(prepared.run(prepared.fresh()))


def measure(prepared: Prepared, *, passes: int, seconds: float) -> Timing:
    """Time passes until there are ``passes`` of them and they took ``seconds`` of CPU together.

    CPU seconds are those of the whole process, user and system: on a shared machine a second on the wall
    may hold much less of them.
    """
    cpu: list[float] = []
    wall: list[float] = []
    while len(cpu) < MAX_PASSES and (len(cpu) < passes or sum(cpu) < seconds):
        state = prepared.fresh()
        gc.collect()
        gc.disable()
        wall_begun, cpu_begun = time.perf_counter(), time.process_time()
        prepared.run(state)
        cpu_ended, wall_ended = time.process_time(), time.perf_counter()
        gc.enable()
        cpu.append(cpu_ended - cpu_begun)
        wall.append(wall_ended - wall_begun)
    return Timing(median(cpu), median(wall), len(cpu))


def peak_mib() -> float:
    """Give the most memory that this process has held at once, interpreter and libraries included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
