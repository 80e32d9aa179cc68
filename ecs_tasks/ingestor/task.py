"""The task: wires connections, batcher, publisher and dead frames, and stops them in order."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from ecs_tasks.ingestor.batcher import Batcher
from ecs_tasks.ingestor.condition import Reachability
from ecs_tasks.ingestor.connection import Connection, Hooks
from ecs_tasks.ingestor.connections import Connections
from ecs_tasks.ingestor.coordination import Coordination
from ecs_tasks.ingestor.coordinator import Coordinator
from ecs_tasks.ingestor.dead_frames import DeadFrame, DeadFrames, Send
from ecs_tasks.ingestor.health import HealthServer
from ecs_tasks.ingestor.lease_calls import LeaseCalls
from ecs_tasks.ingestor.logs import log
from ecs_tasks.ingestor.notices import NoticeBoard
from ecs_tasks.ingestor.observation import Observation
from ecs_tasks.ingestor.publisher import Publisher, Put
from ecs_tasks.ingestor.session import Session
from ecs_tasks.ingestor.settings import IngestorSettings
from ecs_tasks.ingestor.stats import Stats
from ecs_tasks.ingestor.traces import RecordTraces
from tickwire.venues.feed import Feed, ParsedFrames
from tickwire.venues.registry import new_feed as registered_feed

GOODBYE_SECONDS = 2.0
"""How long a stopping task reads on for the venue's answer to its close frame."""
HAND_OVER_SECONDS = 10.0
"""How long it reads on for other tasks to take its groups over."""
RELEASE_SECONDS = 2.0
"""How long it takes to give up leases, which run out anyhow; the rest is for what is not accepted yet."""
PUBLISH, DEAD_FRAMES = "publish", "dead frames"


