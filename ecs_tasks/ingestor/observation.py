"""What people see of the task from outside: its metrics and the traces of its records."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from ecs_tasks.ingestor.connections import Connections
from ecs_tasks.ingestor.metrics import SERVICE, IngestorMetrics, Standing
from ecs_tasks.ingestor.stats import Stats
from ecs_tasks.ingestor.traces import RecordTraces
from ecs_tasks.shared.metrics import LoopWatch, MetricsReport, VenueMetrics


class Observation:
    """Reports beside the ingestion, while it runs.

    Parameters
    ----------
    metrics_seconds : how often metrics are written; 0: never
    venues : the venue of each feed that the task may read
    pending : gives the trades and the frames that wait to be accepted, and the age of the oldest record, in s
    traces : None where no record is traced
    """

    def __init__(
        self,
        *,
        metrics_seconds: float,
        stats: Stats,
        venues: Mapping[str, str],
        connections: Connections,
        pending: Callable[[], tuple[int, int, float]],
        traces: RecordTraces | None,
    ) -> None:
        self._connections = connections
        self._pending = pending
        self._traces = traces
        self._loop = LoopWatch()
        self._metrics = IngestorMetrics(stats, venues)
        self._report = (
            MetricsReport(service=SERVICE, seconds=metrics_seconds, look=self._look) if metrics_seconds else None
        )

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Report in tasks of a group, which are the caller's to cancel."""
        running = []
        if self._report is not None:
            running += [group.create_task(self._loop.run()), group.create_task(self._report.run())]
        if self._traces is not None:
            running.append(group.create_task(self._traces.run()))
        return running

    async def finish(self) -> None:
        """Report what came since the last time."""
        if self._report is not None:
            self._report.report()
        if self._traces is not None:
            await self._traces.flush()

    def _look(self) -> VenueMetrics:
        connections = list(self._connections)
        trades, frames, stalled_seconds = self._pending()
        return self._metrics.look(
            Standing(
                groups=Counter(one.feed.venue for one in connections),
                sockets=Counter(one.feed.venue for one in connections if one.connected),
                pending_trades=trades,
                pending_frames=frames,
                stalled_seconds=stalled_seconds,
                loop=tuple(self._loop.take()),
            )
        )
