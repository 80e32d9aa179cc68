"""Each rule at its edge."""

import numpy as np
import pytest

from tickwire.columns import TradeBatch, TradeFlag
from tickwire.symbols import Instrument
from tickwire.validation.rules import MAX_SIZE, Rule, broken_rules, explain

BTC = Instrument("binance", "BTC-USDT", 8, 8)
SECOND = 1_000_000_000
NOW = 1_723_161_254 * SECOND
GOOD = {
    "instrument": 0,
    "trade_id": 6_486_989_273,
    "price": 6_168_599_000_000,
    "size": 317_000,
    "side": 1,
    "exchange_time": NOW,
    "receive_time": NOW,
    "flags": 0,
}


def _batch(*changes: dict[str, int]) -> TradeBatch:
    rows = [{**GOOD, **change} for change in changes]
    columns = (np.array([row[name] for row in rows], dtype) for name, dtype in TradeBatch.COLUMNS.items())
    return TradeBatch((BTC,), *columns)


def _rules(*changes: dict[str, int], known: bool = True) -> list[Rule | None]:
    return broken_rules(_batch(*changes), known=np.array([known]), max_age=86_400 * SECOND, max_ahead=60 * SECOND)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"price": 1},
        {"price": 2**63 - 1},
        {"size": 1},
        {"size": MAX_SIZE},
        {"side": 2},
        {"trade_id": 1},
        {"receive_time": NOW - 1_300_000_000},
        {"receive_time": NOW - 60 * SECOND},
        {"receive_time": NOW + 86_400 * SECOND},
        {"receive_time": 0},
    ],
)
def test_a_row_within_every_rule_is_good(change):
    assert _rules(change) == [None]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"trade_id": 0}, Rule.TRADE_ID),
        ({"trade_id": -5}, Rule.TRADE_ID),
        ({"price": 0}, Rule.PRICE),
        ({"price": -1}, Rule.PRICE),
        ({"size": 0}, Rule.SIZE),
        ({"size": -(2**63)}, Rule.SIZE),
        ({"size": MAX_SIZE + 1}, Rule.SIZE),
        ({"side": 0}, Rule.SIDE),
        ({"side": 3}, Rule.SIDE),
        ({"side": -1}, Rule.SIDE),
        ({"receive_time": NOW - 60 * SECOND - 1}, Rule.TIME),
        ({"receive_time": NOW + 86_400 * SECOND + 1}, Rule.TIME),
        ({"receive_time": -1}, Rule.TIME),
        ({"exchange_time": 0}, Rule.TIME),
        ({"exchange_time": 0, "receive_time": 0}, Rule.TIME),
        ({"exchange_time": -(2**63)}, Rule.TIME),
        ({"exchange_time": 2**63 - 1}, Rule.TIME),
        ({"receive_time": 2**63 - 1}, Rule.TIME),
    ],
)
def test_a_row_beyond_a_rule_is_named_by_it(change, rule):
    assert _rules(change) == [rule]


@pytest.mark.parametrize("flag", [TradeFlag.SNAPSHOT, TradeFlag.BACKFILL])
def test_a_trade_of_a_venues_history_may_be_old_but_not_ahead(flag):
    week_old = {"receive_time": NOW + 7 * 86_400 * SECOND}
    ahead = {"receive_time": NOW - 61 * SECOND}
    assert _rules(week_old | {"flags": flag}, week_old | {"flags": flag | TradeFlag.PRICE_ANOMALY}) == [None, None]
    assert _rules(ahead | {"flags": flag}, week_old | {"flags": TradeFlag.PRICE_ANOMALY}) == [Rule.TIME, Rule.TIME]


def test_an_unknown_symbol_is_named_before_all_else():
    assert _rules({"price": 0}, known=False) == [Rule.SYMBOL]


def test_a_row_that_breaks_several_rules_is_named_by_the_first_of_them():
    assert _rules({}, {"side": 0, "size": 0, "price": 0}, {"exchange_time": 0, "size": -1}, {}) == [
        *(None, Rule.PRICE, Rule.SIZE, None)
    ]


def test_an_empty_batch_breaks_nothing():
    assert broken_rules(TradeBatch.empty(), known=np.empty(0, np.bool_), max_age=1, max_ahead=1) == []


def test_a_window_wider_than_int64_lets_every_sane_time_through():
    batch = _batch({"exchange_time": 1}, {"receive_time": 2**62 - 1})
    assert broken_rules(batch, known=np.array([True]), max_age=10**20, max_ahead=10**20) == [None, None]


@pytest.mark.parametrize("rule", list(Rule))
def test_every_rule_explains_itself_with_the_offending_value(rule):
    shown = {
        Rule.SYMBOL: "binance:BTC-USDT",
        Rule.TRADE_ID: "-5",
        Rule.PRICE: "price 61685.99000000",
        Rule.SIZE: "size 0.00317000 is not between 0 and 10000000000.00000000",
        Rule.SIDE: "side 1",
        Rule.TIME: "2024-08-08T23:54:14.000000000Z",
        Rule.STALE_ID: "-5",
        Rule.ID_JUMP: "-5",
    }
    assert shown[rule] in explain(rule, _batch({"trade_id": -5}), 0)
