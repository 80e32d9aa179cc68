"""What posts to the clients in the fan-out benchmark: Tickwire's outbox, and what is compared with it."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials

from lambdas.broadcaster.outbox import CONCURRENCY, Delivered, Outbox
from lambdas.broadcaster.pacing import Pacing
from lambdas.broadcaster.post_signer import PostSigner
from lambdas.broadcaster.posts import Posts
from lambdas.broadcaster.screens import Sender
from lambdas.broadcaster.subscribers import Subscribers
from lambdas.websocket.posts import ConnectionGone, PostFailed, post

THREADS = 16
_KEYS = ("AKIDBENCHMARK", "a secret of nobody's")
_REGION = "eu-west-1"


class Listeners(Subscribers):
    """Subscribers that are all known, and stay."""

    def __init__(self, by_key: Mapping[tuple[str, str], frozenset[str]]) -> None:
        self._by_key = by_key
        self.gone = 0

    def of(self, topic: str, symbol: str) -> frozenset[str]:
        """Give the connections of a key."""
        return self._by_key.get((topic, symbol), frozenset())

    def refresh(self, pairs: object) -> dict[str, frozenset[str]]:
        """Nobody comes."""
        return {}

    def forget(self, connection_id: str) -> list[str]:
        """Count one that is gone, which a benchmark has none of."""
        self.gone += 1
        return []


class _NoRows:
    def remove(self, connection_id: str, *, also: object) -> None:
        """There are no rows of connections."""


class ByThreads:
    """botocore's client in 16 threads: what posted before."""

    def __init__(self, endpoint_url: str) -> None:
        self._client: Any = botocore.session.get_session().create_client(
            "apigatewaymanagementapi",
            endpoint_url=endpoint_url,
            region_name=_REGION,
            aws_access_key_id=_KEYS[0],
            aws_secret_access_key=_KEYS[1],
            config=Config(max_pool_connections=THREADS, retries={"mode": "standard", "total_max_attempts": 1}),
        )
        self._pool = ThreadPoolExecutor(THREADS)

    def deliver(self, deliveries: Mapping[str, Sequence[bytes]]) -> Delivered:
        """Post each connection's messages in order."""

        def deliver_one(delivery: tuple[str, Sequence[bytes]]) -> int:
            try:
                for message in delivery[1]:
                    post(self._client, delivery[0], message)
            except (ConnectionGone, PostFailed):
                return 0
            return len(delivery[1])

        posted = sum(self._pool.map(deliver_one, deliveries.items()))
        return Delivered(posted, sum(map(len, deliveries.values())) - posted, 0)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
        self._client.close()


class Closing(Sender, Protocol):
    """A sender that holds connections."""

    def close(self) -> None:
        """Close them."""
        ...


def new_sender(name: str, endpoint_url: str, listeners: Listeners, pacing: Pacing) -> Closing:
    """Make the sender of a name: ``outbox`` or ``botocore``."""
    if name == "botocore":
        return ByThreads(endpoint_url)
    signer = PostSigner(Credentials(*_KEYS), _REGION, endpoint_url=endpoint_url, clock=time.time)
    posts = Posts(signer, connections=CONCURRENCY, seconds=10)
    return Outbox(posts, listeners, _NoRows(), pacing=pacing)  # type: ignore[arg-type]
