"""What the ingestor tells CloudWatch: the numbers of ``/stats``, by venue, as they changed since the last look."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ecs_tasks.ingestor.feed_stats import FeedStats
from ecs_tasks.ingestor.stats import Histogram, Stats
from ecs_tasks.shared.metrics import Metric, Unit, counts, milliseconds

SERVICE = "ingestor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands at present, beside the counts.

    Attributes
    ----------
    groups : groups held, by venue
    sockets : of them, those that are read, by venue
    stalled_seconds : age of the oldest record that Kinesis has not accepted
    loop : of the whole task
    """

    groups: Mapping[str, int]
    sockets: Mapping[str, int]
    pending_trades: int
    pending_frames: int
    stalled_seconds: float
    loop: tuple[Metric, ...] = ()


class IngestorMetrics:
    """Takes differences of the task's statistics.

    What belongs to the whole task (its lag, what waits, its processor) is told with each of its
    venues; a task of the stacks has but one.

    Parameters
    ----------
    venues : the venue of each feed that the task may read
    """

    def __init__(self, stats: Stats, venues: Mapping[str, str]) -> None:
        self._stats = stats
        self._venues = venues
        self._before: dict[str, Counter[str]] = {venue: Counter() for venue in venues.values()}
        self._retries = 0
        self._publish = Histogram()
        self._receive = Histogram()

    def look(self, standing: Standing) -> dict[str, list[Metric]]:
        """Give the metrics of each venue since the last call."""
        # With zeros where nothing came: silence is told of, and not left out.
        totals = {venue: _counts(FeedStats()) for venue in self._before}
        for name, feed in self._stats.feeds.items():
            totals[self._venues[name]].update(_counts(feed))
        whole = self._of_task(standing)
        given: dict[str, list[Metric]] = {}
        for venue, total in totals.items():
            new = {name: count - self._before[venue][name] for name, count in total.items()}
            groups, sockets = standing.groups.get(venue, 0), standing.sockets.get(venue, 0)
            given[venue] = [*counts(new | {"Groups": groups, "Sockets": sockets}), *_slow_share(new), *whole]
        self._before = totals
        return given

    def _of_task(self, standing: Standing) -> list[Metric]:
        published = self._stats.published
        publish, receive = published.publish.since(self._publish), published.receive_to_accepted.since(self._receive)
        retries = published.retries - self._retries
        self._publish, self._receive = published.publish.copy(), published.receive_to_accepted.copy()
        self._retries = published.retries
        waits = {"PendingTrades": standing.pending_trades, "PendingFrames": standing.pending_frames}
        # What is not accepted yet is in no histogram, and is the worst while Kinesis accepts nothing.
        lag = max(publish.percentile(100) or 0.0, standing.stalled_seconds)
        return [
            *counts({"PutRetries": retries} | waits),
            milliseconds("PublishLagMax", lag),
            *_percentiles("PublishLag", publish, 99),
            *_percentiles("ReceiveToPut", receive, 50, 99),
            *standing.loop,
        ]


def _counts(feed: FeedStats) -> Counter[str]:
    return Counter(
        {
            "Trades": feed.trades,
            "Quotes": feed.quotes,
            "Frames": feed.frames,
            "SlowFrames": feed.slow_frames,
            "DeadFrames": feed.rejects.total(),
            "Reconnects": feed.reconnects.total(),
            "ChecksumFailures": feed.checksum_failures,
        }
    )


def _slow_share(new: Mapping[str, int]) -> list[Metric]:
    if not new.get("Frames"):
        return []
    return [Metric("SlowFrameShare", Unit.PERCENT, round(100 * new["SlowFrames"] / new["Frames"], 3))]


def _percentiles(name: str, histogram: Histogram, *percents: int) -> list[Metric]:
    """Give percentiles, none where nothing was measured."""
    values = ((percent, histogram.percentile(percent)) for percent in percents)
    return [milliseconds(f"{name}P{percent}", value) for percent, value in values if value is not None]
