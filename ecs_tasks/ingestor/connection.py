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
from dataclasses import dataclass, replace
from typing import Any

from picows import WSError, ws_connect

from ecs_tasks.ingestor.attempts import Attempts
from ecs_tasks.ingestor.ends import Cause, End, end_of_attempt
from ecs_tasks.ingestor.feed_stats import FeedStats
from ecs_tasks.ingestor.logs import LOGGER, log
from ecs_tasks.ingestor.session import MAX_SOCKET_FRAME_BYTES, Session
from ecs_tasks.ingestor.settings import FeedSettings
from ecs_tasks.ingestor.watchdog import OVERLAP_SECONDS, Watchdog
from ecs_tasks.shared.backoff import Backoff
from tickwire.venues.feed import Feed

CONNECT_SECONDS = 15.0
STABLE_SECONDS = 60.0
"""A socket that lived this long starts the backoff anew."""
BACKOFF_SECONDS = (0.5, 30.0)
"""Base and cap of the waits between attempts."""
HALTED_SECONDS = (5.0, 15.0)
"""The wait before an attempt is drawn between these at least while the venue says that it does not trade."""

_STOPPED = End(Cause.STOPPED, "stopped")
_REPLACED = End(Cause.STOPPED, "replaced")


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a connection tells its host.

    ``hand_over`` takes what a session has parsed; ``notice`` posts a text for people.
    """

    hand_over: Callable[["Connection", Session], None]
    notice: Callable[["Connection", str], None]


class Connection:
    """Keeps one entry of the settings connected until stopped.

    Parameters
    ----------
    new_feed : gives a parser; there are two, since two sockets may be open for a moment
    attempts : the venues' limits on attempts; None: this connection has them for itself
    """

    def __init__(
        self,
        entry: FeedSettings,
        *,
        new_feed: Callable[[], Feed],
        hooks: Hooks,
        stats: FeedStats,
        attempts: Attempts | None = None,
        backoff: Backoff | None = None,
        check_seconds: float = 0.5,
    ) -> None:
        base, cap = BACKOFF_SECONDS
        self.entry = entry
        self.feed = new_feed()
        self._spare = new_feed()
        self._hooks = hooks
        self._stats = stats
        self._attempts = attempts or Attempts()
        self._backoff = backoff or Backoff(base_seconds=base, cap_seconds=cap)
        self._check_seconds = check_seconds
        self._session: Session | None = None
        self._retired: Session | None = None
        self._paused: set[str] = set()
        self._stopping = asyncio.Event()
        self._at_once = float("-inf")
        self._expected: frozenset[tuple[str, str]] = frozenset()
        self._halted = False
        self._present = False
        stats.opened(id(self))

    @property
    def sessions(self) -> list[Session]:
        """The open sockets, the older first: one, or two while they overlap, or none."""
        return [session for session in (self._retired, self._session) if session is not None]

    @property
    def connected(self) -> bool:
        """Whether a socket is open and subscribed."""
        return any(not session.ended.done() for session in self.sessions)

    @property
    def halted(self) -> bool:
        """Whether the venue said that it does not trade for now."""
        told = None if self._session is None else self._session.halted
        return self._halted if told is None else told

    @property
    def settled(self) -> bool:
        """Whether the present socket is read and has shown a stream, or was open long enough to have done so."""
        session = self._session
        if session is None or self._paused:
            return False
        return session.streams.spoke() or time.monotonic() - session.started >= OVERLAP_SECONDS

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
                end = End(Cause.FAULT, f"fault of the programme: {type(error).__name__}")
            self._note_presence()
            if self._stopping.is_set():
                break
            self._stats.ended(end, now=time.time_ns())
            wait = 0.0 if end.at_once else max(self._backoff.next_seconds(), end.wait_seconds)
            if self._halted and not end.foreseen:
                wait = max(wait, random.uniform(*HALTED_SECONDS))  # noqa: S311 - not all at once, no secret
            log(
                logging.WARNING,
                "reconnecting",
                feed=self.feed.name,
                group=self.entry.label,
                cause=end.cause.value,
                reason=end.reason,
                wait_seconds=round(wait, 3),
            )
            self._hooks.notice(self, f"{self.entry.label}: {end.reason}; reconnecting [{end.cause.value}]")
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
            session.abort(_STOPPED)
            self._hooks.hand_over(self, session)
        self._drop_retired()
        self._note_presence()

    async def _run_session(self) -> End:
        """Run one socket until it ends or is retired."""
        await self._sleep(await self._attempts.reserve(self.feed))
        if self._stopping.is_set():
            return _STOPPED
        try:
            session = await self._connect()
        except (OSError, TimeoutError, WSError) as error:
            end = end_of_attempt(error)
            if end.cause is Cause.RATE_LIMITED:
                await self._attempts.block(self.feed, end.wait_seconds)
            return end
        if self._stopping.is_set():
            session.abort(_STOPPED)
            return _STOPPED
        self._session = session
        self._note_presence()
        session.ended.add_done_callback(lambda _: self._note_presence())
        log(logging.INFO, "connected", feed=self.feed.name, group=self.entry.label, symbols=len(self.entry.symbols))
        self._hooks.notice(self, f"{self.entry.label}: connected")
        try:
            end = await self._watch(session)
        finally:
            self._session = None
            self._hooks.hand_over(self, session)
        if session.halted is not None:
            self._halted = session.halted
        now = time.monotonic()
        if now - session.started >= STABLE_SECONDS:
            self._backoff.reset()
        self._expected = session.streams.liquid()
        if self._stopping.is_set():
            return end
        if not end.foreseen:
            session.abort(end)
            return end
        # A venue that asks on every connection must not be answered without a pause.
        at_once = now - self._at_once >= STABLE_SECONDS
        self._at_once = now
        self._retire(session)
        return replace(end, at_once=at_once)

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

    async def _watch(self, session: Session) -> End:
        """Wait for the end of a socket."""
        watchdog = Watchdog(session, expected=self._expected)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while True:
                waits: set[asyncio.Future[Any]] = {session.ended, session.retire, stopping}
                await asyncio.wait(waits, timeout=self._check_seconds, return_when=asyncio.FIRST_COMPLETED)
                if stopping.done():
                    return _STOPPED
                if session.ended.done():
                    return await session.why()
                if session.retire.done():
                    return End(Cause.VENUE_ASKED, session.retire.result(), foreseen=True)
                now = time.monotonic()
                if self._retired is not None and watchdog.has_taken_over(now):
                    self._drop_retired()
                watchdog.keep_alive(now)
                if self._paused:
                    continue
                if (end := watchdog.judge(now)) is not None:
                    return end
                for symbol, kind in watchdog.still_silent(now):
                    text = f"{self.entry.label}: {kind} of {symbol} still silent after reconnecting"
                    self._hooks.notice(self, text)
        finally:
            stopping.cancel()

    def _retire(self, session: Session) -> None:
        self._drop_retired()
        if not session.ended.done():
            self._retired = session

    def _drop_retired(self) -> None:
        if self._retired is not None:
            self._retired.abort(_REPLACED)
            self._hooks.hand_over(self, self._retired)
            self._retired = None

    def _note_presence(self) -> None:
        """Count how long there is no socket; overlapping ones leave no such time."""
        present = self.connected
        if present and not self._present:
            self._stats.gained(id(self))
        elif self._present and not present:
            self._stats.lost(id(self))
        self._present = present

    async def _sleep(self, seconds: float) -> None:
        if not seconds:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
