"""``tickwire bars`` against bars that pandas computes from the frames themselves."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tickwire.capture import read_capture

Tickwire = Callable[..., Any]
BinanceTrade = Callable[..., bytes]
Capture = Callable[..., Path]


@pytest.fixture
def trades(tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path) -> Path:
    """Four trades: three in the minute of 23:00, one a minute later."""
    start = 1783465200000
    path = capture(
        binance_trade(1, T=start, p="100.00000000", q="1.00000000", m=False),
        binance_trade(2, T=start + 30_000, p="104.00000000", q="2.00000000", m=True),
        # The time runs backwards, the id does not: this is the close.
        binance_trade(3, T=start + 29_000, p="99.00000000", q="3.00000000", m=True),
        binance_trade(4, T=start + 119_999, p="101.00000001", q="0.00000001", m=False),
    )
    out = tmp_path / "trades.parquet"
    assert tickwire("normalize", "--venue", "binance", path, "--out", out).code == 0
    return out


def read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_bars_of_four_trades_worked_by_hand(tickwire: Tickwire, trades: Path, tmp_path: Path) -> None:
    out = tmp_path / "bars.parquet"
    outcome = tickwire("bars", trades, "--interval", "1m", "--out", out, "--json")
    assert outcome.code == 0
    assert (outcome.json["bars"], outcome.json["trades"], outcome.json["interval_seconds"]) == (2, 4, 60)
    first, second = read(out)
    assert first == {
        "venue": "binance",
        "symbol": "BTC-USDT",
        "start": pd.Timestamp("2026-07-07T23:00:00Z"),
        "open": Decimal(100),
        "high": Decimal(104),
        "low": Decimal(99),
        "close": Decimal(99),
        "volume": Decimal(6),
        "buy_volume": Decimal(1),
        # 100 + 208 + 297, over 6.
        "notional": Decimal(605),
        "vwap": Decimal("100.83333333"),
        "trades": 3,
        "first_id": 1,
        "last_id": 3,
    }
    # 101.00000001 x 0.00000001 keeps all its sixteen places.
    assert second["notional"] == Decimal("0.0000010100000001")
    assert second["vwap"] == Decimal("101.00000001")
    assert pq.read_schema(out).field("start").type == pa.timestamp("ns", "UTC")
    assert pq.read_schema(out).field("vwap").type == pa.decimal128(38, 18)


def test_coin_of_large_supply_keeps_its_notional(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    path = capture(binance_trade(1, s="PEPEUSDT", p="0.00001234", q="123456789012.5"))
    tickwire("normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet")
    tickwire("bars", tmp_path / "t.parquet", "--interval", "1m", "--out", tmp_path / "b.parquet")
    (bar,) = read(tmp_path / "b.parquet")
    assert bar["notional"] == Decimal("1523456.77641425")
    assert bar["vwap"] == Decimal("0.00001234")


def test_trades_given_twice_count_once(tickwire: Tickwire, trades: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.parquet", tmp_path / "twice.parquet"
    tickwire("bars", trades, "--interval", "1h", "--out", once)
    outcome = tickwire("bars", trades, trades, "--interval", "1h", "--out", twice, "--json")
    assert outcome.json["duplicates"] == 4
    assert twice.read_bytes() == once.read_bytes()


@pytest.mark.parametrize(("interval", "seconds"), [("1s", 1), ("7s", 7), ("1m", 60), ("4h", 14_400), ("1d", 86_400)])
def test_bars_of_a_real_session_equal_pandas(
    tickwire: Tickwire, realdata: Path, tmp_path: Path, interval: str, seconds: int
) -> None:
    captures = [realdata / "captures" / f"binance_spot_{coin}usdt_20240808.gz" for coin in ("btc", "eth")]
    trades, out = tmp_path / "trades.parquet", tmp_path / "bars.parquet"
    tickwire("normalize", "--venue", "binance", *captures, "--out", trades)
    tickwire("bars", trades, "--interval", interval, "--out", out)

    frames = [json.loads(captured.frame) for path in captures for captured in read_capture(path)]
    rows = [frame["data"] for frame in frames if frame.get("stream", "").endswith("@trade")]
    table = pd.DataFrame(rows).sort_values("t")
    table["price"], table["size"] = table["p"].map(Decimal), table["q"].map(Decimal)
    table["notional"] = table["price"] * table["size"]
    table["buy"] = table["size"].where(~table["m"], Decimal(0))
    table["start"] = pd.to_datetime(table["T"] // (seconds * 1000) * (seconds * 1000), unit="ms", utc=True)
    expected = (
        table.groupby(["s", "start"])
        .agg(
            open=("price", "first"),
            high=("price", "max"),
            low=("price", "min"),
            close=("price", "last"),
            volume=("size", "sum"),
            buy_volume=("buy", "sum"),
            notional=("notional", "sum"),
            trades=("t", "size"),
            first_id=("t", "min"),
            last_id=("t", "max"),
        )
        .reset_index()
    )
    found = read(out)
    assert len(found) == len(expected)
    for row, (_, other) in zip(found, expected.iterrows(), strict=True):
        assert row["symbol"].replace("-", "") == other["s"]
        for name in expected.columns[1:]:
            assert row[name] == other[name]
        assert abs(row["vwap"] - other["notional"] / other["volume"]) <= Decimal("0.5e-8")


@pytest.mark.parametrize("interval", ["0s", "1w", "m", "-1m", "1.5m", "60", "367d", "¹m"])
def test_interval_that_is_none_is_wrong_usage(tickwire: Tickwire, tmp_path: Path, interval: str) -> None:
    outcome = tickwire("bars", "x.parquet", f"--interval={interval}", "--out", tmp_path / "b.parquet")
    assert outcome.code == 2
    assert "is not an interval such as 1s, 5m, 4h or 1d" in outcome.err


def _changed(path: Path, name: str, column: pa.Array) -> Path:
    table = pq.read_table(path)
    other = path.with_name("other.parquet")
    pq.write_table(table.set_column(table.column_names.index(name), name, column), other)
    return other


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        ("price", pa.array([1.0] * 4), "column price is double, not decimal128"),
        (
            "price",
            pa.array([Decimal("1.123456789")] * 4, pa.decimal128(38, 18)),
            "column price has more than 8 decimal",
        ),
        ("size", pa.array([Decimal(92233720369)] * 4, pa.decimal128(38, 18)), "column size is too large for int64"),
        ("symbol", pa.array(["?"] * 4), "'?' is not a symbol such as BTC-USD"),
        ("venue", pa.array([None] * 4, pa.string()), "a trade has no venue or no symbol"),
        ("trade_id", pa.array([1.5] * 4), "was truncated"),
        ("side", pa.array(["long"] * 4), "column side holds ['long'], not buy and sell"),
    ],
)
def test_parquet_of_something_else_is_one_sentence(
    tickwire: Tickwire, trades: Path, tmp_path: Path, name: str, column: pa.Array, words: str
) -> None:
    outcome = tickwire("bars", _changed(trades, name, column), "--interval", "1m", "--out", tmp_path / "b.parquet")
    assert outcome.code == 1
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "b.parquet").exists()


def test_missing_column_missing_file_or_no_parquet_at_all(tickwire: Tickwire, trades: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.parquet"
    table = pq.read_table(trades)
    pq.write_table(table.drop_columns(["side"]), tmp_path / "no_side.parquet")
    assert "no column side" in tickwire("bars", tmp_path / "no_side.parquet", "--interval", "1m", "--out", out).err
    pq.write_table(table.slice(0, 0), tmp_path / "empty.parquet")
    assert "no trade in" in tickwire("bars", tmp_path / "empty.parquet", "--interval", "1m", "--out", out).err
    (tmp_path / "text").write_text("not parquet")
    assert "not a readable Parquet file" in tickwire("bars", tmp_path / "text", "--interval", "1m", "--out", out).err
    outcome = tickwire("bars", tmp_path / "nowhere", "--interval", "1m", "--out", out)
    assert (outcome.code, outcome.err) == (1, f"tickwire bars: {tmp_path / 'nowhere'}: no such file\n")
    assert not out.exists()


def test_file_rewritten_by_pandas_with_categories_gives_the_same_bars(
    tickwire: Tickwire, trades: Path, tmp_path: Path
) -> None:
    table = pq.read_table(trades)
    for name in ("venue", "symbol", "side"):
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    table = table.set_column(3, "price", table["price"].cast(pa.decimal128(20, 8)))
    pq.write_table(table, tmp_path / "other.parquet", row_group_size=3)
    for source, out in ((trades, "a.parquet"), (tmp_path / "other.parquet", "b.parquet")):
        assert tickwire("bars", source, "--interval", "1m", "--out", tmp_path / out).code == 0
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
