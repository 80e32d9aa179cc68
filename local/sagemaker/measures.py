"""What CloudWatch would have of an endpoint: invocations, errors and latencies by variant and minute."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MINUTES = 24 * 60
_LATENCIES_A_MINUTE = 10_000
P99_SECONDS = 0.1
"""Above which an answer is late: the threshold of the deployed alarm (``cdk/constructs/model_endpoint.py``)."""
_LOOK_BACK = 3
"""Minutes. Errors in two of them, or late answers in each, raise the alarm."""


@dataclass(slots=True)
class Minute:
    """What one variant did in a minute; ``start`` is s UTC."""

    start: int
    invocations: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_A_MINUTE))

    @property
    def p99(self) -> float:
        """The 99th percentile of the latencies in seconds, nearest rank; 0 where there is none."""
        ordered = sorted(self.seconds)
        return ordered[-(-99 * len(ordered) // 100) - 1] if ordered else 0.0


class Measures:
    """Of one endpoint; ``clock`` gives s UTC."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._minutes: dict[str, deque[Minute]] = {}

    def add(self, variant: str, *, status: int, seconds: float) -> None:
        """Count one invocation by the status that the model answered."""
        start = int(self._clock()) // 60 * 60
        minutes = self._minutes.setdefault(variant, deque(maxlen=_MINUTES))
        if not minutes or minutes[-1].start != start:
            minutes.append(Minute(start))
        minute = minutes[-1]
        minute.invocations += 1
        minute.errors_4xx += 400 <= status < 500
        minute.errors_5xx += status >= 500
        minute.seconds.append(seconds)

    def alarms(self) -> list[str]:
        """Say what is wrong in the last minutes; nothing where all is well."""
        first = int(self._clock()) // 60 * 60 - 60 * (_LOOK_BACK - 1)
        found = []
        for variant, minutes in sorted(self._minutes.items()):
            recent = [minute for minute in minutes if minute.start >= first]
            failing = [minute for minute in recent if minute.errors_5xx]
            late = [minute for minute in recent if minute.p99 > P99_SECONDS]
            if len(failing) >= 2:
                found.append(f"{variant}: errors in {len(failing)} of {_LOOK_BACK} minutes")
            if len(late) == _LOOK_BACK:
                found.append(f"{variant}: the 99th percentile is {late[-1].p99 * 1000:.0f} ms")
        return found

    def told(self, since: float = 0.0) -> dict[str, Any]:
        """Give the state of the alarm, and of each variant its sums since a moment, s UTC."""
        alarms = self.alarms()
        variants = {}
        for variant, minutes in self._minutes.items():
            counted = [minute for minute in minutes if minute.start + 60 > since]
            variants[variant] = {
                "invocations": sum(minute.invocations for minute in counted),
                "errors_4xx": sum(minute.errors_4xx for minute in counted),
                "errors_5xx": sum(minute.errors_5xx for minute in counted),
                "p99_ms": round(1000 * max((minute.p99 for minute in counted), default=0.0), 3),
            }
        return {"alarm": "ALARM" if alarms else "OK", "reasons": alarms, "variants": variants}
