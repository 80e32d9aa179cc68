"""Judges one socket: is it, or a stream of it, dead, or will the venue cut it soon?"""

import random
import time

from ecs_tasks.ingestor.ends import Cause, End
from ecs_tasks.ingestor.session import Session

OVERLAP_SECONDS = 10.0
"""A socket that was open so long has shown all that it will show of what its predecessor did."""


class Watchdog:
    """Watches a socket, and keeps the venue convinced that we live.

    Parameters
    ----------
    expected : the streams that were liquid on the socket before
    """

    def __init__(self, session: Session, *, expected: frozenset[tuple[str, str]]) -> None:
        liveness = session.feed.liveness
        self._session = session
        self._liveness = liveness
        self._expected = expected
        # Not all connections of a fleet at the same second.
        self._lifetime = (liveness.connection_seconds or float("inf")) * random.uniform(0.95, 0.99)  # noqa: S311
        self._next_ping = time.monotonic() + liveness.ping_seconds
        self._silent_told = False

    def keep_alive(self, now: float) -> None:
        """Send the venue's own kind of ping when it is due; ``now`` is monotonic seconds, here and below."""
        if self._liveness.ping_payload is not None and now >= self._next_ping:
            self._session.send(self._liveness.ping_payload)
            self._next_ping = now + self._liveness.ping_seconds

    def judge(self, now: float) -> End | None:
        """Say why the socket must be given up, or None; pings it where it might be dead."""
        session, liveness = self._session, self._liveness
        if now - session.last_frame >= liveness.silence_seconds:
            return End(Cause.SILENT, f"silent for {liveness.silence_seconds:g} s")
        session.probe(now, liveness.silence_seconds)
        if now - session.started >= self._lifetime:
            return End(Cause.LIFETIME, "the venue's limit of a connection's life is near", foreseen=True)
        if session.halted:
            session.streams.forgive(now)
            return None
        silent = session.streams.silent(now)
        if silent is None:
            return None
        symbol, kind = silent
        reason = f"{kind} of {symbol} silent for {liveness.stream_silence_seconds:g} s"
        return End(Cause.STREAM_SILENT, reason, foreseen=True)

    def still_silent(self, now: float) -> list[tuple[str, str]]:
        """Give, once, the streams that were liquid before and have not spoken on this socket."""
        session = self._session
        due = now - session.started >= self._liveness.stream_silence_seconds
        if self._silent_told or session.halted or not due:
            return []
        self._silent_told = True
        return sorted(session.streams.never_seen(self._expected))

    def has_taken_over(self, now: float) -> bool:
        """Say whether every liquid stream of the old socket has spoken on this one, or the overlap is over."""
        if now - self._session.started >= OVERLAP_SECONDS:
            return True
        return self._session.streams.spoke() and not self._session.streams.never_seen(self._expected)
