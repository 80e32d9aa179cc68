"""Metrics of the tasks, as lines of JSON from which CloudWatch Logs makes metrics.

Source: CloudWatch user guide, "Specification: Embedded metric format". The awslogs driver carries each line of standard
output as one log event (those above 16 KiB in pieces, which ours, of one or two, never are); no header and no agent is
needed for CloudWatch to find the metrics in it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NAMESPACE = "Tickwire"
DIMENSIONS = ("service", "venue")
MAX_METRICS = 100
"""Of one line, by the specification."""
LOOP_SECONDS = 0.25
"""How often the event loop's lag is looked at."""


class Unit(StrEnum):
    """CloudWatch's names of units."""

    COUNT = "Count"
    MILLISECONDS = "Milliseconds"
    PERCENT = "Percent"
    SECONDS = "Seconds"


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of one metric."""

    name: str
    unit: Unit
    value: float


VenueMetrics = Mapping[str, Sequence[Metric]]
"""Metrics by venue."""


def metric_line(metrics: Sequence[Metric], *, service: str, venue: str, time_ms: int) -> str:
    """Give one line of JSON, without a line end; ``time_ms`` is ms UTC.

    Raises
    ------
    ValueError
        If there are more metrics than one line may name.
    """
    if len(metrics) > MAX_METRICS:
        raise ValueError(f"{len(metrics)} metrics in one line, above {MAX_METRICS}")
    line: dict[str, Any] = {
        "_aws": {
            "Timestamp": time_ms,
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(DIMENSIONS)],
                    "Metrics": [{"Name": metric.name, "Unit": metric.unit.value} for metric in metrics],
                }
            ],
        },
        "service": service,
        "venue": venue,
    }
    for metric in metrics:
        line[metric.name] = metric.value
    return json.dumps(line, separators=(",", ":"), allow_nan=False)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


class MetricsReport:
    """Writes a line a venue at regular times.

    Parameters
    ----------
    look : gives what happened since it was called last
    write : takes the lines, each with its end
    """

    def __init__(
        self,
        *,
        service: str,
        seconds: float,
        look: Callable[[], VenueMetrics],
        write: Callable[[str], object] = _print,
    ) -> None:
        self._service = service
        self._seconds = seconds
        self._look = look
        self._write = write

    async def run(self) -> None:
        """Report for ever."""
        while True:
            await asyncio.sleep(self._seconds)
            self.report()

    def report(self) -> None:
        """Report once, as when the task stops."""
        now = time.time_ns() // 1_000_000
        lines = (
            metric_line(metrics, service=self._service, venue=venue, time_ms=now) + "\n"
            for venue, metrics in self._look().items()
        )
        # In one piece: a line that another one cuts in two is no metric.
        self._write("".join(lines))


class LoopWatch:
    """Measures what the task takes of its core: how late the event loop is, and its share of processor time.

    A task is one thread in the main, so a service whose tasks have two processors is at its end at half of
    ECS' ``CPUUtilization``.
    """

    def __init__(self) -> None:
        self._lag = 0.0
        self._since = time.monotonic()
        self._used = time.process_time()

    async def run(self) -> None:
        """Measure for ever."""
        while True:
            expected = time.monotonic() + LOOP_SECONDS
            await asyncio.sleep(LOOP_SECONDS)
            self._lag = max(self._lag, time.monotonic() - expected)

    def take(self) -> list[Metric]:
        """Give the longest lag and the share of a processor since the last call."""
        now, used = time.monotonic(), time.process_time()
        share = 100 * (used - self._used) / max(now - self._since, 1e-3)
        lag, self._lag, self._since, self._used = self._lag, 0.0, now, used
        return [milliseconds("LoopLagMax", lag), Metric("CpuShare", Unit.PERCENT, round(share, 1))]


def counts(values: Mapping[str, int]) -> list[Metric]:
    """Give counts by their names."""
    return [Metric(name, Unit.COUNT, value) for name, value in values.items()]


def milliseconds(name: str, seconds: float) -> Metric:
    """Give a duration."""
    return Metric(name, Unit.MILLISECONDS, round(1000 * seconds, 3))
