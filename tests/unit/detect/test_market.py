"""When a minute of the market is complete, and what is told of it."""

from decimal import Decimal

import numpy as np
import pytest

from tickwire.conclusions import Whale
from tickwire.detect.market import Market, MarketState
from tickwire.detect.market_facts import KEPT_MINUTES, MarketFactsStage, PartitionFacts, facts_of
from tickwire.errors import CounterJump, UnreadableState
from tickwire.records import Bar, Header, Record, RecordKind

START = 1_700_000_040_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
PARTITIONS = 2


def bar(symbol: str, minute: int, close: float = 100.0, *, venue: str = "kraken", interval: int = 60) -> Bar:
    units = round(close * 100)
    return Bar(
        *(venue, symbol, interval, START + minute * MINUTE, 2, 3, units, units, units, units),
        *(4_000, 3_000, Decimal(400), 5, 1, 5, 1, False, 0),
    )


def whale(venue: str, seconds: float, symbol: str = "BTC-USD") -> Whale:
    time = START + round(seconds * SECOND)
    return Whale((venue,), symbol, 1, time, time, 1, 100.0, 10.0, 80.0, round(seconds), round(seconds))


class Facts:
    """The facts of two partitions as records bring them; ``seconds`` is when a record was created, after START."""

    def __init__(self) -> None:
        self.stage = MarketFactsStage(PARTITIONS)
        self.states = {number: PartitionFacts() for number in range(PARTITIONS)}

    def tell(self, partition: int, seconds: float, *bars: Bar, whales: tuple[Whale, ...] = ()) -> None:
        state = self.states[partition]
        header = Header(RecordKind.EVENTS, partition, state.source + 1, created=START + round(seconds * SECOND))
        self.stage.process(state, Record(header=header, bars=bars, whales=whales), state.source + 1)
        self.states[partition] = self.stage.load(self.stage.dump(state))


@pytest.fixture
def facts() -> Facts:
    """Two coins in two partitions that both traded in the first minute."""
    facts = Facts()
    facts.tell(0, 1.0, bar("BTC-USD", 0))
    facts.tell(1, 1.0, bar("ETH-USD", 0))
    return facts


