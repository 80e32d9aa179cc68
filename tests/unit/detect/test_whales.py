"""Whales worked by hand, and against numpy's quantiles; tests/property/test_detect_whales.py has their definition."""

from pathlib import Path

import numpy as np
import pytest

from tests.unit.features.oracles import trades
from tickwire.capture import read_capture
from tickwire.columns import Side, TradeBatch, TradeFlag
from tickwire.conclusions import Whale
from tickwire.detect.whales import WhaleDetector, WhaleSettings
from tickwire.errors import UnreadableState
from tickwire.symbols import Instrument
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

BTC = Instrument("binance", "BTC-USDT", 2, 3)
ETH = Instrument("kraken", "ETH-USD", 2, 3)
START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
EVENLY = WhaleSettings(one_in=100, medians=5.0, min_trades=100, window_seconds=2.0, min_runs=100, multiple=2.0)


def _rows(
    *rows: tuple[int, Side, float], instrument: Instrument = BTC, first_id: int = 1, flags: int = 0
) -> TradeBatch:
    """Trades at 100.00 of (thousandths, side, seconds after START)."""
    size, side, seconds = zip(*rows, strict=True)
    times = [START + round(one * SECOND) for one in seconds]
    batch = trades((instrument,), np.zeros(len(rows)), np.full(len(rows), 100_00), size, side, times)
    batch.trade_id[:] = np.arange(first_id, first_id + len(rows))
    batch.flags[:] = flags
    return batch


def _usual(number: int, *, until: float = -10.0) -> TradeBatch:
    """Bought one a time of notional 100, each 10 s after the one before, the last one at ``until``."""
    return _rows(*((1_000, Side.BUY, until - 10.0 * (number - 1 - k)) for k in range(number)), first_id=1)


def test_a_trade_far_beyond_all_before_it_is_a_whale():
    detector = WhaleDetector(EVENLY)
    assert detector.update(_usual(100)) == []
    (whale,) = detector.update(_rows((7_000, Side.SELL, 0.0), first_id=101))
    # Bins begin at 96, 104, …: the median's ends at 104, and five times that is more than where the tail begins.
    assert whale == Whale(("binance",), "BTC-USDT", -1, START, START, 1, 700.0, 100.0, 520.0, 101, 101)


def test_nothing_is_a_whale_before_enough_trades_came():
    detector = WhaleDetector(EVENLY)
    assert detector.update(_usual(99)) == []
    assert detector.update(_rows((1_000_000, Side.BUY, 0.0))) == []
    assert len(detector.update(_rows((8_000_000, Side.BUY, 20.0)))) == 1


def test_a_large_trade_is_none_where_one_in_so_many_is_as_large():
    detector = WhaleDetector(EVENLY)
    detector.update(_usual(200))
    found = [len(detector.update(_rows((7_000, Side.BUY, 10.0 * k)))) for k in range(1, 5)]
    # 700 lies above all of 200, above all but 1 of 201 and all but 2 of 202; but 3 of 203 are more than 1 in 100.
    assert found == [1, 1, 1, 0]


def test_trades_of_one_side_within_two_seconds_are_a_whale_together():
    detector = WhaleDetector(EVENLY)
    detector.update(_usual(110))
    rows = [(4_000, Side.BUY, 0.5 * k) for k in range(4)]
    assert detector.update(_rows(*rows, (1_000, Side.SELL, 1.6), (1_000, Side.SELL, 2.0), first_id=111)) == []
    (whale,) = detector.update(_rows((1_000, Side.SELL, 2.1), first_id=117))
    # 4 of 400 each, none above 520; together above twice that.
    assert whale == Whale(
        ("binance",), "BTC-USDT", 1, START, START + 3 * SECOND // 2, 4, 1600.0, 100.0, 1040.0, 111, 114
    )


def test_trades_of_both_sides_are_no_cluster():
    detector = WhaleDetector(EVENLY)
    detector.update(_usual(110))
    rows = [(4_000, Side.BUY if k % 2 else Side.SELL, 0.4 * k) for k in range(4)]
    assert detector.update(_rows(*rows, (1_000, Side.SELL, 9.0), first_id=111)) == []


