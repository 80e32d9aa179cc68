"""What the backfiller tells CloudWatch: the numbers of ``/stats``, by venue, as they changed since the last look."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ecs_tasks.backfiller.stats import VenueStats
from ecs_tasks.shared.metrics import Metric, Unit, counts, milliseconds

SERVICE = "backfiller"


@dataclass(slots=True)
class Missing:
    """How many ids of a venue are missing, and for how long the oldest of them has been, in seconds.

    The time is counted from when this task saw the id missing first: a task that starts anew starts
    at 0.
    """

    ids: int = 0
    oldest_seconds: float = 0.0

    def add(self, ids: int, seconds: float) -> None:
        """Add ids of one symbol."""
        self.ids += ids
        self.oldest_seconds = max(self.oldest_seconds, seconds)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at present, beside the counts; ``missing`` is by venue, None while nobody can tell."""

    stats: Mapping[str, VenueStats]
    missing: Mapping[str, Missing] | None
    stalled_seconds: float = 0.0
    loop: tuple[Metric, ...] = ()


class BackfillerMetrics:
    """Takes differences of the task's statistics."""

    def __init__(self) -> None:
        self._before: dict[str, Counter[str]] = {}

    def look(self, standing: Standing) -> dict[str, list[Metric]]:
        """Give the metrics of each venue since the last call.

        While the validator's states cannot be read, what is missing is left out rather than told as
        it was: an alarm takes that for the worst.
        """
        whole = [milliseconds("PublishLagMax", standing.stalled_seconds), *standing.loop]
        given: dict[str, list[Metric]] = {}
        for venue in sorted(standing.stats.keys() | (standing.missing or {}).keys()):
            total = _counts(standing.stats.get(venue) or VenueStats())
            before = self._before.get(venue, Counter())
            metrics = counts({name: count - before[name] for name, count in total.items()})
            if standing.missing is not None:
                missing = standing.missing.get(venue, Missing())
                metrics.append(Metric("MissingIds", Unit.COUNT, missing.ids))
                metrics.append(Metric("MissingSeconds", Unit.SECONDS, round(missing.oldest_seconds, 1)))
            self._before[venue] = total
            given[venue] = [*metrics, *whole]
        return given


def _counts(venue: VenueStats) -> Counter[str]:
    symbols = venue.symbols.values()

    def total(name: str) -> int:
        return sum(getattr(symbol, name) for symbol in symbols)

    return Counter(
        {
            "Requests": total("requests"),
            "FilledIds": total("filled"),
            "AbsentIds": total("absent"),
            "UnreadableIds": total("unreadable"),
            "Retries": total("retries"),
            "BudgetWaits": total("budget_waits"),
            "RateLimited": venue.rate_limited,
            "Unavailable": venue.unavailable,
            "Refused": venue.refused,
        }
    )