def concluded(state: MarketState, facts: Facts) -> list[int]:
    """Advance, and give the minutes that were concluded now, by their records."""
    market = Market(PARTITIONS)
    state.waiting = ()
    market.advance(state, facts.states)
    return [(record.sentiment[0].time - MINUTE - START) // MINUTE for record in state.waiting]


def test_a_minute_that_nobody_has_left_is_not_over(facts: Facts):
    facts.tell(0, 3600.0)
    facts.tell(1, 3600.0)
    assert concluded(MarketState(), facts) == []


def test_a_minute_is_over_when_all_who_traded_have_left_it(facts: Facts):
    state = MarketState()
    facts.tell(0, 60.5, bar("BTC-USD", 1))
    assert concluded(state, facts) == []
    facts.tell(1, 60.6, bar("ETH-USD", 1))
    assert concluded(state, facts) == [0]
    assert concluded(state, facts) == []


def test_who_is_silent_is_waited_for_two_seconds_of_its_own_partition(facts: Facts):
    state = MarketState()
    facts.tell(0, 60.5, bar("BTC-USD", 1))
    facts.tell(0, 65.0)
    facts.tell(1, 62.4)
    assert concluded(state, facts) == []
    facts.tell(1, 62.5)
    assert concluded(state, facts) == [0]


def test_a_partition_that_tells_nothing_is_waited_for_thirty_seconds(facts: Facts):
    state = MarketState()
    facts.tell(0, 60.5, bar("BTC-USD", 1))
    facts.tell(0, 90.4)
    assert concluded(state, facts) == []
    facts.tell(0, 90.5)
    assert concluded(state, facts) == [0]


def test_who_has_not_traded_for_longer_is_not_waited_for(facts: Facts):
    state = MarketState()
    for minute in range(1, 9):
        facts.tell(0, 60.0 * minute, bar("BTC-USD", minute))
    facts.tell(1, 61.0)
    # Minute 7 was left just now: a partition that told nothing is waited for, but not for who traded in minute 0 last.
    state.minute = START + 6 * MINUTE
    assert concluded(state, facts) == [7]
    assert concluded(MarketState(minute=START + 3 * MINUTE), facts) == [4, 5, 6, 7]


def test_minutes_without_any_trade_are_none(facts: Facts):
    state = MarketState()
    facts.tell(0, 300.0, bar("BTC-USD", 5))
    facts.tell(1, 300.0, bar("ETH-USD", 5))
    assert concluded(state, facts) == [0]
    facts.tell(0, 360.0, bar("BTC-USD", 6))
    facts.tell(1, 360.0, bar("ETH-USD", 6))
    assert concluded(state, facts) == [5]


def test_what_comes_late_for_a_minute_that_was_told_changes_nothing(facts: Facts):
    state = MarketState()
    facts.tell(0, 60.5, bar("BTC-USD", 1))
    facts.tell(1, 60.6, bar("ETH-USD", 1))
    concluded(state, facts)
    facts.tell(0, 61.0, bar("SOL-USD", 0))
    assert concluded(state, facts) == []


def test_records_count_and_lie_in_the_partition_of_the_market(facts: Facts):
    state, market = MarketState(), Market(PARTITIONS)
    for minute in range(1, 4):
        facts.tell(0, 60.0 * minute, bar("BTC-USD", minute))
        facts.tell(1, 60.0 * minute + 0.5, bar("ETH-USD", minute))
    market.advance(state, facts.states)
    assert [
        (one.header.kind, one.header.partition, one.header.counter, one.header.source) for one in state.waiting
    ] == [(RecordKind.EVENTS, PARTITIONS, counter, "0") for counter in (1, 2, 3)]
    assert {one.header.created for one in state.waiting} == {START + 180 * SECOND + SECOND // 2}
    assert market.load(market.dump(state)) is not state
    assert market.dump(market.load(market.dump(state))) == market.dump(state)


def test_a_cluster_over_venues_is_told_once_and_only_when_it_is_over(facts: Facts):
    state, market = MarketState(), Market(PARTITIONS)
    facts.tell(0, 59.0, whales=(whale("binance", 30.0), whale("binance", 59.0)))
    facts.tell(1, 59.0, whales=(whale("kraken", 31.0), whale("coinbase", 59.5)))
    told = []
    for minute in range(1, 4):
        facts.tell(0, 60.0 * minute, bar("BTC-USD", minute))
        facts.tell(1, 60.0 * minute + 0.5, bar("ETH-USD", minute))
        state = market.load(market.dump(state))
        state.waiting = ()
        market.advance(state, facts.states)
        told += [[(one.started - START) // SECOND for one in record.whales] for record in state.waiting]
    assert told == [[30], [59], []]


def test_a_record_of_the_market_itself_and_repeats_are_passed_over(facts: Facts):
    state = facts.states[0]
    before = facts.stage.dump(state)
    record = Record(header=Header(RecordKind.EVENTS, PARTITIONS, 9), bars=(bar("BTC-USD", 1),))
    facts.stage.process(state, record, 9)
    repeat = Record(header=Header(RecordKind.EVENTS, 0, 1), bars=(bar("BTC-USD", 1),))
    assert facts.stage.process(state, repeat, 1).repeat
    assert facts.stage.dump(state) == before


def test_a_partition_begins_anywhere_and_then_may_not_jump():
    stage, state = MarketFactsStage(PARTITIONS), PartitionFacts()
    stage.process(state, Record(header=Header(RecordKind.EVENTS, 0, 700)), 700)
    with pytest.raises(CounterJump, match="record 702 after 700"):
        stage.process(state, Record(header=Header(RecordKind.EVENTS, 0, 702)), 702)


def test_a_bar_of_the_future_or_of_long_ago_or_of_another_length_is_no_fact(facts: Facts):
    facts.tell(0, 60.0 * 20, bar("BTC-USD", 20))
    facts.tell(0, 60.0 * 20, bar("BTC-USD", 21), bar("BTC-USD", 20 - KEPT_MINUTES - 1), bar("BTC-USD", 19, interval=1))
    assert list(facts.states[0].minutes) == [("kraken", "BTC-USD")]
    assert list(facts.states[0].minutes["kraken", "BTC-USD"]) == [START + 20 * MINUTE]


def test_facts_of_a_bar_are_in_quote_currency():
    facts = facts_of(bar("BTC-USD", 0, 12.5))
    # 3 of 4 coins were bought, and so 300 of 400.
    assert (facts.open, facts.close, facts.notional, facts.bought, facts.trades) == (12.5, 12.5, 400.0, 300.0, 5)


def test_a_market_state_stays_small():
    facts, state, market = Facts(), MarketState(), Market(PARTITIONS)
    random = np.random.default_rng(1)
    for minute in range(100):
        bars = [bar(f"C{k}-USD", minute, round(100 * random.random() + 1, 2), venue=v) for k in range(10) for v in "ab"]
        facts.tell(0, 60.0 * minute, *bars)
        market.advance(state, facts.states)
        state.waiting = ()
    assert len(market.dump(state)) < 20 * 700
    assert len(facts.stage.dump(facts.states[0])) < 20 * 12 * 75


@pytest.mark.parametrize("codec", [Market(PARTITIONS), MarketFactsStage(PARTITIONS)])
def test_what_is_not_a_state_is_refused(codec: Market | MarketFactsStage):
    with pytest.raises(UnreadableState, match="version none"):
        codec.load(b"")
    whole = codec.dump(codec.new_state())  # type: ignore[arg-type]
    for end in range(1, len(whole)):
        with pytest.raises(UnreadableState):
            codec.load(whole[:end])
