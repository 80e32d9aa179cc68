"""What is sent on of a history's pages, in which order, and what follows when the venue does not give it."""

import asyncio
from typing import Any

from ecs_tasks.ingestor.dead_frames import DeadFrame
from tickwire.columns import TradeFlag
from tickwire.records import FindingKind, Record, RecordKind
from tickwire.venues.history import HistoryReply, VenueUnavailable

UNAVAILABLE = HistoryReply(503, b"{}")


def ids(record: Any) -> list[int]:
    assert isinstance(record, Record)
    found: list[int] = record.trades.trade_id.tolist()
    return found


def findings(record: Any) -> list[tuple[FindingKind, int, int]]:
    return [(one.kind, one.first, one.last) for one in record.findings]


async def test_only_missing_ids_are_sent_on_and_absence_after_the_trades_of_its_page(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(9, 10, 11, 12, 13, 16)
    bench.missing((10, 10), (12, 12), (14, 15))
    await bench.until(lambda: len(bench.accepted) == 2)
    trades, absent = bench.accepted
    assert ids(trades) == [10, 12]
    assert trades.header.kind is RecordKind.RAW
    assert set(trades.trades.flags.tolist()) == {TradeFlag.BACKFILL}
    assert findings(absent) == [(FindingKind.ABSENT, 14, 15)]
    assert absent.findings[0].evidence.startswith("GET /api/v3/historicalTrades?symbol=BTCUSDT&fromId=9&limit=")
    assert len(bench.rest.requests) == 1
    stats = bench.venue.stats.of("BTC-USDT")
    assert (stats.trades, stats.absent, stats.requests) == (2, 2, 1)


async def test_what_a_page_lacks_is_absent_only_when_a_second_one_lacks_it_too(new_bench: Any) -> None:
    bench = new_bench(second_look_seconds=0.05)
    bench.rest.has(9, 10, 16)
    bench.missing((11, 15))
    await bench.until(lambda: len(bench.rest.requests) == 1)
    bench.rest.has(13)  # the machine that lagged has caught up
    await bench.until(lambda: len(bench.accepted) == 2)
    trades, absent = bench.accepted
    assert ids(trades) == [13]
    assert findings(absent) == [(FindingKind.ABSENT, 11, 12), (FindingKind.ABSENT, 14, 15)]
    assert len(bench.rest.requests) == 2


async def test_an_unreadable_row_is_a_dead_letter_before_its_id_is_told_to_be_one(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(9, 10, 11, 12)
    bench.rest.rows[10]["price"] = "cheap"
    bench.missing((10, 11))
    bench.send_codes = ["InternalError", "InternalError"]
    await bench.until(lambda: len(bench.accepted) == 3)
    trades, letter, unreadable = bench.accepted
    assert ids(trades) == [11]
    assert isinstance(letter, DeadFrame)
    assert (letter.feed, letter.venue) == ("binance/history", "binance")
    assert letter.reject.detail.startswith("binance BTC-USDT: ")
    assert b'"price": "cheap"' in letter.reject.frame
    assert findings(unreadable) == [(FindingKind.UNREADABLE, 10, 10)]


async def test_a_row_without_an_id_is_one_dead_letter_however_often_its_page_comes(new_bench: Any) -> None:
    bench = new_bench(retry_seconds=0.001, settle=0.001)
    bench.rest.has(9, 10, 12)
    bench.rest.rows[11] = {"price": "1"}
    bench.missing((11, 11))
    await bench.until(lambda: len(bench.rest.requests) >= 5)
    (letter,) = bench.accepted
    assert isinstance(letter, DeadFrame)
    assert letter.reject.frame == b'{"price": "1"}'


async def test_a_row_that_a_page_repeats_is_one_dead_letter(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.refusals = [HistoryReply(200, b'[{"id":9},{"price":"1"},{"price":"1"},{"price":"2"},{"price":"1"}]')]
    bench.missing((11, 11))
    await bench.until(lambda: bench.venue.stats.of("BTC-USDT").retries > 0)
    assert [letter.reject.frame for letter in bench.accepted] == [b'{"price":"1"}', b'{"price":"2"}']


async def test_nothing_follows_before_a_record_is_accepted(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(*range(1, 2_500))
    bench.missing((2, 2_400))
    bench.put_codes = ["ProvisionedThroughputExceededException"] * 3
    await bench.until(lambda: bench.outlet.retries == 3)
    assert len(bench.rest.requests) == 1
    await bench.until(lambda: len(bench.accepted) == 3)
    assert [number for record in bench.accepted for number in ids(record)] == list(range(2, 2_401))


async def test_what_was_accepted_is_fetched_again_only_if_it_stays_missing(new_bench: Any) -> None:
    bench = new_bench(settle=0.05)
    bench.rest.has(9, 10, 11)
    market = bench.missing((10, 10))
    await bench.until(lambda: len(bench.accepted) == 2)
    assert [ids(record) for record in bench.accepted] == [[10], [10]]
    bench.missing()
    assert market.stats.filled == 1
    assert market.stats.filled_seconds_max >= 0.05
    asked = len(bench.rest.requests)
    bench.missing((20, 20))
    bench.rest.has(19, 20, 21)
    await bench.until(lambda: len(bench.rest.requests) > asked)
    assert bench.rest.requests[asked]["fromId"] == "19"


async def test_a_live_trade_that_came_meanwhile_is_not_sent_again(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(9, 10, 11, 12)
    bench.rest.refusals = [VenueUnavailable("reset", retry_after_seconds=0.02)]
    bench.missing((10, 11))
    await bench.until(lambda: bench.venue.stats.unavailable == 1)
    bench.missing((11, 11))
    await bench.until(lambda: len(bench.accepted) == 1)
    assert ids(bench.accepted[0]) == [11]


async def test_a_history_that_lags_leaves_ids_for_later_and_says_why(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(9, 10)
    market = bench.missing((10, 12))
    await bench.until(lambda: market.stats.retries == 1)
    await bench.until(lambda: len(bench.lane.turns) == 0)
    assert ids(bench.accepted[0]) == [10]
    assert market.stats.last_reason == "binance's history ends at id 10"
    assert bench.told == ["BTC-USDT: binance's history ends at id 10"]
    assert market.watch.attempts(11, 12) == 1


async def test_a_short_gap_of_another_symbol_does_not_wait_for_a_long_outage(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(*range(1, 9_000))
    bench.missing((2, 7_900))
    bench.missing((10, 12), symbol="ETH-USDT")
    await bench.until(lambda: len(bench.accepted) == 9)
    symbols = [record.trades.instruments[0].symbol for record in bench.accepted]
    assert symbols.index("ETH-USDT") <= 1
    assert symbols.count("ETH-USDT") == 1
    assert [n for r in bench.accepted if r.trades.instruments[0].symbol == "BTC-USDT" for n in ids(r)] == list(
        range(2, 7_901)
    )


async def test_a_throttled_venue_is_left_alone_for_as_long_as_it_asks(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(9, 10, 11)
    bench.rest.refusals = [HistoryReply(429, b"", {"Retry-After": "3600"})]
    market = bench.missing((10, 10))
    await bench.until(lambda: market.stats.budget_waits == 1)
    assert market.stats.budget_wait_seconds > 3_500
    assert (len(bench.rest.requests), bench.venue.stats.rate_limited, market.stats.rate_limited) == (1, 1, 1)
    assert bench.venue.trouble.startswith("rate limited: HTTP 429")
    bench.pause.stop()
    await asyncio.wait_for(bench.running, 5)
    assert bench.accepted == []


async def test_a_venue_that_is_down_and_up_again_is_told_and_filled(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(9, 10, 11)
    bench.rest.refusals = [UNAVAILABLE]
    bench.missing((10, 10))
    await bench.until(lambda: bench.accepted != [])
    assert ids(bench.accepted[0]) == [10]
    assert [text.partition(":")[0] for text in bench.told] == ["unavailable", "the history answers again"]
    assert bench.venue.trouble == ""


async def test_a_rejected_request_does_not_keep_other_symbols_waiting(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(9, 10, 11)
    bench.rest.refusals = [HistoryReply(400, b'{"code":-1121,"msg":"Invalid symbol."}')]
    market = bench.missing((10, 10))
    other = bench.missing((10, 10), symbol="ETH-USDT")
    await bench.until(lambda: bench.accepted != [])
    assert {market.stats.retries, other.stats.retries} == {0, 1}
    assert any("Invalid symbol" in text for text in bench.told)


async def test_a_stop_waits_for_what_was_fetched_to_be_accepted(new_bench: Any) -> None:
    bench = new_bench()
    bench.rest.has(*range(1, 3_000))
    bench.missing((2, 2_900))
    bench.put_codes = ["InternalFailure"] * 2
    await bench.until(lambda: bench.outlet.retries == 1)
    bench.pause.stop()
    await asyncio.wait_for(bench.running, 5)
    assert [len(record.trades) for record in bench.accepted] == [999]


async def test_a_quiet_symbol_is_looked_up_and_a_newer_trade_is_told_twice(new_bench: Any) -> None:
    bench = new_bench(tail_check_seconds=0.01)
    bench.rest.has(*range(990, 1_004))
    market = bench.missing(last_id=1_000)
    await bench.until(lambda: market.stats.heartbeats == 2)
    first, second = (record.heartbeats[0] for record in bench.accepted)
    assert (first.venue, first.symbol, first.last_trade_id) == ("binance", "BTC-USDT", 1_003)
    assert second.last_trade_id == 1_003
    assert second.exchange_time - first.exchange_time >= 1_000_000_000
    assert "fromId" not in bench.rest.requests[0]


async def test_a_symbol_that_is_quiet_at_the_venue_too_is_no_news(new_bench: Any) -> None:
    bench = new_bench(tail_check_seconds=0.01)
    bench.rest.has(*range(990, 1_001))
    market = bench.missing(last_id=1_000)
    await bench.until(lambda: market.stats.tail_checks >= 2)
    assert bench.accepted == []
