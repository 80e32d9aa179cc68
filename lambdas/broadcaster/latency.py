"""How long records take from stage to stage, for the screen. Pure: times are handed in."""

from collections import defaultdict
from statistics import median

from lambdas.broadcaster.health import LatencyData
from tickwire.bars import NOT_LIVE
from tickwire.records import Record

EVERY = 1_000_000_000
"""At most one report in so many ns."""

_MILLISECOND = 1_000_000
HERE = "broadcaster"


class Latencies:
    """Collects the hops of records and reports their medians once a second."""

    def __init__(self) -> None:
        self._stages: defaultdict[str, list[float]] = defaultdict(list)
        self._totals: list[float] = []
        self._reported = 0

    def add(self, record: Record, *, now: int) -> None:
        """Take a record seen here at ``now`` (ns UTC).

        Only live trades tell latency: bars close and quotes are conflated later than what they were made
        of, and trades of a snapshot, from history or from a dead letter came late to begin with.
        """
        live = record.trades.receive_time[record.trades.flags & int(NOT_LIVE) == 0]
        if not len(live):
            return
        before = newest = int(live.max())
        for stage, time in (*record.header.hops, (HERE, now)):
            self._stages[stage].append((time - before) / _MILLISECOND)
            before = time
        self._totals.append((now - newest) / _MILLISECOND)

    def report(self, *, now: int) -> LatencyData | None:
        """Give the medians since the last report, if one is due and there is anything to report."""
        if not self._totals or now - self._reported < EVERY:
            return None
        report = LatencyData(
            stage={stage: round(median(times), 3) for stage, times in self._stages.items()},
            total=round(median(self._totals), 3),
            records=len(self._totals),
            time=now,
        )
        self._stages.clear()
        self._totals.clear()
        self._reported = now
        return report
