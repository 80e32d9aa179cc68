"""One connection of a venue, kept alive: connect, subscribe, watch, reconnect.

Where the end is foreseen (the venue asks for it, its 24 hours are nearly over, one stream of it is
silent) the next socket is opened before the old one is closed, so that nothing falls between them;
trades that come on both are told apart later by their ids.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from picows import WSError, ws_connect

from ecs_tasks.ingestor.logs import LOGGER, log
from ecs_tasks.ingestor.session import MAX_SOCKET_FRAME_BYTES, Session
from ecs_tasks.ingestor.settings import FeedSettings
from ecs_tasks.ingestor.stats import FeedStats
from ecs_tasks.shared.backoff import Backoff
from tickwire.venues.feed import Feed

CONNECT_SECONDS = 15.0
STABLE_SECONDS = 60.0
"""A socket that lived this long starts the backoff anew."""
OVERLAP_SECONDS = 10.0
"""How long an old socket is read beside its successor at most."""
BACKOFF_SECONDS = (0.5, 30.0)
"""Base and cap. Binance allows 300 attempts in 5 minutes an address, Kraken about 150 in 10."""


LIMITED_SECONDS = 60.0
"""The wait after an answer that says too many attempts, unless it names a longer one."""
MAX_RETRY_AFTER_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a connection tells its host.

    ``hand_over`` takes what a session has parsed; ``notice`` posts a text for people.
    """

    hand_over: Callable[["Connection", Session], None]
    notice: Callable[["Connection", str], None]


@dataclass(frozen=True, slots=True)
class _End:
    """Why a socket ended, and how soon the next may be opened."""

    reason: str
    at_once: bool = False
    wait_seconds: float = 0.0
    """At least this long, where the venue says so."""


