"""The day before the market opened: whole minutes, joined to the live ones, the same for the same seed."""

import math

import numpy as np
import pytest

from local.exchange.candle import SECOND
from local.exchange.candles import traded_candles
from local.exchange.past import MINUTES
from local.exchange.source import SimulatorSource
from local.exchange.tape import Tape

MINUTE = 60 * SECOND
NOW = 1_795_779_930 * SECOND  # in the middle of a minute


@pytest.fixture(scope="module")
def source() -> SimulatorSource:
    return SimulatorSource(seed=3, rate=200, now=NOW)


def minutes(source: SimulatorSource, key: str) -> list[tuple[int, float, float]]:
    tape = source.tapes.items()[key]
    candles = traded_candles(tape, 60, start=0, end=NOW)
    return [(one.start, one.open, one.close) for one in candles]


def test_a_liquid_market_has_a_day_of_minutes_that_lead_to_its_first_trade(source: SimulatorSource) -> None:
    candles = minutes(source, "binance:BTC-USDT")
    starts = [start for start, _, _ in candles]
    assert starts == list(range(starts[0], starts[-1] + 1, MINUTE))
    assert MINUTES <= len(starts) <= MINUTES + 2
    closes = np.array([close for _, _, close in candles])
    opens = np.array([opening for _, opening, _ in candles])
    # Each minute starts where the one before ended, also where the live market takes over.
    assert np.abs(np.log(opens[1:] / closes[:-1])).max() < 0.002


def test_its_volatility_is_that_of_the_live_path(source: SimulatorSource) -> None:
    closes = np.array([close for _, _, close in minutes(source, "binance:BTC-USDT")])
    yearly = np.diff(np.log(closes)).std() * math.sqrt(365 * 24 * 60)
    assert 0.4 < yearly < 0.8


def test_venues_of_one_asset_had_one_past(source: SimulatorSource) -> None:
    one, other = (
        {start: close for start, _, close in minutes(source, key)} for key in ("binance:BTC-USDT", "kraken:BTC-USD")
    )
    common = sorted(one.keys() & other.keys())
    assert len(common) > 1_000
    ratio = np.array([math.log(one[start] / other[start]) for start in common])
    assert ratio.std() < 0.002


def test_longer_intervals_are_made_of_minutes(source: SimulatorSource) -> None:
    tape = source.tapes.items()["binance:ETH-USDT"]
    hours = traded_candles(tape, 3600, start=NOW - 20 * 3600 * SECOND, end=NOW)
    short = traded_candles(tape, 60, start=hours[0].start, end=hours[-1].start + 3600 * SECOND)
    assert sum(one.volume for one in hours) == sum(one.volume for one in short)
    assert sum(one.trades for one in hours) == sum(one.trades for one in short)
    first = [one for one in short if one.start < hours[0].start + 3600 * SECOND]
    assert (hours[0].open, hours[0].close) == (first[0].open, first[-1].close)
    assert hours[0].high == max(one.high for one in first)
    assert hours[0].low == min(one.low for one in first)


def test_it_is_the_same_for_the_same_seed_alone(source: SimulatorSource) -> None:
    again, other = (SimulatorSource(seed=seed, rate=200, now=NOW) for seed in (3, 4))
    key = "coinbase:BTC-USD"
    assert minutes(again, key) == minutes(source, key)
    assert minutes(other, key) != minutes(source, key)


def test_asking_does_not_change_it(source: SimulatorSource) -> None:
    key = "kraken:ETH-USD"
    assert minutes(source, key) == minutes(source, key)


def test_where_trades_are_no_longer_kept_nothing_is_said_of_before(source: SimulatorSource) -> None:
    tape = Tape(price_places=2, size_places=8, capacity=8)
    tape.past = source.tapes.items()["binance:BTC-USDT"].past
    for row in source.tapes.items()["binance:BTC-USDT"].from_id(0, 100):
        tape.add(row)
    assert tape.was_cut
    assert all(one.start > NOW - 2 * MINUTE for one in traded_candles(tape, 60, start=0, end=NOW))
