"""One symbol's missing ids, its tail, and its fills under way."""

from dataclasses import dataclass, field

from ecs_tasks.backfiller.states import SymbolSight
from ecs_tasks.backfiller.stats import SymbolStats
from ecs_tasks.backfiller.window import WindowWatch
from tickwire.backfill.plan import backoff_seconds, choose, cluster, start_time
from tickwire.backfill.second_look import SecondLook
from tickwire.backfill.tail import TailWatch
from tickwire.backfill.watch import GapWatch
from tickwire.errors import UnknownSymbol
from tickwire.intervals import IntervalSet
from tickwire.venues.history import Fill, History, NewestTrades

MAX_FILLS = 4
"""Fills of one symbol under way, which take turns."""


@dataclass(slots=True, eq=False)
class FillJob:
    """A fill under way for the ids ``first`` to ``last``."""

    first: int
    last: int
    fill: Fill
    unreadable: IntervalSet = field(default_factory=IntervalSet)
    """Ids whose unreadable rows the fill has given out."""


class Market:
    """One (venue, symbol) that the validator knows. Times are monotonic seconds."""

    def __init__(
        self,
        symbol: str,
        history: History,
        *,
        stats: SymbolStats,
        grace_seconds: float,
        tail_check_seconds: float,
        retry_seconds: float,
        max_retry_seconds: float,
        second_look_seconds: float,
    ) -> None:
        self.symbol = symbol
        self.history = history
        self.stats = stats
        self.watch = GapWatch(grace_seconds=grace_seconds)
        self.tail = TailWatch(check_seconds=tail_check_seconds)
        self.window = WindowWatch(history, symbol)
        self.second_look = SecondLook(seconds=second_look_seconds)
        self.missing = IntervalSet()
        self._sight = SymbolSight(IntervalSet(), (), -1, 0)
        self._retry = retry_seconds, max_retry_seconds
        self._turn = 0

    def observe(self, sight: SymbolSight, now: float) -> None:
        """Take in what the validator says."""
        self._sight = sight
        self.missing = sight.missing
        self.second_look.keep(sight.missing)
        self.tail.observe(sight.last_id, now)
        sent = [piece for piece in self.watch.observe(sight.missing, now) if piece.published]
        if sent:
            ids = sum(piece.last - piece.first + 1 for piece in sent)
            self.stats.closed(ids, now - min(piece.since for piece in sent))

    def oldest_seconds(self, now: float) -> float:
        """Give how long the id that waits longest is missing, 0 if none is."""
        return now - min((piece.since for piece in self.watch), default=now)

    def begin(self, now: float) -> FillJob | None:
        """Begin the fill that is next, if anything is due.

        What cannot be begun counts as failed: no time is known where the venue needs one, or the symbol is
        none that its REST could have.
        """
        due = self.watch.due(now)
        if not due:
            return None
        group = choose(cluster(due), turn=self._turn)
        self._turn += 1
        first, last = group[0].first, group[-1].last
        ranges = [(piece.first, piece.last) for piece in group]
        after = start_time(
            self._sight.spans,
            first,
            last_time=self._sight.last_time,
            attempts=max(piece.attempts for piece in group),
        )
        try:
            fill = self.history.fill(self.symbol, first, last, after_time=after)
        except ValueError as error:
            self.failed(ranges, str(error), now)
            return None
        for piece_first, piece_last in ranges:
            self.watch.taken(piece_first, piece_last)
        return FillJob(first, last, fill)

    def newest(self, now: float) -> NewestTrades | None:
        """Begin a look at the venue's newest trade; None where it cannot be asked, until the next time."""
        try:
            newest = self.history.latest(self.symbol)
        except UnknownSymbol:
            newest = None
        if newest is None:
            self.tail.failed(now)
        return newest

    def wanted(self, job: FillJob, now: float) -> IntervalSet:
        """Give the ids of a fill that are missing now and not just sent on."""
        return self.watch.wanted(job.first, job.last, self.missing, now)

    def end(self, job: FillJob, now: float, *, again_at: float) -> None:
        """Take in that a fill has ended by itself: what it left unresolved is asked for again later."""
        result = job.fill.result()
        left = [part for first, last in result.unresolved for part in self.missing.within(first, last)]
        if left:
            self.failed(left, result.reason or "the fill ended early", now)
        self.watch.returned(job.first, job.last, at=again_at)

    def give_up(self, job: FillJob, reason: str, now: float) -> None:
        """Take in that a fill cannot go on: all that it still wants is asked for again later."""
        self.failed(list(self.wanted(job, now).ranges()), reason, now)
        self.watch.returned(job.first, job.last, at=now)

    def put_back(self, job: FillJob, now: float) -> None:
        """Take in that a fill was dropped for no fault of its own."""
        self.watch.returned(job.first, job.last, at=now)

    def failed(self, ranges: list[tuple[int, int]], reason: str, now: float) -> None:
        """Let ids wait for their backoff."""
        self.stats.retries += 1
        self.stats.last_reason = reason
        base, cap = self._retry
        for first, last in ranges:
            attempts = self.watch.attempts(first, last)
            again = now + backoff_seconds(attempts, base=base, cap=cap)
            self.watch.failed([(first, last)], again_at=again)
