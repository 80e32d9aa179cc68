"""Waits until nothing is on its way any more: streams and queues empty, gaps filled, bars recomputed."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.stack import fetch
from tickwire.intervals import IntervalSet

if TYPE_CHECKING:
    from local.stack import LocalPlatform


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What still has to happen: ids missing, symbols whose last trades were not seen, bars to recompute."""

    missing: int
    tails: tuple[str, ...]
    bars: int

    def __bool__(self) -> bool:
        return bool(self.missing or self.tails or self.bars)

    def __str__(self) -> str:
        parts = [f"{self.missing:,} ids missing"] if self.missing else []
        parts += [f"the last trades of {', '.join(self.tails)} not seen"] if self.tails else []
        parts += [f"{self.bars:,} bars to recompute"] if self.bars else []
        return "; ".join(parts) or "nothing"


def made_ids(truth: dict[str, Any] | None) -> dict[str, IntervalSet] | None:
    """Give the ids that the local exchange has, by ``venue:SYMBOL``; None without one."""
    if truth is None:
        return None
    return {
        key: IntervalSet((first, last) for first, last in symbol["made"]["ranges"])
        for key, symbol in truth["symbols"].items()
    }


def outstanding(stack: "LocalPlatform", truth: dict[str, Any] | None) -> Outstanding:
    """Look at PostgreSQL, and at what the exchange has beyond it."""
    import psycopg

    with psycopg.connect(stack.postgres.url) as database:
        rows = database.execute("SELECT venue || ':' || symbol, last_id, missing FROM progress").fetchall()
        (bars,) = database.execute("SELECT count(*) FROM bar_repairs").fetchone() or (0,)
    made = made_ids(truth) or {}
    tails = [
        key for key, last_id, _ in rows if any(last > last_id for _, last in made.get(key, IntervalSet()).ranges())
    ]
    return Outstanding(sum(missing for *_, missing in rows), tuple(tails), bars)


def complete(stack: "LocalPlatform", *, seconds: float) -> Outstanding:
    """Wait until streams and queues hold nothing and nothing is outstanding; give what still was in the end.

    The market must have ended, and the ingestor been stopped. The backfiller still runs.
    """
    deadline = time.monotonic() + seconds
    while True:
        drained = stack.drain(seconds=max(1.0, deadline - time.monotonic()))
        truth = None if stack.exchange_url is None else fetch(f"{stack.exchange_url}/control/truth")
        left = outstanding(stack, truth)
        if (drained and not left) or time.monotonic() >= deadline:
            return left
        time.sleep(0.25)
