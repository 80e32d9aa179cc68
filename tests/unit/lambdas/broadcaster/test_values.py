"""Records to values: what is left of them for a screen, and that every digit is right."""

from decimal import Decimal
from typing import Any

import msgspec

from lambdas.broadcaster.health import GapData, NoticeData, ProgressData, QuarantinedData
from lambdas.broadcaster.messages import BarData, QuoteData
from lambdas.broadcaster.value import Value
from lambdas.broadcaster.values import bar_data, values_of
from tickwire.columns import QuoteRows, Side, TradeFlag, TradeRows
from tickwire.records import (
    LAKE_REVISION,
    Bar,
    Continuity,
    Gap,
    GapState,
    Header,
    HourState,
    Notice,
    Progress,
    Quarantined,
    Record,
    RecordKind,
)
from tickwire.symbols import Instrument

BTC = Instrument("binance", "BTC-USDT", 8, 8)
ETH = Instrument("kraken", "ETH-USD", 2, 4)
SECOND = 1_000_000_000


def record(**sections: Any) -> Record:
    return Record(header=Header(RecordKind.EVENTS, 3, 1), **sections)


def bar(start: int = 60, *, interval: int = 60, revision: int = 1, **changes: Any) -> Bar:
    plain = Bar(
        venue="kraken",
        symbol="ETH-USD",
        interval=interval,
        start=start * SECOND,
        price_scale=2,
        size_scale=4,
        open=300000,
        high=300100,
        low=299900,
        close=300050,
        volume=30000,
        buy_volume=10000,
        notional=Decimal("9000.5"),
        trades=3,
        first_id=1,
        last_id=3,
        revision=revision,
        final=False,
        latest_receive=61 * SECOND + 5,
    )
    return msgspec.structs.replace(plain, **changes)


def trades(*ids: int, instrument: Instrument = BTC, side: Side = Side.BUY, flags: int = 0) -> Any:
    rows = TradeRows()
    for trade_id in ids:
        rows.append(
            instrument,
            trade_id=trade_id,
            price=6355102000000,
            size=317000,
            side=side,
            exchange_time=1_783_465_157_897_999_999,
            receive_time=1_783_465_157_900_000_001,
            flags=flags,
        )
    return rows.batch()


def of_topic(values: list[Value], topic: str) -> list[Value]:
    return [value for value in values if value.topic == topic]


def test_a_bar_is_decimal_text_with_its_vwap() -> None:
    # 9000.5 / 3.0000 = 3000.1666…, rounded at two places.
    assert bar_data(bar()) == BarData(
        start=60_000,
        open="3000.00",
        high="3001.00",
        low="2999.00",
        close="3000.50",
        vwap="3000.17",
        volume="3.0000",
        buy_volume="1.0000",
        notional="9000.5",
        trades=3,
        revision=1,
        final=False,
        receive=61_000_000_005,
    )


def test_a_large_notional_is_not_written_with_an_exponent() -> None:
    assert bar_data(bar(notional=Decimal("9E+3"))).notional == "9000"


def test_a_bar_without_volume_takes_its_close_for_vwap() -> None:
    assert bar_data(bar(volume=0, notional=Decimal(0))).vwap == "3000.50"


def test_of_a_bar_only_the_last_revision_is_left_wherever_it_stands() -> None:
    records = [
        record(bars=(bar(60, revision=2), bar(120, revision=1), bar(60, interval=1, revision=7))),
        record(bars=(bar(60, revision=3, final=True), bar(120, revision=1))),
        record(bars=(bar(60, revision=2),)),
    ]
    values = values_of(records, partition=3)
    found = [(v.topic, v.at, v.data.revision) for v in values if isinstance(v.data, BarData)]
    assert sorted(found) == [("bars.1m", 60_000, 3), ("bars.1m", 120_000, 1), ("bars.1s", 60_000, 7)]


def test_bars_that_clients_cannot_have_are_left_out() -> None:
    assert values_of([record(bars=(bar(interval=7),))], partition=3) == []


def test_a_trade_has_its_aggressor_side_and_the_names_of_its_flags() -> None:
    flags = TradeFlag.SNAPSHOT | TradeFlag.PRICE_ANOMALY
    (value,) = values_of([record(trades=trades(7, side=Side.SELL, flags=flags))], partition=3)
    assert (value.topic, value.symbol) == ("trades", "binance:BTC-USDT")
    assert msgspec.to_builtins(value.data) == {
        "id": 7,
        "price": "63551.02000000",
        "size": "0.00317000",
        "side": "sell",
        "time": 1_783_465_157_897,
        "receive": 1_783_465_157_900_000_001,
        "flags": ("snapshot", "price_anomaly"),
    }


def test_of_a_burst_the_newest_twenty_trades_of_each_symbol_are_left_in_order() -> None:
    records = [
        record(trades=trades(*range(1, 16))),
        record(trades=trades(*range(500, 503), instrument=ETH)),
        record(trades=trades(*range(16, 31))),
    ]
    values = of_topic(values_of(records, partition=3), "trades")
    ids: dict[str, list[Any]] = {}
    for value in values:
        ids.setdefault(value.symbol, []).append(msgspec.to_builtins(value.data)["id"])
    assert ids == {"binance:BTC-USDT": list(range(11, 31)), "kraken:ETH-USD": [500, 501, 502]}


