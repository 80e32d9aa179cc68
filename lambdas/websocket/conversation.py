"""What is said to a client, and in which order."""

from collections.abc import Iterable
from typing import Any

import msgspec
from aws_lambda_powertools import Logger

from lambdas.broadcaster.messages import Pong, Problem, Subscribed, Unsubscribed, snapshot_messages
from lambdas.identity.user import User
from lambdas.websocket.connections import Connections, TooManySubscriptions
from lambdas.websocket.posts import ConnectionGone, hang_up, post
from lambdas.websocket.requests import Ping, RequestRefused, Subscribe, Unsubscribe, read_request
from lambdas.websocket.snapshots import Snapshots

_log = Logger()
_encode = msgspec.json.Encoder().encode


class Conversation:
    """Acts on clients' events."""

    def __init__(self, connections: Connections, snapshots: Snapshots, *, posts: Any) -> None:
        self._connections = connections
        self._snapshots = snapshots
        self._posts = posts

    def open(self, connection_id: str, user: User) -> None:
        """Take a new connection."""
        self._connections.open(connection_id, user)

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

    def message(self, connection_id: str, body: str) -> None:
        """Act on a client's message; what is wrong with it is said to the client.

        Raises
        ------
        Exception
            What goes wrong on our side, after the client was told that something did.
        """
        try:
            match read_request(body):
                case Subscribe() as request:
                    self._subscribe(connection_id, request)
                case Unsubscribe() as request:
                    self._connections.unsubscribe(connection_id, request.keys)
                    self._say(connection_id, [_encode(Unsubscribed(request.topics, request.symbols))])
                case Ping():
                    self._say(connection_id, [_encode(Pong())])
        except RequestRefused as refusal:
            self._say(connection_id, [_encode(Problem(refusal.code, str(refusal)))])
        except TooManySubscriptions as refusal:
            self._say(connection_id, [_encode(Problem("too_many_subscriptions", str(refusal)))])
        except ConnectionGone:
            self._connections.remove(connection_id)
        except Exception:
            _log.exception("message failed")
            sentence = "Something went wrong on our side; please try again."
            self._say(connection_id, [_encode(Problem("internal", sentence))])
            raise

    def _subscribe(self, connection_id: str, request: Subscribe) -> None:
        self._connections.reserve(connection_id, request.keys)
        self._say(connection_id, [_encode(Subscribed(request.topics, request.symbols))])
        # Listening comes before the snapshot is read, so that no update falls between the two;
        # one that arrives first is told from the older snapshot by its revision, id or time.
        self._connections.listen(connection_id, request.keys)
        self._say(connection_id, snapshot_messages(self._snapshots.read(request.keys)))

    def _say(self, connection_id: str, messages: Iterable[bytes]) -> None:
        for message in messages:
            post(self._posts, connection_id, message)
