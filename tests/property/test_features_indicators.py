"""Indicators against TA-Lib and exact windows on random series, and against themselves in any pieces."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.features.oracles import (
    BAR_COLUMNS,
    assert_indicators_equal,
    bands_by_numpy,
    bars_around,
    indicators_by_talib,
)
from tickwire.features.indicators import Indicators

STEPS = st.one_of(st.just(0.0), st.floats(-1e-3, 1e-3), st.floats(-1e-9, 1e-9), st.sampled_from([-9.0, -1.0, 1.0, 9.0]))
VOLUMES = st.one_of(st.just(1.0), st.sampled_from([0.0, 1e-8, 1e10]))


@st.composite
def _bars(draw, symbols: int = 1, max_size: int = 130) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Bars of symbols in any order; their prices rest, creep, walk and jump, their volumes too."""
    n = draw(st.integers(1, max_size))
    # Stretches of one kind of step, since twenty bars of rest are not drawn one by one.
    steps = np.concatenate([np.full(draw(st.integers(1, 40)), draw(STEPS)) for _ in range(n // 20 + 1)])[:n]
    n = len(steps)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = steps + draw(st.sampled_from([0, 0, 1e-9, 1e-4])) * random.normal(size=n)
    close = draw(st.sampled_from([1e-8, 1.0, 12345.678, 1e9])) * np.exp(np.clip(np.cumsum(steps), -40, 40))
    bars = bars_around(close, random)
    volume = np.repeat([draw(VOLUMES) for _ in range(n // 7 + 1)], 7)[:n]
    for name in ("volume", "buy_volume", "notional"):
        bars[name] = bars[name] * volume
    return random.integers(0, symbols, n).astype(np.int32), bars


@given(_bars())
@settings(max_examples=200, deadline=None)
def test_they_are_those_of_talib_and_of_whole_windows(drawn):
    symbol, bars = drawn
    expected = indicators_by_talib(bars)
    expected[:, 3], expected[:, 4] = bands_by_numpy(bars["close"])
    assert_indicators_equal(Indicators(1).update(symbol, **bars), expected, bars["close"])


@given(_bars(symbols=3), st.lists(st.integers(0, 130), max_size=6), st.booleans())
@settings(deadline=None)
def test_calls_may_be_cut_anywhere_and_the_state_saved_between_them(drawn, cuts, saved):
    symbol, bars = drawn
    table, whole = Indicators(3), Indicators(3)
    expected = whole.update(symbol, **bars)
    edges = [0, *sorted(min(cut, len(symbol)) for cut in cuts), len(symbol)]
    for begin, end in pairwise(edges):
        part = {name: bars[name][begin:end] for name in BAR_COLUMNS}
        # What is known when a call ends is all that goes into its rows: nothing of later ones.
        np.testing.assert_array_equal(table.update(symbol[begin:end], **part), expected[begin:end])
        table = Indicators.load(table.dump()) if saved else table
    assert table.dump() == whole.dump()


@given(_bars(), st.integers(-20, 20))
@settings(deadline=None)
def test_the_unit_of_price_does_not_matter(drawn, power):
    symbol, bars = drawn
    unit = 2.0**power
    other = bars | {name: bars[name] * unit for name in ("high", "low", "close", "notional")}
    of_price = np.array([1, unit, unit, unit, unit, unit, unit, 1, 1])
    got = Indicators(1).update(symbol, **other)
    np.testing.assert_array_equal(got, Indicators(1).update(symbol, **bars) * of_price)
