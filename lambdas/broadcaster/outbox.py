"""Delivers messages to many connections at once, and takes note of those that are gone."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.broadcaster.pacing import Pacing
from lambdas.broadcaster.posts import PostTimedOut
from lambdas.broadcaster.subscribers import Subscribers
from lambdas.websocket.connections import Connections, SubscriptionsNotWritten
from lambdas.websocket.posts import PostFailed

CONCURRENCY = 128
"""Posts under way at once. At 15 ms a post they are 8,500 a second, more than a process' share."""

DELIVERY_SECONDS = 8.0
"""Beside the time for which pacing spreads the posts. What is not begun by then is dropped, and served first next.

Long, as a hole is asked for again, which a processor that is behind can afford least.
"""
MAX_DELIVERY_SECONDS = 20.0
"""Well below the function's timeout."""
REMOVAL_SECONDS = 2.0
"""For the rows of gone connections; those left over are found gone again."""

_GONE, _TOO_MANY, _FAULT = 410, 429, 500
_TRIES = 2

_log = Logger()


class Post(Protocol):
    """What :class:`lambdas.broadcaster.posts.Posts` offers."""

    async def post(self, connection_id: str, message: bytes) -> int:
        """Post a message; gives the HTTP status."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """Messages posted, messages dropped, connections found gone, and posts refused for the quota's sake."""

    posted: int
    dropped: int
    gone: int
    throttled: int = 0


@dataclass(slots=True)
class _Flush:
    """One delivery under way."""

    deliveries: Mapping[str, Sequence[bytes]]
    waiting: Iterator[str]
    deadline: float
    posted: int = 0
    throttled: int = 0
    gone: list[str] = field(default_factory=list)
    unserved: set[str] = field(default_factory=set)
    troubled: set[str] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)


class Outbox:
    """Posts with bounded concurrency at the pace that is given; to each connection in order.

    A connection that is slow or fails is given up for this delivery, and comes last in the next: its client sees a
    hole in the numbers. Nothing is kept for it. The event loop runs only while :meth:`deliver` does, as a function's
    process stands still between two invocations.
    """

    def __init__(
        self,
        posts: Post,
        subscribers: Subscribers,
        connections: Connections,
        *,
        pacing: Pacing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._posts = posts
        self._subscribers = subscribers
        self._connections = connections
        self._pacing = pacing
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._unserved: set[str] = set()
        self._troubled: set[str] = set()

    def deliver(self, deliveries: Mapping[str, Sequence[bytes]]) -> Delivered:
        """Post each connection's messages; remove the connections that are gone. Never raises for a client."""
        if not deliveries:
            return Delivered(0, 0, 0)
        expected = sum(map(len, deliveries.values()))
        seconds = min(DELIVERY_SECONDS + self._pacing.spread(expected), MAX_DELIVERY_SECONDS)
        order = sorted(deliveries, key=self._place)
        flush = _Flush(deliveries, iter(order), self._clock() + seconds)
        self._loop.run_until_complete(self._run(flush, workers=min(CONCURRENCY, len(order))))
        self._unserved, self._troubled = flush.unserved, flush.troubled
        if flush.reasons:
            # Together, as there may be thousands.
            _log.warning("messages dropped", reasons=dict(flush.reasons))
        self._remove(flush.gone)
        expected -= sum(len(deliveries[connection_id]) for connection_id in flush.gone)
        return Delivered(flush.posted, expected - flush.posted, len(flush.gone), flush.throttled)

    def close(self) -> None:
        """Close the connections and the event loop."""
        self._loop.run_until_complete(self._posts.close())
        self._loop.close()

    def _place(self, connection_id: str) -> int:
        if connection_id in self._unserved:
            return 0
        return 2 if connection_id in self._troubled else 1

    async def _run(self, flush: _Flush, *, workers: int) -> None:
        # Connections that the other side closed meanwhile are noticed before one of them is used.
        await asyncio.sleep(0)
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(flush))

    async def _work(self, flush: _Flush) -> None:
        for connection_id in flush.waiting:
            posted = 0
            for message in flush.deliveries[connection_id]:
                if not await self._deliver_one(flush, connection_id, message):
                    break
                posted += 1
            if connection_id not in flush.gone:
                flush.posted += posted

    async def _deliver_one(self, flush: _Flush, connection_id: str, message: bytes) -> bool:
        """Post a message, twice where that may help; gives whether it arrived."""
        reason = ""
        for _ in range(_TRIES):
            wait = self._pacing.turn(self._clock())
            if self._clock() + wait > flush.deadline:
                flush.unserved.add(connection_id)
                return False
            if wait:
                await asyncio.sleep(wait)
            try:
                status = await self._posts.post(connection_id, message)
            except PostTimedOut as error:
                reason = str(error)
                break
            except PostFailed as error:
                reason = str(error)
                continue
            if status < 300:
                return True
            if status == _GONE:
                flush.gone.append(connection_id)
                return False
            reason = f"HTTP {status}"
            if status == _TOO_MANY:
                flush.throttled += 1
                self._pacing.throttled(self._clock())
            elif status < _FAULT:
                break
        flush.troubled.add(connection_id)
        flush.reasons[reason] += 1
        return False

    def _remove(self, gone: Sequence[str]) -> None:
        deadline = self._clock() + REMOVAL_SECONDS
        for connection_id in gone:
            keys = self._subscribers.forget(connection_id)
            if self._clock() > deadline:
                continue
            try:
                self._connections.remove(connection_id, also=keys)
            except (BotoCoreError, ClientError, SubscriptionsNotWritten) as error:
                # Its rows expire by themselves; until then other broadcasters find it gone as well.
                _log.warning("gone connection not removed", connection_id=connection_id, reason=str(error))
