"""``tickwire normalize`` on real captures, against the frames' own text."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tickwire.capture import read_capture

Tickwire = Callable[..., Any]

BINANCE = ("binance_spot_btcusdt_20240808.gz", "binance_spot_ethusdt_20240808.gz")


@pytest.fixture(scope="module")
def captures(realdata: Path) -> Path:
    return realdata / "captures"


def test_binance_session_is_complete_and_equals_the_text_of_its_frames(
    tickwire: Tickwire, captures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "t.parquet"
    outcome = tickwire(
        "normalize", "--venue", "binance", *(captures / name for name in BINANCE), "--out", out, "--json"
    )
    summary = outcome.json
    assert (summary["frames"], summary["trades"]) == (41_249 + 33_618, 9_757 + 6_106)
    assert {key: symbol["trades"] for key, symbol in summary["symbols"].items()} == {
        "binance:BTC-USDT": 9_757,
        "binance:ETH-USDT": 6_106,
    }
    for name in ("duplicates", "out_of_order", "gaps", "missing_ids", "checksum_failures"):
        assert summary[name] == 0
    for name in ("rejected", "quarantined", "drift"):
        assert summary[name] == {}

    table = pq.read_table(out)
    times = pa.schema([(name, pa.int64()) for name in ("exchange_time", "receive_time")])
    rows = pa.table(
        [
            column.cast(pa.int64()) if name in times.names else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        ],
        names=table.column_names,
    ).to_pylist()
    expected = []
    for name in BINANCE:
        for captured in read_capture(captures / name):
            message = json.loads(captured.frame)
            if message.get("stream", "").endswith("@trade"):
                trade = message["data"]
                expected.append(
                    {
                        "venue": "binance",
                        "symbol": trade["s"].replace("USDT", "-USDT"),
                        "trade_id": trade["t"],
                        "price": Decimal(trade["p"]),
                        "size": Decimal(trade["q"]),
                        "side": "sell" if trade["m"] else "buy",
                        "exchange_time": trade["T"] * 1_000_000,
                        "receive_time": captured.receive_time,
                    }
                )
    assert rows == sorted(expected, key=lambda row: (row["symbol"], row["trade_id"]))


def test_same_files_twice_and_in_any_order_give_the_same_parquet(
    tickwire: Tickwire, captures: Path, tmp_path: Path
) -> None:
    btc, eth = (captures / name for name in BINANCE)
    once, twice = tmp_path / "once.parquet", tmp_path / "twice.parquet"
    tickwire("normalize", "--venue", "binance", btc, eth, "--out", once)
    summary = tickwire("normalize", "--venue", "binance", eth, btc, eth, btc, "--out", twice, "--json").json
    assert summary["trades"] == summary["duplicates"] == 15_863
    assert summary["missing_ids"] == 0
    assert twice.read_bytes() == once.read_bytes()


@pytest.mark.parametrize(
    ("name", "venue", "trades", "symbols"),
    [
        ("kraken_v2_20260707.ndjson", "kraken", 13, 2),
        ("binance_spot_20260707.ndjson", "binance", 163, 2),
        ("coinbase_exchange_20260707.ndjson", "coinbase", None, 2),
        ("coinbase_advanced_2026.jsonl", "coinbase-advanced", 1, 1),
        ("cryptofeed/COINBASE.ws.28.0", "coinbase", 97 + 10, 10),
    ],
)
def test_other_sessions_are_complete(
    tickwire: Tickwire, captures: Path, tmp_path: Path, name: str, venue: str, trades: int | None, symbols: int
) -> None:
    outcome = tickwire("normalize", "--venue", venue, captures / name, "--out", tmp_path / "t.parquet", "--json")
    summary = outcome.json
    if trades is None:
        text = (captures / name).read_text()
        trades = text.count('"type":"match"') + text.count('"type":"last_match"')
    assert summary["trades"] + summary["duplicates"] == trades
    assert len(summary["symbols"]) == symbols
    assert (summary["missing_ids"], summary["checksum_failures"]) == (0, 0)
    assert summary["rejected"] == summary["quarantined"] == {}
    assert pq.read_metadata(tmp_path / "t.parquet").num_rows == summary["trades"]


def test_krakens_old_format_is_named(tickwire: Tickwire, captures: Path, tmp_path: Path) -> None:
    path = captures / "cryptofeed" / "KRAKEN.ws.48.0"
    outcome = tickwire("normalize", "--venue", "kraken", path, "--out", tmp_path / "t.parquet")
    assert outcome.code == 1
    assert "looks like Kraken's WebSocket v1" in outcome.err
