"""The last day of a symbol as minutes: once at the start, after the trades, and again when something was in the way."""

from typing import Any

import pytest
from valkey import ConnectionError as ValkeyDown

from ecs_tasks.backfiller.window import AGAIN_SECONDS, MINUTES, RETRY_SECONDS, WindowWatch
from tickwire.venues.history import HistoryReply, VenueUnavailable, new_history

MINUTE = 60_000_000_000
WALL = 1_795_779_930 * 1_000_000_000


async def test_the_day_before_comes_once_page_by_page(new_bench: Any) -> None:
    bench = new_bench(warm=True)
    market = bench.missing()
    await bench.until(lambda: market.window.due_at > 0)
    assert [(venue, symbol) for venue, symbol, _ in bench.minutes] == [("binance", "BTC-USDT")] * 2
    candles = [candle for _, _, page in bench.minutes for candle in page]
    starts = [candle.start for candle in candles]
    assert len(starts) == MINUTES
    assert starts == list(range(starts[0], starts[0] + MINUTES * MINUTE, MINUTE))
    assert [request["limit"] for request in bench.rest.requests] == ["1000", "1000"]
    assert market.stats.minutes == MINUTES
    asked = len(bench.rest.requests)
    bench.rest.has(9, 10, 11)
    bench.missing((10, 10))
    await bench.until(lambda: len(bench.accepted) == 1)
    assert len(bench.rest.requests) == asked + 1


async def test_missing_trades_come_first(new_bench: Any) -> None:
    bench = new_bench(warm=True)
    bench.rest.has(9, 10, 11)
    bench.missing((10, 10))
    await bench.until(lambda: len(bench.minutes) == 2)
    assert ["interval" in request for request in bench.rest.requests] == [False, True, True]


@pytest.mark.parametrize("refusal", [VenueUnavailable("down", retry_after_seconds=0.01), HistoryReply(400, b"{}")])
async def test_what_fails_is_tried_again_and_holds_up_nothing(new_bench: Any, refusal: Any) -> None:
    bench = new_bench(warm=True)
    bench.rest.refusals = [refusal]
    market = bench.missing()
    await bench.until(lambda: market.window.due_at > 0)
    assert bench.minutes == []
    bench.rest.has(9, 10, 11)
    bench.missing((10, 10))
    await bench.until(lambda: len(bench.accepted) == 1)
    market.window.due_at = 0.0
    await bench.until(lambda: len(bench.minutes) == 2)


async def test_a_store_that_is_down_is_tried_again(new_bench: Any) -> None:
    bench = new_bench(warm=True)
    bench.store_errors = [ValkeyDown("gone")]
    market = bench.missing()
    await bench.until(lambda: market.window.due_at > 0)
    assert market.stats.last_reason == "window: gone"
    market.window.due_at = 0.0
    await bench.until(lambda: len(bench.minutes) == 2)


async def test_nobody_asks_where_nobody_predicts(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(9, 10, 11)
    bench.missing((10, 10))
    await bench.until(lambda: len(bench.accepted) == 1)
    assert len(bench.rest.requests) == 1


def test_a_day_is_fetched_again_after_hours_and_sooner_after_a_failure() -> None:
    watch = WindowWatch(new_history("kraken"), "BTC-USD")
    cursor = watch.cursor(WALL)
    assert cursor is not None
    assert (cursor.end - cursor.start, cursor.end) == (MINUTES * MINUTE, WALL // MINUTE * MINUTE)
    assert watch.cursor(WALL + MINUTE) is cursor
    watch.failed(100.0)
    assert watch.due_at == 100.0 + RETRY_SECONDS
    assert watch.cursor(WALL) is not cursor
    cursor = watch.cursor(WALL)
    assert cursor is not None
    cursor.request = None
    watch.took(200.0)
    assert watch.due_at == 200.0 + AGAIN_SECONDS


def test_a_symbol_that_the_rest_cannot_have_is_never_asked_for() -> None:
    watch = WindowWatch(new_history("binance"), "not a symbol")
    assert watch.cursor(WALL) is None
    assert watch.due_at == float("inf")
