"""What CloudWatch is told of a backfiller: what stays missing, and what is done about it."""

from typing import Any

import pytest

from ecs_tasks.backfiller import roster as roster_module
from ecs_tasks.backfiller.metrics import BackfillerMetrics, Missing, Standing
from ecs_tasks.backfiller.roster import Roster
from ecs_tasks.backfiller.settings import BackfillerSettings
from ecs_tasks.backfiller.states import Sight, SymbolSight
from ecs_tasks.backfiller.stats import VenueStats
from tickwire.intervals import IntervalSet


def values(metrics: list[Any]) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics}


def test_counts_are_of_the_time_since_the_last_look_and_summed_over_symbols() -> None:
    stats = VenueStats(rate_limited=1)
    stats.of("BTC-USD").requests, stats.of("ETH-USD").requests = 3, 4
    stats.of("BTC-USD").filled = 100
    metrics = BackfillerMetrics()
    look = lambda: values(metrics.look(Standing({"kraken": stats}, {}))["kraken"])  # noqa: E731
    first = look()
    assert (first["Requests"], first["FilledIds"], first["RateLimited"]) == (7, 100, 1)
    stats.rate_limited += 2
    stats.of("ETH-USD").absent += 5
    second = look()
    assert (second["Requests"], second["RateLimited"], second["AbsentIds"]) == (0, 2, 5)


def test_what_is_missing_is_told_as_it_stands_with_the_age_of_the_oldest() -> None:
    missing = Missing()
    missing.add(3, 20.0)
    missing.add(0, 0.0)
    missing.add(4, 700.04)
    told = BackfillerMetrics().look(Standing({"kraken": VenueStats()}, {"kraken": missing}))
    assert values(told["kraken"])["MissingIds"] == 7
    assert values(told["kraken"])["MissingSeconds"] == 700.0


def test_while_nobody_can_tell_what_is_missing_it_is_left_out_and_not_told_as_none() -> None:
    told = BackfillerMetrics().look(Standing({"kraken": VenueStats()}, None))
    assert "Requests" in values(told["kraken"])
    assert not {"MissingIds", "MissingSeconds"} & values(told["kraken"]).keys()


def test_ids_age_from_when_they_were_first_seen_missing_until_they_no_longer_are(
    new_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(roster_module.time, "monotonic", lambda: clock[0])
    bench = new_bench()
    settings = BackfillerSettings(  # type: ignore[call-arg]
        histories=({"feed": "binance"},),  # type: ignore[arg-type]
        state_url="valkey://x",
        raw_stream="raw",
        frames_dlq_url="http://queue",
        partitions=4,
    )
    roster = Roster(settings, outlet=bench.outlet, pause=bench.pause)
    roster.venues["binance"] = bench.venue

    def see(*ranges: tuple[int, int]) -> dict[str, Missing]:
        sight = SymbolSight(IntervalSet(ranges), (), 100, 1)
        roster.take(Sight({("binance", "BTC-USDT"): sight, ("mtgox", "BTC-USD"): sight}, {}))
        return roster.missing_by_venue()

    assert see((5, 7)) == {"binance": Missing(3, 0.0), "mtgox": Missing(3, 0.0)}
    clock[0] += 90
    assert see((5, 7), (9, 9)) == {"binance": Missing(4, 90.0), "mtgox": Missing(4, 90.0)}
    clock[0] += 10
    # The old ones are filled; the new one is ten seconds old, which an unserved venue cannot tell apart.
    assert see((9, 9)) == {"binance": Missing(1, 10.0), "mtgox": Missing(1, 100.0)}
    assert see() == {"binance": Missing(0, 0.0), "mtgox": Missing(0, 0.0)}
