"""Delivers messages to many connections at once, and takes note of those that are gone."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.broadcaster.subscribers import Subscribers
from lambdas.websocket.connections import Connections, SubscriptionsNotWritten
from lambdas.websocket.posts import ConnectionGone, PostFailed, post

DELIVERY_SECONDS = 3.0
"""What is not begun by then is dropped: late for all is worse than lost for one."""

_log = Logger()


@dataclass(frozen=True, slots=True)
class Delivered:
    """Messages posted, messages dropped, connections found gone."""

    posted: int
    dropped: int
    gone: int


class Outbox:
    """Posts in parallel over a bounded pool; to each connection in order."""

    def __init__(
        self,
        posts: Any,
        subscribers: Subscribers,
        connections: Connections,
        *,
        pool: Executor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._posts = posts
        self._subscribers = subscribers
        self._connections = connections
        self._pool = pool
        self._clock = clock

    def deliver(self, deliveries: Mapping[str, Sequence[bytes]]) -> Delivered:
        """Post each connection's messages; remove the connections that are gone. Never raises for a client."""
        deadline = self._clock() + DELIVERY_SECONDS

        def deliver_one(delivery: tuple[str, Sequence[bytes]]) -> int | None:
            """Give the number of messages posted, or None where the client is gone."""
            connection_id, messages = delivery
            posted = 0
            for message in messages:
                if self._clock() > deadline:
                    break
                try:
                    post(self._posts, connection_id, message)
                except ConnectionGone:
                    return None
                except PostFailed as error:
                    _log.warning("message dropped", connection_id=connection_id, reason=str(error))
                else:
                    posted += 1
            return posted

        results = dict(zip(deliveries, self._pool.map(deliver_one, deliveries.items()), strict=True))
        gone = [connection_id for connection_id, posted in results.items() if posted is None]
        for connection_id in gone:
            self._remove(connection_id)
        posted = sum(count or 0 for count in results.values())
        expected = sum(len(deliveries[connection_id]) for connection_id in results if connection_id not in gone)
        return Delivered(posted, expected - posted, len(gone))

    def _remove(self, connection_id: str) -> None:
        keys = self._subscribers.forget(connection_id)
        try:
            self._connections.remove(connection_id, also=keys)
        except (BotoCoreError, ClientError, SubscriptionsNotWritten) as error:
            # Its rows expire by themselves; until then other broadcasters find it gone as well.
            _log.warning("gone connection not removed", connection_id=connection_id, reason=str(error))
