"""What is said to a client, and in which order."""

from collections.abc import Iterable, Sequence
from time import time_ns
from typing import Any, Protocol

import msgspec
from aws_lambda_powertools import Logger

from lambdas.broadcaster.messages import (
    ALERTS,
    ANY_SYMBOL,
    Item,
    Pong,
    Problem,
    Resumed,
    Subscribed,
    Unsubscribed,
    reset_messages,
    snapshot_messages,
    subscription_key,
    update_messages,
)
from lambdas.identity.user import User
from lambdas.websocket.connections import Connections, TooManySubscriptions
from lambdas.websocket.posts import ConnectionGone, hang_up, post
from lambdas.websocket.replays import Replays
from lambdas.websocket.requests import Ping, Position, RequestRefused, Resume, Subscribe, Unsubscribe, read_request
from lambdas.websocket.snapshots import Snapshots

SNAPSHOT_FIRINGS = 50

_log = Logger()
_encode = msgspec.json.Encoder().encode


class Firings(Protocol):
    """Where the firings of users' alerts are stored."""

    def newest(self, subject: str, limit: int) -> list[bytes]:
        """Give the newest of a user's, older before newer, each as JSON."""
        ...


class Conversation:
    """Acts on clients' events; without ``firings`` a snapshot has no alerts."""

    def __init__(
        self,
        connections: Connections,
        snapshots: Snapshots,
        replays: Replays,
        *,
        posts: Any,
        firings: Firings | None = None,
    ) -> None:
        self._connections = connections
        self._snapshots = snapshots
        self._replays = replays
        self._posts = posts
        self._firings = firings

    def open(self, connection_id: str, user: User) -> None:
        """Take a new connection."""
        self._connections.admit(connection_id, user)

    def close(self, connection_id: str) -> None:
        """Forget a connection that ended."""
        self._connections.remove(connection_id)

    def end(self, connection_id: str) -> None:
        """Tell a client that its login has expired, and hang up; it may come back with a new one."""
        try:
            self._say(
                connection_id, [_encode(Problem("login_expired", "The login has expired; please connect again."))]
            )
            hang_up(self._posts, connection_id)
        except ConnectionGone:
            self._connections.remove(connection_id)

    def message(self, connection_id: str, body: str, user: User) -> None:
        """Act on a client's message; what is wrong with it is said to the client.

        Raises
        ------
        Exception
            What goes wrong on our side, after the client was told that something did.
        """
        id_: str | None = None
        try:
            request = read_request(body)
            id_ = request.id
            match request:
                case Subscribe():
                    self._subscribe(connection_id, request, user)
                case Unsubscribe():
                    self._connections.unsubscribe(connection_id, request.keys(user.subject))
                    self._say(connection_id, [_encode(Unsubscribed(request.topics, request.symbols, id_))])
                case Resume():
                    self._resume(connection_id, request, user)
                case Ping():
                    self._say(connection_id, [_encode(Pong(id_))])
        except RequestRefused as refusal:
            self._say(connection_id, [_encode(Problem(refusal.code, str(refusal), refusal.id or id_))])
        except TooManySubscriptions as refusal:
            self._say(connection_id, [_encode(Problem("too_many_subscriptions", str(refusal), id_))])
        except ConnectionGone:
            self._connections.remove(connection_id)
        except Exception:
            _log.exception("message failed")
            sentence = "Something went wrong on our side; please try again."
            self._say(connection_id, [_encode(Problem("internal", sentence, id_))])
            raise

    def _subscribe(self, connection_id: str, request: Subscribe, user: User) -> None:
        keys = request.keys(user.subject)
        self._connections.reserve(connection_id, keys)
        self._say(connection_id, [_encode(Subscribed(request.topics, request.symbols, request.id))])
        # Listening comes before the snapshot is read, so that no update falls between the two;
        # one that arrives first is told from the older snapshot by its revision, id or time.
        self._connections.listen(connection_id, keys)
        self._show(connection_id, [*self._snapshots.read(keys), *self._alerts(keys, user)])

    def _resume(self, connection_id: str, request: Resume, user: User) -> None:
        keys = request.keys(user.subject)
        positions = list(request.known())
        if keys:
            self._connections.reserve(connection_id, keys)
            self._connections.listen(connection_id, keys)
        else:
            self._refuse_strangers(connection_id, positions)
        missed = self._replays.since(positions)
        self._say(connection_id, update_messages(missed.items, sent=time_ns(), replay=True))
        self._say(connection_id, reset_messages(missed.void))
        void = [subscription_key(one.topic, one.symbol) for one in missed.void]
        known = {subscription_key(one.topic, one.symbol) for one in positions}.difference(void)
        wanted = [*keys, *void]
        if any(key not in known for key in wanted):
            items = [*self._snapshots.read(wanted, without=known), *self._alerts(keys, user)]
            self._show(connection_id, items)
        self._say(connection_id, [_encode(Resumed(missed.continued, len(missed.void), request.id))])

    def _refuse_strangers(self, connection_id: str, positions: Iterable[Position]) -> None:
        """Raise RequestRefused if a position is of what the connection has not subscribed to."""
        held = self._connections.subscriptions(connection_id)
        for position in positions:
            if held.isdisjoint(position.keys):
                raise RequestRefused(
                    "forbidden",
                    f"This connection has not subscribed to {position.topic} for {position.symbol[:60]};"
                    ' name "topics" and "symbols" to do both at once.',
                )

    def _alerts(self, keys: Sequence[str], user: User) -> list[Item]:
        """Give the user's newest firings, if they are among what is asked for."""
        if self._firings is None or subscription_key(ALERTS, user.subject) not in keys:
            return []
        firings = self._firings.newest(user.subject, SNAPSHOT_FIRINGS)
        return [Item(ALERTS, ANY_SYMBOL, firings)] if firings else []

    def _show(self, connection_id: str, items: Sequence[Item]) -> None:
        """Send a snapshot, and what was said since it was stored."""
        self._say(connection_id, snapshot_messages(items))
        positions = [
            Position(item.topic, item.symbol, int(source), number)
            for item in items
            for source, number in (item.positions or {}).items()
        ]
        # A hole shows with the next update, and the client asks for what it missed.
        missed = self._replays.since(positions)
        self._say(connection_id, update_messages(missed.items, sent=time_ns(), replay=True))

    def _say(self, connection_id: str, messages: Iterable[bytes]) -> None:
        for message in messages:
            post(self._posts, connection_id, message)