class Connection:
    """Keeps one entry of the settings connected until stopped.

    Parameters
    ----------
    new_feed : gives a parser; there are two, since two sockets may be open for a moment
    """

    def __init__(
        self,
        entry: FeedSettings,
        *,
        new_feed: Callable[[], Feed],
        hooks: Hooks,
        stats: FeedStats,
        backoff: Backoff | None = None,
        check_seconds: float = 0.5,
    ) -> None:
        base, cap = BACKOFF_SECONDS
        self.entry = entry
        self.feed = new_feed()
        self._spare = new_feed()
        self._hooks = hooks
        self._stats = stats
        self._backoff = backoff or Backoff(base_seconds=base, cap_seconds=cap)
        self._check_seconds = check_seconds
        self._session: Session | None = None
        self._retired: Session | None = None
        self._paused: set[str] = set()
        self._stopping = asyncio.Event()
        self._at_once = float("-inf")
        self._expected: frozenset[tuple[str, str]] = frozenset()
        stats.connections += 1

    @property
    def sessions(self) -> list[Session]:
        """The open sockets, the older first: one, or two while they overlap, or none."""
        return [session for session in (self._retired, self._session) if session is not None]

    @property
    def connected(self) -> bool:
        """Whether a socket is open and subscribed."""
        return self._session is not None

    def pause(self, cause: str) -> None:
        """Stop reading until :meth:`resume` has been called for every cause."""
        self._paused.add(cause)
        for session in self.sessions:
            session.pause()

    def resume(self, cause: str) -> None:
        """Read again if no other cause to pause is left."""
        if cause in self._paused:
            self._paused.discard(cause)
            if not self._paused:
                for session in self.sessions:
                    session.resume()

    async def run(self) -> None:
        """Connect and reconnect until :meth:`stop`."""
        while not self._stopping.is_set():
            try:
                end = await self._run_session()
            except Exception as error:  # a fault with one venue must not stop the others
                LOGGER.exception("the connection failed by a fault of the programme")
                end = _End(f"fault of the programme: {type(error).__name__}")
            if self._stopping.is_set():
                break
            self._stats.reconnects += 1
            reason = self._stats.last_end = end.reason
            wait = 0.0 if end.at_once else max(self._backoff.next_seconds(), end.wait_seconds)
            log(logging.WARNING, "reconnecting", feed=self.feed.name, reason=reason, wait_seconds=round(wait, 3))
            self._hooks.notice(self, f"{self.feed.name}: {reason}; reconnecting")
            if wait:
                await self._sleep(wait)

    async def stop(self, seconds: float) -> None:
        """Say goodbye and read what the venue sent before its answer, for at most ``seconds``."""
        self._stopping.set()
        sessions = self.sessions
        if not self._paused:
            for session in sessions:
                session.say_goodbye()
            if sessions:
                _, unanswered = await asyncio.wait([session.ended for session in sessions], timeout=seconds)
                if unanswered:
                    log(logging.WARNING, "the venue did not answer the close frame", feed=self.feed.name)
        for session in sessions:
            session.abort("stopped")
            self._hooks.hand_over(self, session)
        self._drop_retired()

    async def _run_session(self) -> "_End":
        """Run one socket until it ends or is retired."""
        try:
            session = await self._connect()
        except (OSError, TimeoutError, WSError) as error:
            return _End(f"cannot connect: {_text(error)}", wait_seconds=_retry_after(error))
        if self._stopping.is_set():
            session.abort("stopped")
            return _End("stopped")
        self._session = session
        self._stats.connected += 1
        log(logging.INFO, "connected", feed=self.feed.name, symbols=len(self.entry.symbols))
        self._hooks.notice(self, f"{self.feed.name}: connected")
        try:
            reason, foreseen = await self._watch(session)
        finally:
            self._stats.connected -= 1
            self._session = None
            self._hooks.hand_over(self, session)
        now = time.monotonic()
        if now - session.started >= STABLE_SECONDS:
            self._backoff.reset()
        self._expected = session.streams.liquid()
        if not foreseen or self._stopping.is_set():
            if not self._stopping.is_set():
                session.abort(reason)
            return _End(reason)
        # A venue that asks on every connection must not be answered without a pause.
        at_once = now - self._at_once >= STABLE_SECONDS
        self._at_once = now
        self._retire(session)
        return _End(reason, at_once=at_once)

    async def _connect(self) -> Session:
        # The old socket's parser keeps its books while the new one starts with none, however often it is tried.
        if self._retired is not None and self._retired.feed is self.feed:
            self.feed, self._spare = self._spare, self.feed
        feed = self.feed
        feed.reconnected()
        url = (self.entry.url or feed.default_url) + feed.connect_path(self.entry.symbols)
        session = Session(feed, hand_over=lambda session: self._hooks.hand_over(self, session))
        async with asyncio.timeout(CONNECT_SECONDS):
            await ws_connect(
                lambda: session,
                url,
                websocket_handshake_timeout=CONNECT_SECONDS,
                enable_auto_pong=False,
                max_frame_size=MAX_SOCKET_FRAME_BYTES,
                max_redirects=0,
            )
        if self._paused:
            session.pause()
        for frame in feed.subscribe(self.entry.symbols):
            session.send(frame)
        return session

    async def _watch(self, session: Session) -> tuple[str, bool]:
        """Wait for the end of a socket; gives the reason, and whether it can still be read for a while."""
        liveness = session.feed.liveness
        # Not all connections of a fleet at the same second.
        lifetime = (liveness.connection_seconds or float("inf")) * random.uniform(0.95, 0.99)  # noqa: S311
        next_ping = time.monotonic() + liveness.ping_seconds
        stopping = asyncio.ensure_future(self._stopping.wait())
        said_silent = False
        try:
            while True:
                waits: set[asyncio.Future[Any]] = {session.ended, session.retire, stopping}
                await asyncio.wait(waits, timeout=self._check_seconds, return_when=asyncio.FIRST_COMPLETED)
                if stopping.done():
                    return "stopped", False
                if session.ended.done():
                    return await session.why(), False
                if session.retire.done():
                    return session.retire.result(), True
                now = time.monotonic()
                if self._retired is not None and self._has_taken_over(session, now):
                    self._drop_retired()
                if liveness.ping_payload is not None and now >= next_ping:
                    session.send(liveness.ping_payload)
                    next_ping = now + liveness.ping_seconds
                if self._paused:
                    continue
                if now - session.last_frame >= liveness.silence_seconds:
                    return f"silent for {liveness.silence_seconds:g} s", False
                silent = session.streams.silent(now)
                if silent is not None:
                    symbol, kind = silent
                    return f"{kind} of {symbol} silent for {liveness.stream_silence_seconds:g} s", True
                if now - session.started >= lifetime:
                    return "the venue's limit of a connection's life is near", True
                if not said_silent and now - session.started >= liveness.stream_silence_seconds:
                    said_silent = True
                    for symbol, kind in sorted(session.streams.never_seen(self._expected)):
                        self._hooks.notice(
                            self, f"{self.feed.name}: {kind} of {symbol} still silent after reconnecting"
                        )
        finally:
            stopping.cancel()

    def _has_taken_over(self, session: Session, now: float) -> bool:
        """Say whether every liquid stream of the old socket has spoken on the new one, or the overlap is over."""
        if now - session.started >= OVERLAP_SECONDS:
            return True
        return session.streams.spoke() and not session.streams.never_seen(self._expected)

    def _retire(self, session: Session) -> None:
        self._drop_retired()
        if not session.ended.done():
            self._retired = session

    def _drop_retired(self) -> None:
        if self._retired is not None:
            self._retired.abort("replaced")
            self._hooks.hand_over(self, self._retired)
            self._retired = None

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _retry_after(error: Exception) -> float:
    """Give how long a venue that limits our attempts wants us to wait, in seconds; 0 where it says nothing.

    Binance answers 429, and 418 to who goes on after it, and bans the address for longer each time.
    """
    response = getattr(error, "response", None)
    if response is None or int(response.status) not in (418, 429, 503):
        return 0.0
    try:
        asked = float(response.headers.get("Retry-After", ""))
    except ValueError:
        asked = 0.0
    least = 0.0 if int(response.status) == 503 else LIMITED_SECONDS
    return min(max(asked, least), MAX_RETRY_AFTER_SECONDS)


def _text(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status", None)
    if status is not None and int(status) == 451:
        return "HTTP 451: the venue refuses this address by law (Binance: use binance-us from the United States)"
    if status is not None:
        return f"HTTP {int(status)}"
    return f"{type(error).__name__}: {error}"[:200] if str(error) else type(error).__name__
