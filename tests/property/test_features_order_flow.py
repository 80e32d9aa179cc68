"""Order flow against its definition, summed anew for every trade, and against itself in any pieces."""

from itertools import pairwise
from math import exp

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.features.oracles import order_flow_by_definition, trades
from tickwire.columns import TradeBatch
from tickwire.features.order_flow import OrderFlow
from tickwire.symbols import Instrument

INSTRUMENTS = (
    Instrument("binance", "BTC-USDT", 8, 8),
    Instrument("kraken", "BTC-USD", 3, 5),
    Instrument("x", "Y-Z", 0, 0),
)
START = 1_700_000_000_000_000_000
GAPS = st.one_of(
    st.just(0), st.integers(-(10**11), 0), st.integers(1, 10**6), st.integers(1, 10**9), st.integers(1, 10**15)
)
"""ns from a trade to the next one: none, late, microseconds, a second, up to days."""
PRICES = st.one_of(st.integers(5_999_000, 6_001_000), st.integers(1, 2**53))
ROWS = st.tuples(st.integers(0, 2), PRICES, st.integers(1, 10**18), st.integers(0, 2), GAPS)


def _batch(rows: list[tuple[int, ...]]) -> TradeBatch:
    rows = rows or [(0, 1, 1, 1, 0)]
    instrument, price, size, side, gap = zip(*rows, strict=True)
    return trades(INSTRUMENTS, instrument, price, size, side, START + np.cumsum(np.array(gap, np.int64)))


@given(st.lists(ROWS, max_size=40))
@settings(deadline=None)
def test_every_feature_is_what_its_definition_says(rows):
    batch = _batch(rows)
    got = OrderFlow().update(batch)
    for row in set(batch.instrument.tolist()):
        mine = batch.instrument == row
        expected = order_flow_by_definition(batch.take(mine))
        np.testing.assert_allclose(got[mine][:, :3], expected[:, :3], rtol=1e-12)
        np.testing.assert_allclose(got[mine][:, 4], expected[:, 4], rtol=1e-12, atol=1e-30)
        # What is a difference can be next to nothing: to a part of what it is a difference of.
        np.testing.assert_allclose(got[mine][:, [3, 5]], expected[:, [3, 5]], rtol=1e-9, atol=1e-12)


@given(st.lists(ROWS, max_size=60), st.lists(st.integers(0, 60), max_size=6), st.booleans())
@settings(deadline=None)
def test_calls_may_be_cut_anywhere_and_the_state_saved_between_them(rows, cuts, saved):
    batch, flow = _batch(rows), OrderFlow()
    whole = OrderFlow()
    expected = whole.update(batch)
    edges = [0, *sorted(min(cut, len(batch)) for cut in cuts), len(batch)]
    for begin, end in pairwise(edges):
        # What is known when a call ends is all that goes into its rows: nothing of later ones.
        np.testing.assert_array_equal(flow.update(batch.take(slice(begin, end))), expected[begin:end])
        flow = OrderFlow.load(flow.dump()) if saved else flow
    assert flow.dump() == whole.dump()


@given(st.floats(0, 690))
@settings(max_examples=500, deadline=None)
def test_decay_is_that_of_the_c_library(x):
    from tickwire.features.order_flow_kernel import decay

    assert abs(decay(x) / exp(-x) - 1) <= 4e-16 + x * 2.3e-16


@given(st.floats(690, 1e300))
@settings(deadline=None)
def test_decay_of_ages_is_next_to_nothing(x):
    from tickwire.features.order_flow_kernel import decay

    assert 0 <= decay(x) < 1e-299
