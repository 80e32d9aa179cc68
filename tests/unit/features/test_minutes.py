"""Bars that trail any minute, against pandas' resampling at that phase, and worked by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.features.bar_features import bar_features
from tickwire.features.bar_grid import COLUMNS, on_grid
from tickwire.features.minute_bars import bars_of_minutes
from tickwire.features.minutes import (
    BARS,
    MINUTE_NS,
    SLOTS,
    Minutes,
    minute_rows,
    new_rings,
    newest_minutes,
    put_minutes,
    trailing_grid,
)

BEGIN = 1_700_000_040_000_000_000
QUARTER = 15 * MINUTE_NS


def _market(seed: int, minutes: int, *, there: float = 0.8) -> Minutes:
    """Minutes of a random walk from BEGIN on, some missing, some without a trade, some without bought volume."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-3, minutes)))
    opened = close * np.exp(random.normal(0, 1e-3, minutes))
    volume = np.where(random.random(minutes) < 0.05, 0.0, random.exponential(3, minutes))
    rows = minute_rows(
        BEGIN + MINUTE_NS * np.arange(minutes, dtype=np.int64),
        open=opened,
        high=np.maximum(opened, close) * 1.001,
        low=np.minimum(opened, close) * 0.999,
        close=close,
        volume=volume,
        buy_volume=np.where(random.random(minutes) < 0.02, np.nan, volume * random.random(minutes)),
        notional=volume * close,
        trades=np.ceil(volume * 4),
    )
    return rows[random.random(minutes) < there]


def _by_pandas(rows: Minutes, end: int) -> pd.DataFrame:
    """Resample all minutes before ``end`` to quarters that end with it."""
    rows = rows[(rows["start"] < end) & (rows["volume"] > 0)]
    frame = pd.DataFrame({name: rows[name] for name in COLUMNS}, index=pd.to_datetime(rows["start"], utc=True))
    quarters = frame.resample("15min", origin=pd.Timestamp(end, unit="ns", tz="UTC"))
    how = {"open": "first", "high": "max", "low": "min", "close": "last"}
    joined = quarters.agg(how)
    for name in ("volume", "buy_volume", "notional", "trades"):
        joined[name] = quarters[name].apply(lambda values: values.sum(skipna=False, min_count=1))
    return joined


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), extra=st.integers(1, 200), there=st.sampled_from([0.05, 0.7, 1.0]))
def test_minute_by_minute_gives_what_resampling_the_whole_gives(seed: int, extra: int, there: float) -> None:
    rows = _market(seed, SLOTS + extra, there=there)
    rings = new_rings(1)
    end = BEGIN + MINUTE_NS * (SLOTS + extra)
    for row in rows:
        put_minutes(rings, np.zeros(1, np.intp), row[None])
    grid = trailing_grid(rings, end)
    assert grid.start.tolist() == list(range(end - BARS * QUARTER, end, QUARTER))
    expected = _by_pandas(rows, end).reindex(pd.to_datetime(grid.start, utc=True))
    for name in COLUMNS:
        np.testing.assert_allclose(getattr(grid, name)[0], expected[name], rtol=1e-9, err_msg=name)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), extra=st.integers(-SLOTS, 200), there=st.sampled_from([0.02, 0.7, 1.0]))
def test_bars_of_minutes_are_those_of_a_ring_that_holds_them(seed: int, extra: int, there: float) -> None:
    rows = _market(seed, SLOTS + 200, there=there)
    end = BEGIN + MINUTE_NS * (SLOTS + extra)
    rings = new_rings(1)
    before = rows[rows["start"] < end]
    put_minutes(rings, np.zeros(len(before), np.intp), before)
    expected = trailing_grid(rings, end)
    grid = bars_of_minutes(np.random.default_rng(seed).permutation(rows), end)
    assert (grid.interval, grid.start.tolist()) == (expected.interval, expected.start.tolist())
    for name in COLUMNS:
        np.testing.assert_allclose(getattr(grid, name), getattr(expected, name), rtol=1e-12, err_msg=name)


def test_bars_of_what_is_no_minute_are_refused() -> None:
    with pytest.raises(ValueError, match="full minutes"):
        bars_of_minutes(_market(1, 3), BEGIN + 1)
    with pytest.raises(ValueError, match="full minutes"):
        bars_of_minutes(minute_rows(np.array([BEGIN + 1]), volume=np.ones(1)), BEGIN)


