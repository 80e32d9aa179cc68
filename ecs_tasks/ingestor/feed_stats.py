"""Counts of one feed: what came on its connections, and how these fared."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ecs_tasks.ingestor.batcher import Added
from ecs_tasks.ingestor.ends import Cause, End
from tickwire.venues.feed import ParsedFrames

MAX_NAMES = 200
"""Different names of ignored messages or drifted fields kept; they come from the venue."""
OTHER = "(other)"


@dataclass(slots=True)
class FeedStats:
    """What came on the connections of one feed."""

    connections: int = 0
    connected: int = 0
    """Of them, those that have a socket that is open and subscribed."""
    last_end: str = ""
    """Why its last connection ended or could not be made."""
    frames: int = 0
    slow_frames: int = 0
    """Of those read many together, that matched no layout: nearly all do when the venue writes them otherwise."""
    trades: int = 0
    quotes: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    checksum_failures: int = 0
    reconnects: Counter[Cause] = field(default_factory=Counter)
    last_cause: str = ""
    last_reconnect_ns: int = 0
    last_frame_ns: int = 0
    _without_seconds: float = 0.0
    _without_since: dict[int, float] = field(default_factory=dict)
    """By connection, since when it has no socket (monotonic s)."""

    def opened(self, connection: int) -> None:
        """Count a connection, as yet without a socket."""
        self.connections += 1
        self._without_since[connection] = time.monotonic()

    def gained(self, connection: int) -> None:
        """Note that a connection has a socket."""
        self.connected += 1
        self._without_seconds += time.monotonic() - self._without_since.pop(connection)

    def lost(self, connection: int) -> None:
        """Note that a connection has no socket any more."""
        self.connected -= 1
        self._without_since[connection] = time.monotonic()

    def closed(self, connection: int) -> None:
        """Note that a connection is given up, after its socket."""
        self.connections -= 1
        self._without_seconds += time.monotonic() - self._without_since.pop(connection)

    def ended(self, end: End, *, now: int) -> None:
        """Count a reconnect and its cause; ``now`` is ns UTC."""
        self.reconnects[end.cause] += 1
        self.last_end = end.reason
        self.last_cause = end.cause.value
        self.last_reconnect_ns = now

    def seconds_without_connection(self) -> float:
        """Give the time that connections were without a socket, summed over them; overlaps leave none."""
        now = time.monotonic()
        return self._without_seconds + sum(now - since for since in self._without_since.values())

    def add(self, parsed: ParsedFrames, added: Added) -> None:
        """Count a hand-over."""
        self.frames += parsed.frames
        self.slow_frames += parsed.slow_frames
        self.trades += sum(seen.trades for seen in added.trades)
        self.quotes += sum(rows for _, rows in added.quotes)
        self.checksum_failures += parsed.checksum_failures
        for reject in parsed.rejects:
            self.rejects[reject.reason.value] += 1
        _add_bounded(self.ignored, parsed.ignored)
        _add_bounded(self.drift, parsed.drift)

    def as_json(self) -> dict[str, Any]:
        """Give the counts as ``/stats`` shows them; connected means all connections of the feed are."""
        return {
            "connected": self.connected == self.connections,
            "connections": self.connections,
            "frames": self.frames,
            "slow_frames": self.slow_frames,
            "trades": self.trades,
            "quotes": self.quotes,
            "rejects": dict(self.rejects),
            "ignored": dict(self.ignored),
            "drift": dict(self.drift),
            "checksum_failures": self.checksum_failures,
            "reconnects": self.reconnects.total(),
            "reconnects_by_cause": {cause.value: count for cause, count in sorted(self.reconnects.items())},
            "last_reconnect_cause": self.last_cause,
            "last_reconnect_ns": self.last_reconnect_ns,
            "last_end": self.last_end,
            "seconds_without_connection": round(self.seconds_without_connection(), 3),
            "last_frame_ns": self.last_frame_ns,
        }


def _add_bounded(total: Counter[str], more: Counter[str]) -> None:
    for name, count in more.items():
        total[name if name in total or len(total) < MAX_NAMES else OTHER] += count
