"""The client: one connection that comes back by itself and goes on where it was."""

import asyncio
import contextlib
import inspect
import random
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from tickwire.client.errors import LoginRefused, RequestRefused
from tickwire.client.session import Session, Wanted
from tickwire.client.updates import Update
from tickwire.errors import TickwireError

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
FILL_SECONDS = 0.1
"""Holes seen within this time are asked for together, with as much again of jitter."""
ANSWER_SECONDS = 5.0
PING_SECONDS, PONG_SECONDS = 240.0, 10.0
"""API Gateway closes a connection after ten idle minutes."""
WAITING_UPDATES = 10_000
LOGINS = 3
"""Refusals in a row after which a login is given up."""

Token = str | Callable[[], str | Awaitable[str]]
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_UNTRUE = (401, 403)


class Subscription:
    """The updates of some topics and symbols, as an asynchronous iterator; made by :meth:`Client.subscribe`."""

    def __init__(self, wanted: Wanted, end: Callable[["Subscription"], None]) -> None:
        self.wanted = wanted
        self._end = end
        self._queue: asyncio.Queue[Update | TickwireError] = asyncio.Queue(WAITING_UPDATES)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        """Give the next update.

        Raises
        ------
        LoginRefused, RequestRefused
            If the server does not let it go on.
        """
        found = await self._queue.get()
        if isinstance(found, TickwireError):
            self.close()
            raise found
        return found

    def close(self) -> None:
        """Take the subscription away."""
        self._end(self)

    async def put(self, update: Update) -> None:
        """Hand an update on; waits while the reader lags behind.

        Then nothing is read from the socket either: the server finds the client slow and passes it over, which shows
        as a hole, and what was missed comes conflated. So neither side keeps a queue without end.
        """
        await self._queue.put(update)

    def fail(self, error: TickwireError) -> None:
        """Let the reader have an error, after what was there before it where there is room."""
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(error)
            return
        self._queue.get_nowait()
        self._queue.put_nowait(error)


class Client:
    """A client of one WebSocket API.

    Parameters
    ----------
    url : ``wss://SITE/live``
    token : an access token, or what gives one for each connection; a token is good for an hour, a connection for two
    """

    def __init__(self, url: str, *, token: Token, rng: random.Random | None = None) -> None:
        self._url = url
        self._token = token
        self._random = rng or random.Random()  # noqa: S311 - jitter
        self._session = Session()
        self._subscriptions: dict[str, Subscription] = {}
        self._ids = 0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._running: asyncio.Task[None] | None = None
        self._helpers: set[asyncio.Task[None]] = set()
        self._filling: asyncio.Task[None] | None = None
        self._pong = asyncio.Event()
        self.reconnects = 0
        """How often the connection was lost and made anew."""

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [task for task in (self._running, self._filling, *self._helpers) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def subscribe(self, topics: Sequence[str], symbols: Sequence[str]) -> Subscription:
        """Ask for every topic with every symbol (``venue:SYMBOL``, or ``*`` for all that a topic has)."""
        self._ids += 1
        subscription = Subscription(Wanted(f"s{self._ids}", tuple(topics), tuple(symbols)), self._forget)
        self._subscriptions[subscription.wanted.id] = subscription
        self._help(self._say([self._session.ask(subscription.wanted)]))
        return subscription

    def _forget(self, subscription: Subscription) -> None:
        if self._subscriptions.pop(subscription.wanted.id, None) is None:
            return
        left = list(self._subscriptions.values())
        wanted = subscription.wanted
        # What another subscription asks for too stays on.
        topics = [topic for topic in wanted.topics if not any(topic in one.wanted.topics for one in left)]
        if topics:
            asked = {"action": "unsubscribe", "topics": topics, "symbols": wanted.symbols}
            self._help(self._say([msgspec.json.encode(asked)]))

    def _help(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    async def _run(self) -> None:
        pause, refusals = FIRST_PAUSE, 0
        while True:
            try:
                await self._connect()
                pause, refusals = FIRST_PAUSE, 0
            except aiohttp.WSServerHandshakeError as error:
                refusals = refusals + 1 if error.status in _UNTRUE else 0
                # A token that is always the same will not be taken the next time either.
                if refusals and (refusals == LOGINS or isinstance(self._token, str)):
                    self._fail(LoginRefused(f"{self._url} does not take the token ({error.status})"))
                    return
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            except TickwireError as error:
                self._fail(error)
                return
            self.reconnects += 1
            await asyncio.sleep(self._random.random() * pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _fail(self, error: TickwireError) -> None:
        for subscription in list(self._subscriptions.values()):
            subscription.fail(error)

    async def _connect(self) -> None:
        """Connect, and go on until the connection ends."""
        headers = {"Authorization": f"Bearer {await self._new_token()}"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.ws_connect(self._url, headers=headers, max_msg_size=256 * 1024) as socket,
        ):
            self._socket = socket
            pinging = asyncio.create_task(self._ping(socket))
            try:
                await self._say(self._session.begin([one.wanted for one in self._subscriptions.values()]))
                async for message in socket:
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    await self._take(_decode(message.data))
            finally:
                self._socket = None
                pinging.cancel()
                await asyncio.gather(pinging, return_exceptions=True)

    async def _new_token(self) -> str:
        if isinstance(self._token, str):
            return self._token
        given = self._token()
        return await given if inspect.isawaitable(given) else given

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "pong":
            self._pong.set()
        if message["type"] == "error":
            self._refused(message)
        for update in self._session.take(message):
            for subscription in list(self._subscriptions.values()):
                if subscription.wanted.covers(*update.key):
                    await subscription.put(update)
        if self._session.holes and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    def _refused(self, message: dict[str, Any]) -> None:
        subscription = self._subscriptions.get(message.get("id", ""))
        if subscription is not None:
            subscription.fail(RequestRefused(message["code"], message["message"]))

    async def _fill(self) -> None:
        await asyncio.sleep(FILL_SECONDS * (1 + self._random.random()))
        await self._say(self._session.fill())
        # An answer that does not come is asked for again, when the next message shows the hole.
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._session.ask_again)

    async def _ping(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            self._pong.clear()
            await self._say([b'{"action":"ping"}'])
            try:
                await asyncio.wait_for(self._pong.wait(), PONG_SECONDS)
            except TimeoutError:
                # A socket may look open long after the network under it has gone.
                await socket.close()
                return

    async def _say(self, messages: Sequence[bytes]) -> None:
        socket = self._socket
        if socket is None or socket.closed:
            return
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            for message in messages:
                await socket.send_str(message.decode())
