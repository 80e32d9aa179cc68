"""The simulated market: a pure function of its seed, with the properties of real markets."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.exchange.arrivals import SECOND
from local.exchange.catalogue import MARKETS
from local.exchange.events import BookChange, Event, Execution, Fill, QuoteChange
from local.exchange.simulator import Simulator
from tickwire.columns import Side


@pytest.fixture(scope="module")
def minute() -> list[Event]:
    simulator = Simulator(7, rate=300)
    return simulator.step(simulator.time + 60 * SECOND)


def executions(events: list[Event]) -> list[Execution]:
    return [event for event in events if isinstance(event, Execution)]


def fills_by_market(events: list[Event]) -> dict[str, list[tuple[Execution, Fill]]]:
    fills = defaultdict(list)
    for execution in executions(events):
        fills[execution.market.key] += [(execution, fill) for fill in execution.fills]
    return fills


def test_same_seed_gives_the_same_events_and_another_seed_others() -> None:
    first, again, other = (Simulator(seed).step(Simulator(seed).time + 5 * SECOND) for seed in (1, 1, 2))

    assert first == again
    assert first != other


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 3 * SECOND), max_size=12))
def test_events_do_not_depend_on_how_time_is_cut_into_steps(cuts: list[int]) -> None:
    whole, cut = Simulator(3, rate=200), Simulator(3, rate=200)
    start = whole.time

    events = [event for offset in [*sorted(cuts), 3 * SECOND] for event in cut.step(start + offset)]

    assert events == whole.step(start + 3 * SECOND)


def test_events_come_in_time_order_and_within_the_step(minute: list[Event]) -> None:
    times = [event.time for event in minute]
    start = Simulator(7).time

    assert times == sorted(times)
    assert start <= times[0]
    assert times[-1] <= start + 60 * SECOND


def test_trade_ids_are_contiguous_and_sequences_rise_in_every_market(minute: list[Event]) -> None:
    for key, fills in fills_by_market(minute).items():
        ids = [fill.trade_id for _, fill in fills]
        sequences = [fill.sequence for _, fill in fills]
        assert ids == list(range(ids[0], ids[0] + len(ids))), key
        assert sequences == sorted(set(sequences)), key


def test_prices_and_sizes_are_positive_and_sizes_whole_lots(minute: list[Event]) -> None:
    for key, fills in fills_by_market(minute).items():
        for execution, fill in fills:
            assert fill.price > 0, key
            assert fill.size > 0, key
            assert fill.size % execution.market.lot == 0, key


def test_best_bid_stays_below_best_offer(minute: list[Event]) -> None:
    quotes = [event for event in minute if isinstance(event, QuoteChange)]

    assert quotes
    assert all(0 < quote.bid < quote.ask and quote.bid_size > 0 and quote.ask_size > 0 for quote in quotes)


@pytest.mark.parametrize("rate", [50, 1_000])
def test_mean_rate_is_the_one_asked_for(rate: int) -> None:
    simulator = Simulator(11, rate=rate)
    seconds = 120_000 // rate // 10

    trades = sum(len(execution.fills) for execution in executions(simulator.step(simulator.time + seconds * SECOND)))

    assert trades / seconds == pytest.approx(rate, rel=0.25)


def test_every_market_trades_and_quiet_pairs_trade_rarely() -> None:
    simulator = Simulator(5, rate=300)
    fills = fills_by_market(simulator.step(simulator.time + 240 * SECOND))

    assert set(fills) == {spec.key for spec in MARKETS}
    for quiet in ("binance:ATOM-EUR", "kraken:MINA-GBP"):
        assert len(fills[quiet]) < 100
    assert len(fills["binance:BTC-USDT"]) > 10_000


def test_a_burst_of_hundreds_of_trades_in_a_second_comes_by_itself(minute: list[Event]) -> None:
    seconds = Counter[tuple[str, int]]()
    for execution in executions(minute):
        seconds[execution.market.key, execution.time // SECOND] += len(execution.fills)

    assert max(seconds.values()) >= 600


def test_a_burst_on_demand_makes_exactly_its_trades_in_its_time() -> None:
    simulator = Simulator(5, rate=1, first_burst=3_600 * SECOND)
    simulator.step(simulator.time + SECOND)
    start = simulator.time

    simulator.burst("kraken:MINA-GBP", trades=950, duration=SECOND)
    made = executions(simulator.step(start + SECOND))

    assert sum(len(one.fills) for one in made if one.market.key == "kraken:MINA-GBP") == 950


def test_a_burst_on_an_unknown_market_is_refused() -> None:
    with pytest.raises(KeyError, match="binance:NOPE-USD"):
        Simulator(1).burst("binance:NOPE-USD", trades=1, duration=1)


def test_most_trades_that_move_the_price_move_it_the_aggressors_way(minute: list[Event]) -> None:
    with_move = against = 0
    for fills in fills_by_market(minute).values():
        for (_, before), (execution, fill) in pairwise(fills):
            if fill.price != before.price:
                up = fill.price > before.price
                with_move += up == (execution.side is Side.BUY)
                against += up != (execution.side is Side.BUY)

    # On real Coinbase trades it is 147 of 158.
    assert with_move / (with_move + against) > 0.8


def test_venues_agree_on_an_assets_price(minute: list[Event]) -> None:
    last = {key: fills[-1] for key, fills in fills_by_market(minute).items()}
    prices = {
        key: fill.price / 10**execution.market.price_places for key, (execution, fill) in last.items() if "BTC" in key
    }

    assert len(prices) >= 3
    assert max(prices.values()) / min(prices.values()) < 1.002


def test_sizes_are_heavy_tailed(minute: list[Event]) -> None:
    sizes = sorted(fill.size for _, fill in fills_by_market(minute)["binance:BTC-USDT"])

    assert sizes[-1] > 300 * sizes[len(sizes) // 2]


def test_a_later_simulation_goes_on_above_the_ids_of_an_earlier_one() -> None:
    earlier = Simulator(1, rate=5_000)
    first = fills_by_market(earlier.step(earlier.time + 5 * SECOND))
    later = Simulator(1, start=earlier.time, rate=5_000)
    second = fills_by_market(later.step(later.time + SECOND))

    key = "coinbase:BTC-USD"
    assert second[key][0][1].trade_id > first[key][-1][1].trade_id


def test_applying_book_changes_gives_the_ten_best_levels_that_each_change_names(minute: list[Event]) -> None:
    simulator = Simulator(7, rate=300)
    market = simulator.markets["kraken:ETH-USD"]
    assert market.book is not None
    bids, asks = (dict(levels) for levels in market.book.top())
    changes = [event for event in minute if isinstance(event, BookChange) and event.market.key == "kraken:ETH-USD"]

    for change in changes:
        for book, levels in ((bids, change.bids), (asks, change.asks)):
            for price, size in levels:
                if size:
                    book[price] = size
                else:
                    # What is deleted was shown.
                    del book[price]
        # A reader keeps ten levels, as Kraken's documentation says.
        bids = dict(sorted(bids.items(), reverse=True)[:10])
        asks = dict(sorted(asks.items())[:10])
        assert tuple(bids.items()) == change.top_bids
        assert tuple(asks.items()) == change.top_asks
        assert max(bids) < min(asks)

    assert len(changes) > 100


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Simulator(1, rate=0)
