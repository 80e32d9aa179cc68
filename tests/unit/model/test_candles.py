"""Candle files as bars, against the formats' documentation and against pandas."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather
from pyarrow import parquet as pq

from tickwire.model.candles import UnreadableCandles, read_candles, symbol_of

QUARTER = 900_000
T0 = 1_735_516_800_000
# From Binance's documentation of klines: open time, OHLC, volume, close time, quote volume, trades, taker buy base, …
KLINES = [
    [T0, "10", "12", "9", "11", "5", T0 + QUARTER - 1, "52", 7, "2", "21", "0"],
    [T0 + QUARTER, "11", "11.5", "10.5", "10.75", "4", T0 + 2 * QUARTER - 1, "44", 3, "1.5", "16", "0"],
]
HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume"


def frame() -> pd.DataFrame:
    names = "open_time open high low close volume close_time quote_volume trades taker_buy_base x y".split()
    table = pd.DataFrame(KLINES, columns=names)
    return table.astype({name: float for name in names if name not in ("open_time", "close_time", "trades")})


def as_parquet(folder: Path) -> Path:
    pq.write_table(pa.Table.from_pandas(frame()), folder / "BTCUSDT.parquet")
    return folder / "BTCUSDT.parquet"


def as_feather(folder: Path) -> Path:
    # As freqtrade saves them: a timestamp called `date`, and the symbol as BTC_USDT.
    table = frame().rename(columns={"open_time": "date"})
    columns = pa.Table.from_pandas(table)
    columns = columns.set_column(0, "date", columns["date"].cast(pa.timestamp("ms", "UTC")))
    feather.write_feather(columns, str(folder / "BTC_USDT-15m.feather"))
    return folder / "BTC_USDT-15m.feather"


def as_csv(folder: Path) -> Path:
    path = folder / "BTCUSDT-15m-2024-12.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in KLINES) + "\n")
    return path


def as_csv_in_microseconds(folder: Path) -> Path:
    path = folder / "BTCUSDT-15m-2025-01.csv"
    path.write_text("\n".join(",".join(map(str, [row[0] * 1000, *row[1:]])) for row in KLINES) + "\n")
    return path


def as_csv_with_header(folder: Path) -> Path:
    path = as_csv(folder)
    path.write_text(f"\ufeff{HEADER},ignore\n{path.read_text()}")
    return path


def as_json(folder: Path) -> Path:
    path = folder / "binance_BTCUSDT_15m.json"
    path.write_text(json.dumps(KLINES[::-1]))
    return path


def as_json_objects(folder: Path) -> Path:
    path = folder / "binance_BTCUSDT_15m.json"
    path.write_text(json.dumps([dict(zip([*HEADER.split(","), "ignore"], row, strict=True)) for row in KLINES]))
    return path


FORMATS = [as_parquet, as_feather, as_csv, as_csv_in_microseconds, as_csv_with_header, as_json, as_json_objects]


@pytest.mark.parametrize("save", FORMATS)
def test_every_format_gives_the_same_bars(tmp_path: Path, save: Callable[[Path], Path]) -> None:
    (bars,) = read_candles([save(tmp_path)])
    assert bars.name == "binance:BTC-USDT"
    assert bars.start.tolist() == [T0 * 1_000_000, (T0 + QUARTER) * 1_000_000]
    expected = {
        "open": [10, 11], "high": [12, 11.5], "low": [9, 10.5], "close": [11, 10.75], "volume": [5, 4],
        "notional": [52, 44], "trades": [7, 3], "buy_volume": [2, 1.5],
    }  # fmt: skip
    assert {name: column.tolist() for name, column in bars.columns.items()} == expected


def test_columns_that_a_source_lacks_are_masked(tmp_path: Path) -> None:
    path = tmp_path / "kraken_ETH-USD_15m.json"
    path.write_text(json.dumps([row[:6] for row in KLINES]))
    (bars,) = read_candles([path])
    assert bars.name == "kraken:ETH-USD"
    assert all(np.isnan(getattr(bars, name)).all() for name in ("buy_volume", "notional", "trades"))


def minutes(first: int, count: int) -> pd.DataFrame:
    random = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.001, count)))
    opening = np.append(100.0, close[:-1])
    return pd.DataFrame(
        {
            "open_time": T0 + 60_000 * np.arange(first, first + count),
            "open": opening, "high": np.maximum(opening, close) * 1.001, "low": np.minimum(opening, close) / 1.001,
            "close": close, "volume": random.lognormal(0, 1, count), "trades": random.integers(1, 9, count),
        }
    )  # fmt: skip


def test_minutes_are_put_together_as_pandas_does_and_halves_of_bars_are_left_out(tmp_path: Path) -> None:
    # From minute 7 to minute 127: whole bars begin at 15 and end at 120. Two minutes of one of them are missing.
    table = minutes(7, 120).drop(index=[40, 41])
    table.to_csv(tmp_path / "BTCUSDT-1m.csv", index=False)
    (bars,) = read_candles([tmp_path / "BTCUSDT-1m.csv"])
    index = pd.to_datetime(table["open_time"], unit="ms")
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "trades": "sum"}
    expected = table.set_index(index).resample("15min").agg(how).iloc[1:-1]
    assert bars.start.tolist() == [(T0 + QUARTER * number) * 1_000_000 for number in range(1, 8)]
    for name in how:
        np.testing.assert_allclose(getattr(bars, name), expected[name], rtol=1e-12)
    assert np.isnan(bars.buy_volume).all()


def test_files_of_one_instrument_are_joined_and_others_kept_apart(tmp_path: Path) -> None:
    for name, rows in (("BTCUSDT-1.json", KLINES[:1]), ("BTCUSDT-2.json", KLINES), ("ETHUSDT.json", KLINES)):
        (tmp_path / name).write_text(json.dumps(rows))
    bars = read_candles([tmp_path / name for name in ("ETHUSDT.json", "BTCUSDT-2.json", "BTCUSDT-1.json")])
    assert [(part.name, len(part)) for part in bars] == [("binance:BTC-USDT", 2), ("binance:ETH-USDT", 2)]


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("binance_BTCUSDT_15m_to_2025-09-30.parquet", "BTC-USDT"),
        ("ETHBTC-1h.csv", "ETH-BTC"),
        ("XBT-USD.json", "BTC-USD"),
        ("BTC_USDT-5m.feather", "BTC-USDT"),
        ("1000SHIBUSDT-1m-2023-04.csv", "1000SHIB-USDT"),
    ],
)
def test_a_files_name_tells_the_symbol(name: str, symbol: str) -> None:
    assert symbol_of(Path(name)) == symbol


def test_a_symbol_that_is_given_stands_above_the_name(tmp_path: Path) -> None:
    (tmp_path / "candles.json").write_text(json.dumps(KLINES))
    with pytest.raises(UnreadableCandles, match="give one with --symbol"):
        read_candles([tmp_path / "candles.json"])
    assert read_candles([tmp_path / "candles.json"], symbol="SOL-USD")[0].symbol == "SOL-USD"


def hours() -> str:
    return json.dumps([[T0 + 4 * QUARTER * number, 1, 1, 1, 1, 1] for number in range(3)])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("BTCUSDT.json", "{}", "list of lists"),
        ("BTCUSDT.json", "[", "truncated"),
        ("BTCUSDT.json", "[]", "holds no candle"),
        ("BTCUSDT.json", "[[1, 2]]", "2 fields, and a candle has 6"),
        ("BTCUSDT.json", '[{"time": 1, "open": 1}]', "has no column high, low, close, volume"),
        ("BTCUSDT.json", hours(), "3600 s apart make no bars of 15 minutes"),
        ("BTCUSDT.json", f"[[{T0}, 1, 1, 1, 1, 1], [{T0 + QUARTER}, 1, 1, 1, 2, 1]]", "line 2: no candle has open 1"),
        ("BTCUSDT.json", f"[[{T0}, 1, 1, 1, 1, -1]]", "line 1: no candle has"),
        ("BTCUSDT.json", f"[[{T0}, 1, 1, 1, null, 1]]", "line 1: no candle has"),
        ("BTCUSDT.json", f"[[{T0}, 1, 1, 1, [], 1]]", r"line 1: close is '\[\]', and no number"),
        ("BTCUSDT.json", "[[-5, 1, 1, 1, 1, 1]]", "line 1: no time -5"),
        ("BTCUSDT.json", f"[[{T0}, 1, 1, 1, 1, 1], [{T0 * 1000}, 1, 1, 1, 1, 1]]", "of no one unit"),
        ("BTCUSDT.json", f"[[{T0 + 7}, 1, 1, 1, 1, 1], [{T0 + QUARTER + 7}, 1, 1, 1, 1, 1]]", "between multiples"),
        ("BTCUSDT.csv", f"{HEADER}\n{T0},1,1,1,1,x,0,0,0,0,0\n", "line 2: volume is 'x', and no number"),
        ("BTCUSDT.csv", f"{HEADER}\n{T0},1,1\n", "line 2: 3 fields, and 10 are needed"),
        ("BTCUSDT.csv", "", "has no column time"),
        ("BTCUSDT.parquet", "PAR1", "BTCUSDT.parquet: "),
        ("BTCUSDT.feather", "x", "BTCUSDT.feather: "),
        ("BTCUSDT.xlsx", "x", "candles are read from .parquet, .feather, .json, .csv files"),
    ],
)
def test_a_file_that_holds_no_candles_is_refused_with_its_name_and_line(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UnreadableCandles, match=reason) as refused:
        read_candles([tmp_path / name])
    assert name in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCandles, match="there is no file"):
        read_candles([tmp_path / "BTCUSDT.csv"])


def test_real_candles_are_read_whole(realdata: Path) -> None:
    folder = realdata / "candles"
    (bars,) = read_candles([folder / "binance_BTCUSDT_15m_to_2025-09-30.parquet"])
    assert len(bars) == 26_400
    assert (bars.close[-1], bars.trades[0]) == (114048.93, 64965)
    (month,) = read_candles([folder / "binance_BTCUSDT_1m_2023-04.json"])
    # 43,199 minutes from 07:37 on 5 April to 07:36 on 5 May: one minute is missing, and 8 and 7 of bars at the ends.
    assert len(month) == 2_879
    assert not np.isnan(month.volume).any()
