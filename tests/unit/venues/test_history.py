"""What the histories share: requests, limits, the budget; and backfilled rows against the live ones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tickwire.capture import read_capture
from tickwire.columns import TradeBatch, TradeFlag
from tickwire.decimals import format_fixed
from tickwire.timestamps import format_rfc3339
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.history import (
    HISTORIES,
    HistoryReply,
    HistoryRequest,
    RateBudget,
    RateLimited,
    RateRules,
    new_history,
)
from tickwire.venues.registry import FEEDS, new_feed

SECOND = 10**9
RECEIVED = 1_783_465_260 * SECOND
"""2026-07-07T23:01:00Z."""

SYMBOLS = {"binance": "BTC-USDT", "binance-us": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}


def test_request_encodes_its_query() -> None:
    request = HistoryRequest("/products/BTC-USD/candles", (("granularity", "60"), ("start", "2026-07-07T23:01:00Z")))
    assert request.method == "GET"
    assert request.target == "/products/BTC-USD/candles?granularity=60&start=2026-07-07T23%3A01%3A00Z"
    assert HistoryRequest("/0/public/Time").target == "/0/public/Time"


def test_headers_are_found_whatever_the_case_of_their_names() -> None:
    reply = HistoryReply(200, b"", {"x-mbx-used-weight-1m": "7"})
    assert reply.header("X-MBX-USED-WEIGHT-1M") == "7"
    assert reply.header("Retry-After") is None


def test_each_feed_has_a_history() -> None:
    assert HISTORIES.keys() == FEEDS.keys()
    for name in FEEDS:
        assert new_history(name).venue == new_feed(name).venue
    with pytest.raises(KeyError, match="no history 'nope'; there are binance"):
        new_history("nope")


@pytest.mark.parametrize(("venue", "seconds"), [("binance", 60), ("coinbase", 1), ("kraken", 5)])
@pytest.mark.parametrize("header", [{}, {"Retry-After": "soon"}])
def test_throttled_request_waits_a_default_where_the_venue_does_not_say(
    venue: str, seconds: float, header: dict[str, str]
) -> None:
    fill = new_history(venue).fill(SYMBOLS[venue], 5, 9, after_time=RECEIVED)
    with pytest.raises(RateLimited) as limited:
        fill.feed(HistoryReply(429, b"", header), RECEIVED)
    assert limited.value.retry_after_seconds == seconds


@pytest.mark.parametrize("wanted", [(9, 5), (-1, 5), (5, 2**63)])
def test_ids_that_are_no_range_are_refused(wanted: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no range of trade ids"):
        new_history("binance").fill("BTC-USDT", *wanted)


@pytest.mark.parametrize(
    ("venue", "interval", "start", "end", "text"),
    [
        ("coinbase", 180, 0, 180, "coinbase has no candles of 180 s, only of 60, 300"),
        ("kraken", 604800, 0, 604800, "kraken has no candles of 604800 s"),
        ("binance", 60, 0, 90, "not whole intervals"),
        ("binance", 60, 60, 60, "not whole intervals"),
    ],
)
def test_candles_that_the_venue_does_not_have_are_refused(
    venue: str, interval: int, start: int, end: int, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        new_history(venue).candles(SYMBOLS[venue], interval, start=start * SECOND, end=end * SECOND)


def test_budget_lets_a_burst_go_and_then_keeps_the_pace() -> None:
    budget = RateBudget(RateRules(burst=10, per_second=2))
    now = 1000 * SECOND
    assert [budget.reserve(now, 5) for _ in range(4)] == [0, 0, 2.5, 5]
    # After 10 s the debt of 10 is paid and 10 of the burst are there again.
    assert [budget.reserve(now + 10 * SECOND, 5) for _ in range(3)] == [0, 0, 2.5]


def test_budget_is_handed_on_by_one_number() -> None:
    first = RateBudget(RateRules(burst=10, per_second=2))
    first.reserve(1000 * SECOND, 10)
    second = RateBudget(RateRules(burst=10, per_second=2), full_at=first.full_at)
    assert second.reserve(1000 * SECOND, 1) == 0.5


def test_budget_sends_nothing_while_blocked_and_starts_slowly_after() -> None:
    budget = RateBudget(RateRules(burst=10, per_second=2))
    budget.block(1000 * SECOND, 30)
    assert [budget.reserve(1000 * SECOND, 2) for _ in range(2)] == [31, 32]


def test_shorter_block_does_not_end_a_longer_one() -> None:
    budget = RateBudget(RateRules(burst=10, per_second=2))
    budget.block(1000 * SECOND, 30)
    budget.block(1000 * SECOND, 5)
    assert budget.reserve(1000 * SECOND, 2) == 31


def test_budget_believes_the_venue_about_what_others_used() -> None:
    rules = RateRules(burst=10, per_second=2, window_weight=100)
    budget = RateBudget(rules)
    budget.observe(1000 * SECOND, 96)
    assert [budget.reserve(1000 * SECOND, 4), budget.reserve(1000 * SECOND, 2)] == [0, 1]
    # 1000 s is 40 s into its minute: with nothing left, it goes on in the next.
    spent = RateBudget(rules)
    spent.observe(1000 * SECOND, 100)
    assert spent.reserve(1000 * SECOND, 2) == 21


def test_venue_that_counts_less_than_we_do_gives_nothing_back() -> None:
    budget = RateBudget(RateRules(burst=10, per_second=2, window_weight=100))
    budget.reserve(1000 * SECOND, 10)
    budget.observe(1000 * SECOND, 0)
    assert budget.reserve(1000 * SECOND, 2) == 1


@pytest.mark.parametrize("venue", ["binance", "binance-us"])
def test_no_minute_spends_more_than_the_ceiling_under_the_venues_limit(venue: str, realdata: Path) -> None:
    rules = new_history(venue).rate
    assert rules.burst + 60 * rules.per_second == rules.window_weight
    limit = {"binance": 6000, "binance-us": 1200}[venue]
    assert rules.window_weight < limit
    if venue == "binance-us":
        line = (realdata / "captures/cryptofeed/BINANCE_US.0").read_text().splitlines()[0]
        limits = json.loads(line[line.index("{") :])["rateLimits"]
        assert next(row["limit"] for row in limits if row["rateLimitType"] == "REQUEST_WEIGHT") == limit


@pytest.mark.parametrize(
    ("venue", "weight", "seconds"),
    # 600,000 trades are 600 pages of 1,000, or 601 with their overlap: (601 x weight - burst) / pace.
    [("binance", 25, 188.33), ("coinbase", 1, 65.67), ("kraken", 1, 600)],
)
def test_ten_minutes_of_a_thousand_trades_a_second_are_fetched_within_the_limits(
    venue: str, weight: int, seconds: float
) -> None:
    history = new_history(venue)
    request = history.fill(SYMBOLS[venue], 1, 600_000, after_time=RECEIVED).request
    assert request is not None
    assert request.weight == weight
    budget = RateBudget(history.rate)
    waits = [budget.reserve(1000 * SECOND, request.weight) for _ in range(601)]
    assert waits[-1] == pytest.approx(seconds, abs=0.01)


def binance_rows(batch: TradeBatch) -> bytes:
    rows = [
        {
            "id": int(batch.trade_id[k]),
            "price": format_fixed(int(batch.price[k]), 8),
            "qty": format_fixed(int(batch.size[k]), 8),
            "quoteQty": "0",
            "time": int(batch.exchange_time[k]) // 1_000_000,
            "isBuyerMaker": int(batch.side[k]) == 2,
            "isBestMatch": True,
        }
        for k in range(len(batch))
    ]
    return json.dumps(rows).encode()


def coinbase_rows(batch: TradeBatch) -> bytes:
    rows = [
        {
            "trade_id": int(batch.trade_id[k]),
            "side": "buy" if int(batch.side[k]) == 2 else "sell",
            "size": format_fixed(int(batch.size[k]), 8),
            "price": format_fixed(int(batch.price[k]), 8),
            "time": format_rfc3339(int(batch.exchange_time[k])),
        }
        for k in reversed(range(len(batch)))
    ]
    return json.dumps(rows).encode()


def kraken_rows(batch: TradeBatch) -> bytes:
    rows = ",".join(
        f'["{format_fixed(int(batch.price[k]), 8)}","{format_fixed(int(batch.size[k]), 8)}",'
        f"{format_fixed(int(batch.exchange_time[k]), 9)},"
        f'"{"b" if int(batch.side[k]) == 1 else "s"}","l","",{batch.trade_id[k]}]'
        for k in range(len(batch))
    )
    return f'{{"error":[],"result":{{"XXBTZUSD":[{rows}],"last":"{batch.exchange_time[-1]}"}}}}'.encode()


@pytest.mark.parametrize(
    ("feed", "capture", "rows"),
    [
        ("binance", "binance_spot_20260707.ndjson", binance_rows),
        ("coinbase", "coinbase_exchange_20260707.ndjson", coinbase_rows),
        ("kraken", "kraken_v2_20260707.ndjson", kraken_rows),
    ],
)
def test_backfilled_trades_equal_the_live_ones_of_a_capture(
    feed: str, capture: str, rows: Callable[[TradeBatch], bytes], realdata: Path
) -> None:
    parser, parsed = new_feed(feed), ParsedFrames()
    for frame in read_capture(realdata / "captures" / capture):
        parser.parse(frame.frame, RECEIVED, parsed)
    live = parsed.trades.batch()
    live = live.take(live.flags == 0)
    busiest = int(np.argmax(np.bincount(live.instrument)))
    live = live.take(live.instrument == busiest)
    instrument = live.instruments[busiest]
    ids = live.trade_id.tolist()
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert len(ids) >= 5
    # The first and the last trade stand for those that were seen around the gap.
    fill = new_history(feed).fill(instrument.symbol, ids[1], ids[-2], after_time=int(live.exchange_time[0]))
    page = fill.feed(HistoryReply(200, rows(live)), RECEIVED)
    assert page.next is None
    assert not page.rejects
    assert fill.result().unresolved == ()
    wanted = live.take((live.trade_id >= ids[1]) & (live.trade_id <= ids[-2]))
    assert page.trades.instruments == (instrument,)
    for column in ("trade_id", "price", "size", "side", "exchange_time", "receive_time"):
        assert getattr(page.trades, column).tolist() == getattr(wanted, column).tolist()
    assert set(page.trades.flags.tolist()) == {TradeFlag.BACKFILL}
