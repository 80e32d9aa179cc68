"""The rings of minutes against a real Valkey."""

from typing import Any

import numpy as np
import pytest
import valkey

from lambdas.delivery.minute_store import MinuteStore
from tickwire.features.minutes import MINUTE, MINUTE_NS, SLOTS, Minutes, minute_rows

BTC = ("binance", "BTC-USDT")
ETH = ("kraken", "ETH-USD")
DAY = 1_700_006_400_000_000_000
"""A midnight."""


@pytest.fixture
def store(valkey_address: str) -> MinuteStore:
    return MinuteStore(valkey.Valkey.from_url(valkey_address))


def _rows(*minutes: int, close: float) -> Minutes:
    start = DAY + MINUTE_NS * np.array(minutes, np.int64)
    columns: dict[str, Any] = {name: np.full(len(minutes), close) for name in ("open", "high", "low", "close")}
    return minute_rows(start, **columns, volume=np.ones(len(minutes)))


def test_a_row_is_read_back_in_its_slot_and_lacks_what_its_source_lacks(store: MinuteStore) -> None:
    store.put({BTC: _rows(3, 5, close=7.0)})
    ring = store.read([BTC])[BTC]
    assert ring.shape == (SLOTS,)
    assert np.flatnonzero(ring["volume"]).tolist() == [3, 5]
    assert ring[5]["start"] == DAY + 5 * MINUTE_NS
    assert ring[5]["close"] == 7.0
    assert np.isnan(ring[5]["buy_volume"])


def test_symbols_do_not_mix_and_one_that_was_never_written_holds_nothing(store: MinuteStore) -> None:
    store.put({BTC: _rows(1, close=7.0), ETH: _rows(2, close=9.0)})
    rings = store.read([ETH, BTC, ("okx", "SOL-USDT")])
    assert [np.flatnonzero(ring["volume"]).tolist() for ring in rings.values()] == [[2], [1], []]


def test_the_minute_of_the_next_day_takes_the_slot(store: MinuteStore) -> None:
    store.put({BTC: _rows(3, close=7.0)})
    store.put({BTC: _rows(3 + SLOTS, close=8.0)})
    assert store.read([BTC])[BTC][3]["close"] == 8.0


def test_a_row_written_twice_leaves_the_same_bytes(store: MinuteStore, valkey_address: str) -> None:
    client = valkey.Valkey.from_url(valkey_address)
    store.put({BTC: _rows(3, 4, close=7.0)})
    once = client.get("tickwire:minutes:{binance:BTC-USDT}")
    store.put({BTC: _rows(3, 4, close=7.0)})
    assert client.get("tickwire:minutes:{binance:BTC-USDT}") == once
    assert len(once) == 5 * MINUTE.itemsize


def test_history_goes_only_where_there_is_nothing_or_an_older_minute(store: MinuteStore) -> None:
    store.put({BTC: np.concatenate((_rows(4, close=1.0), _rows(5 + SLOTS, close=1.0), _rows(6, close=1.0)))})
    history = np.concatenate((_rows(3, 4, 5, close=2.0), _rows(6 + SLOTS, close=2.0)))
    assert store.fill({BTC: history}) == {BTC: 2}
    ring = store.read([BTC])[BTC]
    assert ring["close"][3:7].tolist() == [2.0, 1.0, 1.0, 2.0]
    assert store.fill({BTC: history}) == {BTC: 0}


def test_history_of_a_whole_day_fills_a_ring_that_is_not_there(store: MinuteStore) -> None:
    assert store.fill({BTC: _rows(*range(100, 100 + SLOTS), close=2.0), ETH: _rows(7, close=3.0)}) == {
        BTC: SLOTS,
        ETH: 1,
    }
    rings = store.read([BTC, ETH])
    assert (rings[BTC]["close"] == 2.0).all()
    assert np.flatnonzero(rings[ETH]["volume"]).tolist() == [7]


def test_a_ring_that_nobody_writes_goes(store: MinuteStore, valkey_address: str) -> None:
    client = valkey.Valkey.from_url(valkey_address)
    store.put({BTC: _rows(3, close=7.0)})
    store.fill({ETH: _rows(3, close=7.0)})
    for key in ("tickwire:minutes:{binance:BTC-USDT}", "tickwire:minutes:{kraken:ETH-USD}"):
        assert 86_400 < client.ttl(key) <= 2 * 86_400


def test_nothing_to_do_needs_no_server() -> None:
    store = MinuteStore(valkey.Valkey.from_url("valkey://127.0.0.1:1/0"))
    store.put({})
    assert (store.fill({}), store.read([])) == ({}, {})


def test_a_server_that_is_gone_is_an_error() -> None:
    store = MinuteStore(valkey.Valkey.from_url("valkey://127.0.0.1:1/0"))
    with pytest.raises(valkey.ConnectionError):
        store.put({BTC: _rows(3, close=7.0)})
