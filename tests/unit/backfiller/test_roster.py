"""Which symbols get a lane, and what people are told to look at."""

import asyncio
from typing import Any

from ecs_tasks.backfiller.outlet import Outlet
from ecs_tasks.backfiller.pause import Pause
from ecs_tasks.backfiller.roster import Roster
from ecs_tasks.backfiller.settings import BackfillerSettings
from ecs_tasks.backfiller.states import Sight, SymbolSight
from ecs_tasks.backfiller.venue import Venue
from tickwire.intervals import IntervalSet
from tickwire.venues.history import new_history


def settings() -> BackfillerSettings:
    return BackfillerSettings(  # type: ignore[call-arg]
        histories=({"feed": "kraken"},),  # type: ignore[arg-type]
        state_url="valkey://x",
        raw_stream="raw",
        frames_dlq_url="http://queue",
        partitions=4,
    )


def sight(*keys: tuple[str, str], missing: int = 3) -> Sight:
    ids = IntervalSet([(10, 9 + missing)]) if missing else IntervalSet()
    return Sight({key: SymbolSight(ids, (), 100, 1) for key in keys}, {})


async def test_symbols_that_share_a_limit_share_a_lane_and_others_have_their_own(new_bench: Any) -> None:
    bench = new_bench()
    roster = Roster(settings(), outlet=bench.outlet, pause=bench.pause)
    roster.venues["binance"] = bench.venue
    roster.venues["kraken"] = kraken = Venue(
        "kraken",
        new_history("kraken"),
        url="",
        fetcher=bench.rest,
        tenure=bench.venue.tenure,
        new_budget=bench.venue._new_budget,
        post=lambda venue, text: None,
    )
    names = [("binance", "BTC-USDT"), ("binance", "ETH-USDT"), ("kraken", "BTC-USD"), ("kraken", "ETH-USD")]
    lanes = roster.take(sight(*names))
    assert [(lane.venue, sorted(lane.markets)) for lane in lanes] == [
        ("binance", ["BTC-USDT", "ETH-USDT"]),
        ("kraken", ["BTC-USD"]),
        ("kraken", ["ETH-USD"]),
    ]
    assert roster.take(sight(*names)) == []
    assert roster.missing() == 12
    assert roster.as_json()["kraken"]["symbols"]["ETH-USD"]["missing"] == 3
    assert roster.complaints() == []
    kraken.trouble = "unavailable: HTTP 503"
    assert roster.complaints() == ["kraken: unavailable: HTTP 503"]


async def test_ids_that_nobody_here_can_ask_for_are_named() -> None:
    async def put(payloads: Any) -> list[str | None]:
        await asyncio.sleep(0)
        return [None]

    outlet = Outlet(put=put, send=put, partitions=4, trades_per_second=1)
    roster = Roster(settings(), outlet=outlet, pause=Pause())
    assert roster.take(sight(("mtgox", "BTC-USD"))) == []
    assert roster.complaints() == ["mtgox BTC-USD: 3 ids missing, and mtgox has no history here"]
    roster.take(sight(("mtgox", "BTC-USD"), missing=0))
    assert roster.complaints() == []
