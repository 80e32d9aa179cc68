"""Sorting without memory, against Python's own sets and dicts; decimals against ``decimal``."""

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tickwire.cli.trade_file import DECIMAL, decimals, fixed_point
from tickwire.cli.trade_runs import TradeRuns
from tickwire.columns import Side, TradeRows
from tickwire.symbols import Instrument

INSTRUMENTS = (Instrument("a", "X-USD", 8, 8), Instrument("b", "X-USD", 8, 8))
MAX_JUMP = 100

arrivals = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 60) | st.integers(1_000, 1_010) | st.just(9_000)), max_size=80
)


@given(arrivals=arrivals, batch_rows=st.integers(1, 30), run_rows=st.integers(1, 40), window=st.integers(1, 10))
def test_runs_give_each_id_once_in_order_and_account_for_all(
    arrivals: list[tuple[int, int]], batch_rows: int, run_rows: int, window: int
) -> None:
    with TemporaryDirectory() as folder:
        runs = TradeRuns(Path(folder), run_rows=run_rows)
        rows = TradeRows()
        for number, (which, trade_id) in enumerate(arrivals):
            rows.append(
                INSTRUMENTS[which],
                trade_id=trade_id,
                price=number + 1,
                size=1,
                side=Side.BUY,
                exchange_time=1,
                receive_time=0,
            )
            if len(rows) == batch_rows:
                runs.add(rows.batch())
        runs.add(rows.batch())
        assert runs.instruments() == sorted({INSTRUMENTS[which] for which, _ in arrivals})
        for traded in runs.instruments():
            _check(runs, traded, [(i, n + 1) for n, (w, i) in enumerate(arrivals) if INSTRUMENTS[w] == traded], window)


def _check(runs: TradeRuns, traded: Instrument, came: list[tuple[int, int]], window: int) -> None:
    first_price: dict[int, int] = {}
    late = set()
    highest = 0
    for trade_id, price in came:
        if trade_id not in first_price:
            first_price[trade_id] = price
            if trade_id < highest:
                late.add(trade_id)
        highest = max(highest, trade_id)
    groups: list[list[int]] = []
    for trade_id in sorted(first_price):
        if groups and trade_id - groups[-1][-1] <= MAX_JUMP:
            groups[-1].append(trade_id)
        else:
            groups.append([trade_id])
    believed = [group for group in groups if len(group) >= 3] or groups
    ids = [trade_id for group in believed for trade_id in group]

    account = runs.account(traded, quarantined=np.array([30, 31], np.int64), last_id=-1, max_jump=MAX_JUMP)
    assert (account.trades, account.first_id, account.last_id) == (len(ids), ids[0], ids[-1])
    assert account.duplicates == sum(trade_id in set(ids) for trade_id, _ in came) - len(ids)
    assert account.out_of_order == len(late & set(ids))
    missing = [trade_id for first, last in account.missing for trade_id in range(first, last + 1)]
    assert missing == [i for i in range(ids[0], ids[-1] + 1) if i not in set(ids) | {30, 31}]

    assert np.concatenate([part[0] for part in runs.windows(traded, window)]).tolist() == sorted(i for i, _ in came)
    kept = [
        (int(i), int(p))
        for t, ok in runs.distinct(traded, account)
        if ok
        for i, p in zip(t.trade_id, t.price, strict=True)
    ]
    assert kept == [(trade_id, first_price[trade_id]) for trade_id in ids]
    far = [int(i) for t, ok in runs.distinct(traded, account) if not ok for i in t.trade_id]
    assert far == [trade_id for trade_id in sorted(first_price) if trade_id not in set(ids)]


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1)), scale=st.sampled_from([0, 2, 8, 14, 18]))
def test_decimals_are_exact_there_and_back(values: list[int], scale: int) -> None:
    array = decimals(np.array(values, np.int64), scale)
    assert array.type == DECIMAL
    assert array.to_pylist() == [Decimal(value).scaleb(-scale) for value in values]
    assert fixed_point(pa.chunked_array([array]), scale, "price").tolist() == values
