"""Rows: windows of bars, masked where bars are missing, and never over two instruments."""

import numpy as np

from tests.unit.model.bar_columns import columns
from tests.unit.model.markets import INTERVAL
from tickwire.features.bar_features import LOOKBACK, bar_features
from tickwire.features.bar_grid import on_grid
from tickwire.model.bars import BarColumns
from tickwire.model.features import MIN_PRESENT, SCHEMA, WINDOW
from tickwire.model.rows import PURGE, labelled_rows, usable


def walk(bars: int, *, seed: int, missing: range = range(0)) -> BarColumns:
    """A random walk without the bars in ``missing``."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(bars)))
    kept = [bar for bar in range(bars) if bar not in missing]
    return columns(
        close=close[kept].tolist(), high=(close[kept] * 1.01).tolist(), low=(close[kept] * 0.99).tolist(), start=kept
    )


def test_a_row_is_its_sixty_bars_oldest_first() -> None:
    bars = walk(300, seed=1)
    rows = labelled_rows([bars])
    grid, _ = on_grid(bars.start, bars.columns, interval=INTERVAL)
    of_bars = bar_features(grid).astype(np.float32)
    assert rows.start.tolist() == bars.start[LOOKBACK + MIN_PRESENT - 2 : -1].tolist()
    at = rows.start.tolist().index(int(bars.start[200]))
    window = rows.windows()[at].reshape(WINDOW, len(SCHEMA.names))
    np.testing.assert_array_equal(window, of_bars[200 - WINDOW + 1 : 201])
    np.testing.assert_array_equal(rows.newest()[at], of_bars[200])
    assert rows.label[at] == float(bars.close[201] > bars.close[200])
    np.testing.assert_allclose(rows.move[at], np.log(bars.close[201] / bars.close[200]), rtol=1e-9)


def test_the_first_rows_mask_the_bars_whose_own_window_is_not_there() -> None:
    rows = labelled_rows([walk(300, seed=2)])
    masked = np.isnan(rows.windows().reshape(len(rows), WINDOW, -1)).all(axis=2)
    assert masked[0].tolist() == [True] * (WINDOW - MIN_PRESENT) + [False] * MIN_PRESENT
    assert not masked[WINDOW - MIN_PRESENT :].any()


def test_rows_never_reach_into_another_instrument() -> None:
    first, second = walk(200, seed=3), walk(200, seed=4)
    both, alone = labelled_rows([first, second]), labelled_rows([second])
    of_second = both.take(both.instrument == 1)
    np.testing.assert_array_equal(of_second.windows(), alone.windows())
    np.testing.assert_array_equal(of_second.label, alone.label)
    assert both.instruments == ("kraken:BTC-USD", "kraken:BTC-USD")


def test_missing_bars_are_masked_and_too_many_are_too_many() -> None:
    few = labelled_rows([walk(300, seed=5, missing=range(180, 190))])
    at = few.start.tolist().index(200 * INTERVAL)
    masked = np.isnan(few.windows()[at].reshape(WINDOW, -1)[:, 0])
    # The bar after them has no return over one bar.
    assert np.flatnonzero(masked).tolist() == list(range(180 - 141, 191 - 141))
    many = labelled_rows([walk(300, seed=5, missing=range(180, 192))])
    assert 200 * INTERVAL not in many.start.tolist()
    assert 179 * INTERVAL not in few.start.tolist()  # the next bar is missing


def test_the_newest_bar_must_be_there() -> None:
    features = np.zeros((100, 16))
    assert usable(features)[WINDOW - 1 :].all()
    assert not usable(features)[: WINDOW - 1].any()
    features[80] = np.nan
    assert not usable(features)[80]
    assert usable(features)[81]


def test_two_rows_a_purge_apart_have_no_bar_in_common() -> None:
    bars = walk(400, seed=6)
    rows = labelled_rows([bars])
    later = 399 - 1
    earlier = later - PURGE // INTERVAL
    changed = bars.close.copy()
    changed[earlier + 2 :] *= 2  # all after the bar that the earlier row predicts
    other = columns(close=changed.tolist(), high=(changed * 1.01).tolist(), low=(changed * 0.99).tolist())
    at = rows.start.tolist().index(earlier * INTERVAL)
    again = labelled_rows([other])
    np.testing.assert_array_equal(rows.windows()[at], again.windows()[at])
    assert rows.label[at] == again.label[at]
    changed = bars.close.copy()
    changed[: earlier + 2] *= 2
    other = columns(close=changed.tolist(), high=(changed * 1.01).tolist(), low=(changed * 0.99).tolist())
    np.testing.assert_allclose(rows.windows()[-1], labelled_rows([other]).windows()[-1], atol=1e-5)


def test_no_instrument_has_no_row() -> None:
    rows = labelled_rows([])
    assert len(rows) == 0
    assert rows.windows().shape == (0, SCHEMA.width)
