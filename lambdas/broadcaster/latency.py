"""How long records take from stage to stage, for the screen and for CloudWatch. Pure: times are handed in."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lambdas.broadcaster.health import LatencyData
from tickwire.bars import NOT_LIVE
from tickwire.records import Record

EVERY = 1_000_000_000
"""At most one report in so many ns."""

MAX_SAMPLES = 100
"""As many values has a metric in one line of the embedded metric format."""

_MILLISECOND = 1_000_000
HERE = "broadcaster"


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """What the records since the last report tell.

    Attributes
    ----------
    data : for the screens
    totals : ms from the newest receive time in a record to here, ascending; of more than ``MAX_SAMPLES`` records
        as many, evenly spread, the slowest among them: percentiles stay what they are
    """

    data: LatencyData
    totals: Sequence[float]


class Latencies:
    """Collects the hops of records and reports them once a second."""

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

    def report(self, *, now: int) -> LatencyReport | None:
        """Give what happened since the last report, if one is due and there is anything to report."""
        if not self._totals or now - self._reported < EVERY:
            return None
        data = LatencyData(
            stage={stage: round(median(times), 3) for stage, times in self._stages.items()},
            total=round(median(self._totals), 3),
            records=len(self._totals),
            time=now,
        )
        report = LatencyReport(data, _spread(sorted(self._totals)))
        self._stages.clear()
        self._totals.clear()
        self._reported = now
        return report


def _spread(ascending: Sequence[float]) -> list[float]:
    """Give at most ``MAX_SAMPLES`` of the values, at even steps of rank, with the last."""
    count = min(len(ascending), MAX_SAMPLES)
    return [round(ascending[rank * len(ascending) // count - 1], 3) for rank in range(1, count + 1)]