def test_a_trade_that_fills_a_gap_after_newer_ones_does_not_push_them_out() -> None:
    records = [
        record(trades=trades(*range(101, 121))),
        record(trades=trades(121)),
        record(trades=trades(*range(41, 50))),
    ]
    values = of_topic(values_of(records, partition=3), "trades")
    assert [msgspec.to_builtins(value.data)["id"] for value in values] == list(range(102, 122))


def test_trades_of_a_symbol_whose_scale_changed_stay_in_one_order() -> None:
    finer = BTC._replace(price_scale=9)
    records = [record(trades=trades(*range(1, 19))), record(trades=trades(*range(19, 31), instrument=finer))]
    values = of_topic(values_of(records, partition=3), "trades")
    assert [msgspec.to_builtins(value.data)["id"] for value in values] == list(range(11, 31))


def test_a_bar_from_the_lake_is_amended_and_wins_over_every_live_revision() -> None:
    lake = bar(60, revision=LAKE_REVISION, final=True)
    (value,) = values_of([record(bars=(lake,)), record(bars=(bar(60, revision=LAKE_REVISION - 1),))], partition=3)
    assert isinstance(value.data, BarData)
    assert (value.data.revision, value.data.amended) == (LAKE_REVISION, True)


def test_hours_and_gaps_keep_their_figures() -> None:
    hour = HourState(3_600 * SECOND, 10, 3, 2, 1)
    gap = GapState(5, 14, "id_jump", 7, 1, 2, 4, 3, 2, 1, 0, 9)
    whole = Continuity("kraken", "ETH-USD", 8, (hour,), (gap,))
    (value,) = values_of([record(continuity=(whole,))], partition=3)
    assert (value.symbol, value.keep) == ("kraken:ETH-USD", 1)
    assert msgspec.to_builtins(value.data) == {
        "kind": "continuity",
        "venue": "kraken",
        "symbol": "ETH-USD",
        "time": 8,
        "hours": ({"start": 3_600_000, "trades": 10, "missing": 3, "absent": 2, "quarantined": 1},),
        "gaps": (
            {
                "first": 5,
                "last": 14,
                "cause": "id_jump",
                "noticed": 7,
                "after_time": 1,
                "before_time": 2,
                "remaining": 4,
                "live": 3,
                "history": 2,
                "absent": 1,
                "quarantined": 0,
                "closed": 9,
            },
        ),
    }


def test_the_last_quote_of_a_symbol_wins() -> None:
    rows = QuoteRows()
    for bid, update_id in ((100, 5), (101, 6)):
        rows.append(
            ETH,
            bid_price=bid,
            bid_size=20000,
            ask_price=bid + 5,
            ask_size=0,
            update_id=update_id,
            exchange_time=1_700_000_000_123_456_789,
            receive_time=0,
        )
    (value,) = values_of([record(quotes=rows.batch())], partition=3)
    assert value == Value(
        "quotes", "kraken:ETH-USD", 0, 1, QuoteData("1.01", "2.0000", "1.06", "0.0000", 1_700_000_000_123)
    )


def test_proofs_of_completeness_become_health() -> None:
    early = Progress("v", "A-B", 1, 8, 8, 0, 0, 0, 0, (), 5)
    late = Progress("v", "A-B", 1, 10, 8, 2, 1, 0, 2, ((9, 9), (10, 10)), 6)
    row = Quarantined("k", "v", "A-B", 4, "side", "no side", "1.0", "2.0", 0, 11, 12)
    values = values_of(
        [
            record(progress=(early,), gaps=(Gap("v", "A-B", 9, 9, "id_jump", 5),)),
            record(progress=(late,), quarantined=(row,), notices=(Notice("v", "schema_drift", "x", 2, 7),)),
        ],
        partition=3,
    )
    assert values == [
        Value("health", "v:A-B", 0, 1, ProgressData("v", "A-B", 1, 10, 8, 2, 1, 0, 2, ((9, 9), (10, 10)), 6)),
        Value("health", "v:A-B", 1, 50, GapData("v", "A-B", 9, 9, "id_jump", 5)),
        Value(
            "health", "v:A-B", 2, 50, QuarantinedData("k", "v", "A-B", 4, "side", "no side", "1.0", "2.0", 0, 11, 12)
        ),
        Value("health", "v:*", 1003, 50, NoticeData("v", "schema_drift", "x", 2, 7)),
    ]


def test_health_items_tell_their_kind() -> None:
    data = GapData("v", "A-B", 9, 9, "id_jump", 5)
    assert msgspec.to_builtins(data) == {
        "kind": "gap",
        "venue": "v",
        "symbol": "A-B",
        "first": 9,
        "last": 9,
        "cause": "id_jump",
        "noticed": 5,
        "after_time": 0,
        "before_time": 0,
    }


def test_of_a_flood_of_quarantined_rows_the_newest_fifty_are_left() -> None:
    rows = tuple(Quarantined(f"k{n}", "v", "A-B", n, "side", "", "1", "1", 0, n, n) for n in range(80))
    values = values_of([record(quarantined=rows)], partition=3)
    assert [msgspec.to_builtins(value.data)["key"] for value in values] == [f"k{n}" for n in range(30, 80)]
