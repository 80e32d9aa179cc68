"""Counts for ``/stats``: what came, by feed and symbol, and what was accepted."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecs_tasks.ingestor.batcher import Added
from ecs_tasks.ingestor.feed_stats import FeedStats
from tickwire.records import Record
from tickwire.symbols import Instrument


class Histogram:
    """Durations in buckets 5 % apart from 0.1 ms to 100 s; percentiles are exact to one bucket."""

    _LOWEST = 1e-4
    _RATIO = 1.05
    _EDGES = _LOWEST * _RATIO ** np.arange(math.ceil(math.log(1e6) / math.log(_RATIO)))

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = np.zeros(len(self._EDGES) + 1, np.int64)

    def add(self, seconds: "np.typing.ArrayLike") -> None:
        """Count durations, a number or an array; negative ones (a clock behind the venue's) are the lowest."""
        buckets = np.searchsorted(self._EDGES, np.atleast_1d(np.asarray(seconds, np.float64)))
        self._counts += np.bincount(buckets, minlength=len(self._counts))

    def copy(self) -> "Histogram":
        """Give the counts as they are now."""
        copied = Histogram()
        copied._counts = self._counts.copy()
        return copied

    def since(self, earlier: "Histogram") -> "Histogram":
        """Give what was counted since ``earlier``, a copy of this one."""
        newer = Histogram()
        newer._counts = self._counts - earlier._counts
        return newer

    def percentile(self, percent: float) -> float | None:
        """Give the upper edge of the bucket that holds the percentile, in seconds, or None if empty."""
        total = int(self._counts.sum())
        if not total:
            return None
        bucket = int(np.searchsorted(np.cumsum(self._counts), math.ceil(total * percent / 100)))
        return float(self._EDGES[min(bucket, len(self._EDGES) - 1)])

    def summary(self) -> dict[str, float | None]:
        """Give p50 and p99 in seconds."""
        return {
            name: None if (value := self.percentile(percent)) is None else round(value, 6)
            for name, percent in (("p50", 50.0), ("p99", 99.0))
        }


@dataclass(slots=True)
class SymbolStats:
    """Which trade ids of one symbol came: lowest, highest and how many rows, repeats included."""

    first_id: int
    last_id: int
    trades: int


@dataclass(slots=True)
class PublishStats:
    """What Kinesis accepted."""

    records: int = 0
    trades: int = 0
    quotes: int = 0
    bytes: int = 0
    retries: int = 0
    publish: Histogram = field(default_factory=Histogram)
    """From a record made to the record accepted, its retries included."""
    receive_to_accepted: Histogram = field(default_factory=Histogram)
    """From each trade's frame received to its record accepted."""

    def accepted(self, record: Record, size: int, *, seconds: float, now: int) -> None:
        """Count an accepted record of ``size`` bytes; ``now`` is ns UTC."""
        self.records += 1
        self.trades += len(record.trades)
        self.quotes += len(record.quotes)
        self.bytes += size
        self.publish.add(seconds)
        if len(record.trades):
            self.receive_to_accepted.add((now - record.trades.receive_time) / 1e9)


class Stats:
    """All counts of the task, since it started."""

    def __init__(self) -> None:
        self.feeds: dict[str, FeedStats] = {}
        self.symbols: dict[tuple[str, str], SymbolStats] = {}
        self.published = PublishStats()
        self.dead_frames_sent = 0
        self.paused_seconds = 0.0
        """Time in which sockets were not read because too much was pending."""

    def feed(self, name: str) -> FeedStats:
        """Give the counts of a feed, new ones if it has none."""
        return self.feeds.setdefault(name, FeedStats())

    def add_symbols(self, added: Added) -> None:
        """Count the trades of a hand-over by symbol."""
        for seen in added.trades:
            key = _key(seen.instrument)
            held = self.symbols.get(key)
            if held is None:
                self.symbols[key] = SymbolStats(seen.first_id, seen.last_id, seen.trades)
            else:
                held.first_id = min(held.first_id, seen.first_id)
                held.last_id = max(held.last_id, seen.last_id)
                held.trades += seen.trades

    def as_json(self, *, pending_trades: int, pending_frames: int) -> dict[str, Any]:
        """Give everything as ``/stats`` shows it."""
        published = self.published
        return {
            "feeds": {name: feed.as_json() for name, feed in self.feeds.items()},
            "symbols": {
                f"{venue}:{symbol}": {"first_id": s.first_id, "last_id": s.last_id, "trades": s.trades}
                for (venue, symbol), s in sorted(self.symbols.items())
            },
            "published": {
                "records": published.records,
                "trades": published.trades,
                "quotes": published.quotes,
                "bytes": published.bytes,
                "retries": published.retries,
            },
            "pending_trades": pending_trades,
            "pending_frames": pending_frames,
            "dead_frames_sent": self.dead_frames_sent,
            "paused_seconds": round(self.paused_seconds, 3),
            "publish_seconds": published.publish.summary(),
            "receive_to_accepted_seconds": published.receive_to_accepted.summary(),
        }


def _key(instrument: Instrument) -> tuple[str, str]:
    return instrument.venue, instrument.symbol
