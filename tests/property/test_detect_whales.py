"""Whales against their definition, counted anew for every trade, and against themselves in any pieces."""

from itertools import pairwise
from math import floor, log2

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.features.oracles import trades
from tickwire.columns import TradeBatch
from tickwire.detect.whales import WhaleDetector, WhaleSettings
from tickwire.symbols import Instrument

INSTRUMENTS = (Instrument("binance", "BTC-USDT", 2, 2), Instrument("kraken", "BTC-USD", 3, 5))
START = 1_700_000_000_000_000_000
GAPS = st.one_of(st.just(0), st.integers(-(10**10), 0), st.integers(1, 10**9), st.integers(10**9, 10**10))
"""ns from a trade to the next one: none, late, below a second, up to ten."""
SIZES = st.one_of(st.integers(90, 110), st.integers(500, 1000), st.integers(1, 10**8))
ROWS = st.tuples(st.integers(0, 1), st.integers(9_900, 10_100), SIZES, st.integers(0, 2), GAPS)
SOON = WhaleSettings(one_in=4, medians=1.5, min_trades=3, min_runs=2, multiple=1.1)


def _batch(rows: list[tuple[int, ...]]) -> TradeBatch:
    rows = rows or [(0, 1, 1, 1, 0)]
    instrument, price, size, side, gap = zip(*rows, strict=True)
    return trades(INSTRUMENTS, instrument, price, size, side, START + np.cumsum(np.array(gap, np.int64)))


def _edges(value: float) -> tuple[float, float]:
    """Where the bin of a value begins and ends: eight equal ones from each power of two to the next."""
    power = 2.0 ** floor(log2(value))
    place = floor((value / power - 1) * 8)
    return power * (1 + place / 8), power * (1 + (place + 1) / 8)


def _tail(past: list[float], one_in: int) -> float:
    """The lowest end of a bin above which no more than one in so many lie."""
    ends = sorted({_edges(value)[1] for value in past})
    return next(end for end in ends if sum(value >= end for value in past) * one_in <= len(past))


def _median(past: list[float]) -> float:
    return _edges(sorted(past)[(len(past) - 1) // 2])[1]


def _by_definition(batch: TradeBatch) -> list[tuple[int, ...]]:
    """(symbol's row, trades, first id, last id, side) of each whale, for one symbol after the other."""
    found = []
    for row, instrument in enumerate(INSTRUMENTS):
        units = float(f"1e-{instrument.price_scale}"), float(f"1e-{instrument.size_scale}")
        now, past, runs, open_runs = 0, [], [], {}
        for k in np.flatnonzero(batch.instrument == row):
            notional = batch.price[k].item() * units[0] * (batch.size[k].item() * units[1])
            side = int(batch.side[k])
            now = max(now, int(batch.exchange_time[k]))
            single = float("inf")
            if len(past) >= SOON.min_trades:
                single = max(_tail(past, SOON.one_in), SOON.medians * _median(past))
            for one in (1, 2):
                begun, members = open_runs.get(one, (now, []))
                if now - begun <= SOON.window_seconds * 1e9:
                    continue
                total = sum(value for _, value in members)
                least = max(_tail(runs, SOON.one_in) if runs else 0.0, SOON.multiple * single)
                if len(members) > 1 and len(runs) >= SOON.min_runs and total >= least:
                    found.append((row, len(members), members[0][0], members[-1][0], one))
                runs.append(total)
                del open_runs[one]
            trade_id = int(batch.trade_id[k])
            if side and notional >= single:
                found.append((row, 1, trade_id, trade_id, side))
            elif side:
                open_runs.setdefault(side, (now, []))[1].append((trade_id, notional))
            past.append(notional)
    return found


def _told(whales) -> list[tuple[int, ...]]:
    rows = {instrument[:2]: row for row, instrument in enumerate(INSTRUMENTS)}
    told = [
        (rows[one.venues[0], one.symbol], one.trades, one.first_id, one.last_id, 1 if one.side > 0 else 2)
        for one in whales
    ]
    return sorted(told, key=lambda one: one[0])


@given(st.lists(ROWS, max_size=60))
@settings(deadline=None)
def test_whales_are_what_their_definition_says(rows):
    batch = _batch(rows)
    assert _told(WhaleDetector(SOON).update(batch)) == _by_definition(batch)


@given(st.lists(ROWS, max_size=80), st.lists(st.integers(0, 80), max_size=6), st.booleans())
@settings(deadline=None)
def test_calls_may_be_cut_anywhere_and_the_state_saved_between_them(rows, cuts, saved):
    batch, detector = _batch(rows), WhaleDetector(SOON)
    whole = WhaleDetector(SOON)
    expected, found = whole.update(batch), []
    edges = [0, *sorted(min(cut, len(batch)) for cut in cuts), len(batch)]
    for begin, end in pairwise(edges):
        found += detector.update(batch.take(slice(begin, end)))
        detector = WhaleDetector.load(detector.dump(), SOON) if saved else detector
    assert found == expected
    assert detector.dump() == whole.dump()
