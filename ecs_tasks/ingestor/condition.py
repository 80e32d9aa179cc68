"""Whether the task is well, as ``/health`` tells it."""

import time

from ecs_tasks.ingestor.connections import Connections

UNHEALTHY_SECONDS = 60.0
"""No connection at all for this long: not healthy."""


class Reachability:
    """Judges the connections: degraded if one is down, unhealthy if all were for long."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._last_well = time.monotonic()

    def judge(self) -> tuple[list[str], list[str]]:
        """Give (reasons for unhealthy, reasons for degraded).

        A venue that says itself that it does not trade is not cured by a restart, nor is there
        anything to connect to for a task that holds no group.
        """
        degraded = []
        for connection in self._connections:
            if not connection.connected:
                halted = ", as the venue does not trade for now" if connection.halted else ""
                degraded.append(f"{connection.entry.label} is not connected{halted}")
        well = not len(self._connections) or any(one.connected or one.halted for one in self._connections)
        now = time.monotonic()
        if well:
            self._last_well = now
        elif now - self._last_well >= UNHEALTHY_SECONDS:
            return [f"nothing is connected for {UNHEALTHY_SECONDS:g} s"], degraded
        return [], degraded