def test_features_of_the_trailing_grid_are_those_of_all_quarters_at_that_phase() -> None:
    rows = _market(7, SLOTS + 400)
    rings = new_rings(1)
    for count in range(len(rows)):
        put_minutes(rings, np.zeros(1, np.intp), rows[count : count + 1])
    end = BEGIN + MINUTE_NS * (SLOTS + 400)
    live = bar_features(trailing_grid(rings, end))[0, -60:]
    quarters = _by_pandas(rows, end).dropna(subset="close")
    starts = quarters.index.as_unit("ns").asi8
    grid, _ = on_grid(starts, {name: quarters[name].to_numpy() for name in COLUMNS}, interval=QUARTER)
    np.testing.assert_allclose(live, bar_features(grid)[-60:], atol=1e-9)
    assert np.isfinite(live).mean() > 0.9


def test_nothing_looks_ahead() -> None:
    rows = _market(3, SLOTS)
    end = BEGIN + MINUTE_NS * 1_000
    before, after = new_rings(1), new_rings(1)
    past = rows[rows["start"] < end]
    put_minutes(before, np.zeros(len(past), np.intp), past)
    put_minutes(after, np.zeros(len(rows), np.intp), rows)
    for name in COLUMNS:
        np.testing.assert_array_equal(
            getattr(trailing_grid(before, end), name), getattr(trailing_grid(after, end), name)
        )


def test_a_slot_that_still_holds_yesterday_is_absent() -> None:
    rings = new_rings(1)
    row = minute_rows(np.array([BEGIN]), open=np.ones(1), high=np.ones(1), low=np.ones(1), close=np.ones(1))
    row["volume"] = 1
    put_minutes(rings, np.zeros(1, np.intp), row)
    assert np.isfinite(trailing_grid(rings, BEGIN + MINUTE_NS).close).sum() == 1
    assert np.isnan(trailing_grid(rings, BEGIN + (SLOTS + 1) * MINUTE_NS).close).all()
    assert np.isnan(trailing_grid(rings, BEGIN).close).all()


def test_a_bar_worked_by_hand() -> None:
    rings = new_rings(2)
    rows = minute_rows(
        BEGIN + MINUTE_NS * np.array([0, 4, 14], np.int64),
        open=np.array([10.0, 11.0, 12.0]),
        high=np.array([10.5, 13.0, 12.5]),
        low=np.array([9.0, 10.0, 11.5]),
        close=np.array([11.0, 12.0, 12.25]),
        volume=np.array([1.0, 0.0, 3.0]),
        buy_volume=np.array([0.5, 0.0, np.nan]),
        notional=np.array([10.0, 0.0, 36.0]),
    )
    put_minutes(rings, np.ones(3, np.intp), rows)
    grid = trailing_grid(rings, BEGIN + QUARTER)
    newest = {name: getattr(grid, name)[1, -1] for name in COLUMNS}
    assert np.isnan(newest.pop("buy_volume"))
    assert np.isnan(newest.pop("trades"))
    # The minute without volume is one without a trade: its high of 13 does not count.
    assert newest == {"open": 10, "high": 12.5, "low": 9, "close": 12.25, "volume": 4, "notional": 46}
    assert np.isnan(grid.close[0]).all()
    assert np.isnan(grid.close[1, :-1]).all()


def test_the_last_minutes_are_given_in_order_and_which_of_them_traded() -> None:
    rings = new_rings(2)
    rows = _market(1, 10, there=1.0)
    rows["volume"] = 1.0
    rows["volume"][8] = 0.0
    put_minutes(rings, np.ones(10, np.intp), rows)
    minutes, traded = newest_minutes(rings, BEGIN + 11 * MINUTE_NS, 4)
    assert traded.tolist() == [[False] * 4, [True, False, True, False]]
    assert minutes["close"][1, :3].tolist() == rows["close"][7:].tolist()
    some, also = newest_minutes(rings, BEGIN + 11 * MINUTE_NS, 4, symbol=np.array([1]))
    assert (some[0] == minutes[1]).all()
    assert also.tolist() == traded[1:].tolist()


def test_minutes_and_grids_lie_on_full_minutes() -> None:
    with pytest.raises(ValueError, match="full minute"):
        trailing_grid(new_rings(1), BEGIN + 1)
    with pytest.raises(ValueError, match="full minute"):
        put_minutes(new_rings(1), np.zeros(1, np.intp), minute_rows(np.array([BEGIN + 1])))
