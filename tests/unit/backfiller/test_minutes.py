"""Candles as the minutes that a window is made of."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecs_tasks.backfiller.minutes import into, minutes_of
from lambdas.delivery.minute_store import MinuteStore
from lambdas.delivery.state import connect
from local.valkey import LocalValkey
from tickwire.features.minutes import MINUTE_NS, minute_rows
from tickwire.venues.history import Candle

START = 1_795_779_900 * 1_000_000_000


def candle(minute: int, **given: Any) -> Candle:
    return Candle(
        "kraken", "BTC-USD", 60, START + minute * MINUTE_NS,
        open=Decimal("100.1"), high=Decimal("101.0"), low=Decimal("99.5"), close=Decimal("100.5"),
        volume=Decimal("2.5"), closed=True, **given,
    )  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("valkey")
    with LocalValkey(folder) as valkey:
        yield connect(valkey.url)


def test_what_a_venue_states_is_kept_and_what_it_does_not_is_nan() -> None:
    whole = candle(0, notional=Decimal("251.0"), trades=7, buy_volume=Decimal("1.5"))
    by_vwap, bare = candle(1, vwap=Decimal("100.4"), trades=3), candle(2)
    rows = minutes_of([whole, by_vwap, bare])
    assert rows["start"].tolist() == [START, START + MINUTE_NS, START + 2 * MINUTE_NS]
    assert rows["close"].tolist() == [100.5] * 3
    np.testing.assert_allclose(rows["notional"], [251.0, 251.0, np.nan])
    np.testing.assert_array_equal(rows["trades"], [7, 3, np.nan])
    np.testing.assert_array_equal(rows["buy_volume"], [1.5, np.nan, np.nan])


def test_a_minute_that_the_stream_told_stands(client: Any) -> None:
    store = MinuteStore(client)
    live = minute_rows(np.array([START + MINUTE_NS]), close=np.array([123.0]), volume=np.array([1.0]))
    store.put({("kraken", "BTC-USD"): live})
    into(client)("kraken", "BTC-USD", [candle(minute) for minute in range(3)])
    ring = store.read([("kraken", "BTC-USD")])["kraken", "BTC-USD"]
    kept = {int(row["start"] - START) // MINUTE_NS: float(row["close"]) for row in ring if row["start"]}
    assert kept == {0: 100.5, 1: 123.0, 2: 100.5}


def test_no_candle_is_nothing_to_keep(client: Any) -> None:
    into(client)("kraken", "ETH-USD", [])
    assert not MinuteStore(client).read([("kraken", "ETH-USD")])["kraken", "ETH-USD"]["start"].any()