class IngestorTask:
    """One task with its connections.

    Parameters
    ----------
    put, send : the calls to Kinesis and SQS
    new_feed : gives a fresh parser by the feed's name
    coordination : how groups are shared with other tasks; None: this one holds every entry of the settings
    traces : which records X-Ray follows; None: none

    Raises
    ------
    UnknownSymbol, ValueError
        If a venue cannot have a symbol, or so many.
    """

    def __init__(
        self,
        settings: IngestorSettings,
        *,
        put: Put,
        send: Send,
        new_feed: Callable[[str], Feed] = registered_feed,
        coordination: Coordination | None = None,
        traces: RecordTraces | None = None,
    ) -> None:
        self.settings = settings
        self.stats = Stats()
        self._notices = NoticeBoard(partitions=settings.partitions)
        self._batcher = Batcher(
            partitions=settings.partitions, notices=self._notices, quotes_per_second=settings.quotes_per_second
        )
        self._publisher = Publisher(
            put=put,
            batcher=self._batcher,
            partitions=settings.partitions,
            stats=self.stats.published,
            accepted=self._check_pressure,
            traces=traces,
            flush_seconds=settings.flush_milliseconds / 1000,
            concurrency=settings.put_concurrency,
        )
        self._dead_frames = DeadFrames(
            send=send, max_bytes=settings.max_pending_frame_bytes, accepted=self._check_dead_frames
        )
        self.connections = Connections(
            new_feed=new_feed,
            hooks=Hooks(hand_over=self._hand_over, notice=self._connection_notice),
            stats=self.stats,
            attempts=None if coordination is None else coordination.attempts,
        )
        self._observation = Observation(
            metrics_seconds=settings.metrics_seconds,
            stats=self.stats,
            venues=self.connections.check(settings.feeds),
            connections=self.connections,
            pending=lambda: (self.pending_trades, len(self._dead_frames), self._publisher.stalled_seconds()),
            traces=traces,
        )
        self._reachability = Reachability(self.connections)
        self.coordinator: Coordinator | None = None
        if coordination is None:
            for entry in settings.feeds:
                self.connections.open(entry)
        else:
            self.coordinator = Coordinator(
                LeaseCalls(coordination.leases, coordination.members, holders=settings.holders),
                settings.feeds,
                holders=settings.holders,
                max_groups=settings.max_groups,
                open_connection=self.connections.open,
                close_connection=lambda connection: self.connections.close(connection, GOODBYE_SECONDS),
            )
        self._stopping = asyncio.Event()
        self._paused_since: float | None = None
        self._reading = asyncio.Event()
        self._reading.set()
        self.port = 0
        """Where ``/health`` and ``/stats`` listen, once the task runs."""

    @property
    def pending_trades(self) -> int:
        """Trades received and not yet accepted by Kinesis."""
        parsed = sum(len(s.parsed.trades) for c in self.connections for s in c.sessions)
        return parsed + self._batcher.pending_trades + self._publisher.unaccepted_trades

    @property
    def paused(self) -> bool:
        """Whether sockets are not read because too many trades are pending."""
        return self._paused_since is not None

    def stop(self) -> None:
        """Ask :meth:`run` to drain and return."""
        self._stopping.set()

    async def run(self, *, listening: Callable[[int], None] = lambda port: None) -> bool:
        """Ingest until asked to stop; gives whether everything received was accepted.

        ``listening`` is called with the port of ``/health`` and ``/stats`` once they are answered.

        Raises
        ------
        NoCoordinationTable
            If the table of the leases does not exist.
        OSError
            If the port is taken.
        ExceptionGroup
            If a part of the task failed by a fault of the programme.
        """
        if self.coordinator is not None:
            await self.coordinator.join()
        server = HealthServer({"/health": self.health, "/stats": lambda: (200, self.stats_json())})
        self.port = await server.start(self.settings.health_host, self.settings.health_port)
        listening(self.port)
        drained = False
        try:
            async with asyncio.TaskGroup() as group:
                flushing = group.create_task(self._publisher.run(self._collect))
                background = [flushing, group.create_task(self._dead_frames.run())]
                background += self._observation.start(group)
                self.connections.start(group)
                if self.coordinator is not None:
                    background.append(group.create_task(self.coordinator.run()))
                await self._stopping.wait()
                drained = await self._drain(flushing)
                for task in background:
                    task.cancel()
                self.connections.cancel()
                await self._observation.finish()
        finally:
            await server.stop()
        return drained

    def stats_json(self) -> dict[str, Any]:
        """Give ``/stats``."""
        for name, feed in self.stats.feeds.items():
            feed.last_frame_ns = max(
                [feed.last_frame_ns]
                + [s.last_frame_ns for c in self.connections if c.entry.feed == name for s in c.sessions]
            )
        self.stats.dead_frames_sent = self._dead_frames.sent
        counts = self.stats.as_json(pending_trades=self.pending_trades, pending_frames=len(self._dead_frames))
        return counts if self.coordinator is None else counts | {"coordination": self.coordinator.as_json()}

    def health(self) -> tuple[int, dict[str, Any]]:
        """Give ``/health``: 503 only for what a restart of the task might cure.

        That Kinesis or SQS accept nothing is none of it: the trades and frames that wait for them
        are only in this task's memory, and a restart would lose them.
        """
        unhealthy, degraded = self._reachability.judge()
        stalled = self._publisher.stalled_seconds()
        if stalled >= 5:
            degraded.append(f"a record waits to be accepted by Kinesis for {stalled:.0f} s")
        if self.paused:
            degraded.append(f"sockets are not read: {self.pending_trades} trades are pending")
        if not self._dead_frames.has_room():
            degraded.append(f"{len(self._dead_frames)} dead frames wait to be accepted by SQS")
        groups: dict[str, Any] = {}
        if self.coordinator is not None:
            groups = {"groups": self.coordinator.groups}
            if self.coordinator.trouble:
                degraded.append(f"leases cannot be kept, reading on: {self.coordinator.trouble}")
        status = "unhealthy" if unhealthy else "degraded" if degraded else "ok"
        return (503 if unhealthy else 200), {"status": status, "reasons": unhealthy + degraded} | groups

    async def _drain(self, flushing: asyncio.Task[None]) -> bool:
        """Stop reading without losing what venues sent, then send everything, within the time allowed."""
        deadline = time.monotonic() + self.settings.drain_seconds
        log(logging.INFO, "stopping", pending_trades=self.pending_trades)
        if self.coordinator is not None:
            await self.coordinator.hand_over(min(HAND_OVER_SECONDS, self.settings.drain_seconds / 3))
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0.0) / 2):
                await self._reading.wait()
        except TimeoutError:
            pass
        await self.connections.stop(GOODBYE_SECONDS)
        if self.coordinator is not None:
            await self.coordinator.release(RELEASE_SECONDS)
        flushing.cancel()
        await asyncio.wait([flushing])
        published = await self._publisher.drain(deadline - time.monotonic())
        sent = await self._dead_frames.drain(max(deadline - time.monotonic(), 0.0))
        if not (published and sent):
            log(
                logging.ERROR,
                "stopped before everything was accepted",
                lost_trades=self.pending_trades,
                lost_frames=len(self._dead_frames),
            )
        return published and sent

    def _collect(self) -> None:
        """Take in what all sockets have parsed since the last flush."""
        for connection in self.connections:
            for session in connection.sessions:
                self._hand_over(connection, session)

    def _hand_over(self, connection: Connection, session: Session) -> None:
        if _is_empty(session.parsed):
            return
        parsed = session.take()
        added = self._batcher.add(parsed)
        feed_stats = self.stats.feed(connection.entry.feed)
        feed_stats.add(parsed, added)
        feed_stats.last_frame_ns = max(feed_stats.last_frame_ns, session.last_frame_ns)
        self.stats.add_symbols(added)
        session.streams.observe(added, session.last_frame)
        self._post_notices(session.feed, parsed, session.last_frame_ns)
        for reject in parsed.rejects:
            self._dead_frames.add(DeadFrame(session.feed.name, session.feed.venue, reject))
        if parsed.rejects and self._dead_frames.is_full():
            connection.pause(DEAD_FRAMES)
        if added.trades:
            self._publisher.added()
            self._check_pressure()

    def _post_notices(self, feed: Feed, parsed: ParsedFrames, now: int) -> None:
        for reject in parsed.rejects:
            text = f"{feed.name}: {reject.reason.value}"
            self._notices.post(feed.venue, "frame_rejected", text, time=reject.receive_time)
        for name, count in parsed.drift.items():
            self._notices.post(feed.venue, "schema_drift", f"{feed.name}: {name}", time=now, count=count)
        for status in parsed.statuses:
            self._notices.post(feed.venue, "venue_status", f"{feed.name}: {status.text}", time=now)
            log(logging.INFO, "venue status", feed=feed.name, text=status.text[:200], reconnect=status.reconnect)
        if parsed.checksum_failures:
            text = f"{feed.name}: book checksum does not match"
            self._notices.post(feed.venue, "checksum", text, time=now, count=parsed.checksum_failures)

    def _connection_notice(self, connection: Connection, text: str) -> None:
        self._notices.post(connection.feed.venue, "connection", text, time=time.time_ns())

    def _check_pressure(self) -> None:
        """Stop reading all sockets at the bound on pending trades, read again at half of it."""
        limit = self.settings.max_pending_trades
        pending = self._batcher.pending_trades + self._publisher.unaccepted_trades
        if self._paused_since is None and pending > limit:
            self._paused_since = time.monotonic()
            self._reading.clear()
            log(logging.WARNING, "sockets are not read: too many trades are pending", pending_trades=pending)
            self.connections.pause(PUBLISH)
        elif self._paused_since is not None and pending <= limit // 2:
            seconds = time.monotonic() - self._paused_since
            self.stats.paused_seconds += seconds
            self._paused_since = None
            self._reading.set()
            log(logging.WARNING, "sockets are read again", pending_trades=pending, paused_seconds=round(seconds, 3))
            self.connections.resume(PUBLISH)

    def _check_dead_frames(self) -> None:
        if self._dead_frames.has_room():
            self.connections.resume(DEAD_FRAMES)


def _is_empty(parsed: ParsedFrames) -> bool:
    return not (parsed.frames or parsed.rejects)