def test_a_whale_adds_nothing_to_a_cluster():
    detector = WhaleDetector(EVENLY)
    detector.update(_usual(110))
    rows = [(4_000, Side.BUY, 0.0), (20_000, Side.BUY, 0.5), (4_000, Side.BUY, 1.0)]
    found = detector.update(_rows(*rows, (1_000, Side.SELL, 9.0), first_id=111))
    assert [(whale.trades, whale.notional) for whale in found] == [(1, 2000.0)]


@pytest.mark.parametrize("flag", [TradeFlag.BACKFILL, TradeFlag.REDRIVEN])
def test_trades_out_of_the_past_are_neither_found_nor_counted(flag: TradeFlag):
    detector = WhaleDetector(EVENLY)
    detector.update(_usual(110))
    before = detector.dump()
    assert detector.update(_rows((900_000, Side.BUY, 0.0), flags=flag)) == []
    assert detector.dump() == before


def test_each_symbol_has_its_own_usual():
    detector = WhaleDetector(EVENLY)
    detector.update(_usual(110))
    large = _rows((9_000, Side.BUY, 0.0), instrument=ETH)
    assert detector.update(large) == []


def test_more_whales_than_there_is_room_for_all_come():
    detector = WhaleDetector(EVENLY)
    detector.update(_usual(100))
    # One in 150 is as large, and one in 100 may be.
    rows = [(1_000, Side.BUY, float(10 * k)) if k % 150 else (7_000, Side.BUY, float(10 * k)) for k in range(15_000)]
    assert len(detector.update(_rows(*rows))) == 100


def test_the_older_half_weighs_half():
    # 2**17 trades are halved; then as many large ones as the rest are the greater half.
    settings = WhaleSettings(one_in=2**20, medians=1.0, min_trades=100)
    detector = WhaleDetector(settings)
    small, large = np.full(2**17, 1_000), np.full(2**16 + 1, 64_000)
    size = np.concatenate((small, large))
    times = START + np.arange(len(size)) * 10 * SECOND
    detector.update(trades((BTC,), np.zeros(len(size)), np.full(len(size), 100_00), size, np.ones(len(size)), times))
    (whale,) = detector.update(_rows((200_000, Side.BUY, 1e8)))
    assert whale.threshold == 6656.0  # the end of the bin of 6400, which is the median now


def test_what_is_not_a_state_is_refused():
    with pytest.raises(UnreadableState, match="version none"):
        WhaleDetector.load(b"")
    detector = WhaleDetector(EVENLY)
    detector.update(_usual(100))
    for end in range(1, len(detector.dump()), 7):
        with pytest.raises(UnreadableState):
            WhaleDetector.load(detector.dump()[:end])


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("binance_spot_btcusdt_20240808.gz", "BTC-USDT"), ("binance_spot_ethusdt_20240808.gz", "ETH-USDT")],
)
@pytest.mark.parametrize("one_in", [100, 10_000])
def test_whales_of_a_real_capture_are_those_above_the_quantile_of_the_past(
    realdata: Path, name: str, symbol: str, one_in: int
):
    feed, out = new_feed("binance"), ParsedFrames()
    for captured in read_capture(realdata / "captures" / name):
        feed.parse(captured.frame, captured.receive_time or 0, out)
    batch = out.trades.batch()
    batch = batch.take(np.argsort(batch.trade_id, kind="stable"))
    detector = WhaleDetector(WhaleSettings(one_in=one_in))
    found = [whale for whale in detector.update(batch) if whale.trades == 1]
    notional = batch.price * 1e-8 * (batch.size * 1e-8)
    least, most = set(), set()
    for k in range(2_000, len(batch)):
        past = notional[:k]
        tail = np.quantile(past, 1 - 1 / one_in, method="higher")
        # A bin is at most an eighth wide, and so is what the quantile and the median are known to.
        if notional[k] >= max(tail, 20 * np.quantile(past, 0.5)):
            most.add(int(batch.trade_id[k]))
        if notional[k] > 1.125 * max(tail, 20 * np.quantile(past, 0.5)):
            least.add(int(batch.trade_id[k]))
    assert {whale.symbol for whale in found} == {symbol}
    assert least <= {whale.first_id for whale in found} <= most
    assert least
