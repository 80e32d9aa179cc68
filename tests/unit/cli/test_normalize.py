"""``tickwire normalize``: exact trades out, and an account of everything else."""

import gzip
import io
import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tickwire.cli.output import ProgressLine
from tickwire.venues.binance.feed import BinanceFeed
from tickwire.venues.feed import ParsedFrames

Tickwire = Callable[..., Any]
BinanceTrade = Callable[..., bytes]
Capture = Callable[..., Path]


def test_columns_are_exact_decimals_and_nanoseconds(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    path = capture(b"1783465200123456789 " + binance_trade(7, p="63551.02000001", q="0.00000003", m=False))
    outcome = tickwire("normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet", "--json")
    assert outcome.code == 0
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.schema == pa.schema(
        [
            ("venue", pa.string()),
            ("symbol", pa.string()),
            ("trade_id", pa.int64()),
            ("price", pa.decimal128(38, 18)),
            ("size", pa.decimal128(38, 18)),
            ("side", pa.string()),
            ("exchange_time", pa.timestamp("ns", "UTC")),
            ("receive_time", pa.timestamp("ns", "UTC")),
        ]
    )
    (row,) = table.cast(
        table.schema.set(6, pa.field("exchange_time", pa.int64())).set(7, pa.field("receive_time", pa.int64()))
    ).to_pylist()
    assert row == {
        "venue": "binance",
        "symbol": "BTC-USDT",
        "trade_id": 7,
        "price": Decimal("63551.02000001"),
        "size": Decimal("0.00000003"),
        "side": "buy",
        "exchange_time": 1783465200007000000,
        "receive_time": 1783465200123456789,
    }


def test_unknown_receive_time_becomes_the_exchange_time(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    tickwire("normalize", "--venue", "binance", capture(binance_trade(7)), "--out", tmp_path / "t.parquet")
    (row,) = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert row["receive_time"] == row["exchange_time"] == datetime(2026, 7, 7, 23, 0, 0, 7000, tzinfo=UTC)


def test_summary_counts_repeats_disorder_and_holes(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    ids = [10, 11, 11, 15, 14, 10, 20]
    path = capture(*map(binance_trade, ids))
    outcome = tickwire("normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet", "--json")
    summary = outcome.json
    assert pq.read_table(tmp_path / "t.parquet")["trade_id"].to_pylist() == [10, 11, 14, 15, 20]
    assert (summary["frames"], summary["trades"], summary["duplicates"], summary["out_of_order"]) == (7, 5, 2, 1)
    # 12, 13 and 16 to 19.
    assert (summary["gaps"], summary["missing_ids"]) == (2, 6)
    assert summary["symbols"]["binance:BTC-USDT"] == {
        "trades": 5,
        "first_id": 10,
        "last_id": 20,
        "duplicates": 2,
        "out_of_order": 1,
        "gaps": 2,
        "missing_ids": 6,
        "missing_ranges": [[12, 13], [16, 19]],
    }


def test_of_repeats_the_one_that_came_first_is_kept(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    path = capture(binance_trade(1, p="1.00000000"), binance_trade(1, p="2.00000000"))
    tickwire("normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet")["price"].to_pylist() == [Decimal(1)]


def test_rejects_keep_the_frame_and_can_be_read_again(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    broken = binance_trade(2)[:-20]
    no_price = binance_trade(3, p="0.00000000")
    path = capture(binance_trade(1), broken, b"5 \xff", b"1783465200000000000 " + no_price, binance_trade(4))
    arguments = ("normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet", "--json")
    outcome = tickwire(*arguments, "--rejects", tmp_path / "rejects.ndjson")
    assert outcome.json["rejected"] == {"not_json": 2}
    assert outcome.json["quarantined"] == {"price": 1}
    # The quarantined id was seen; the one in the broken frame was not.
    assert outcome.json["symbols"]["binance:BTC-USDT"]["missing_ranges"] == [[2, 2]]
    lines = [json.loads(line) for line in (tmp_path / "rejects.ndjson").read_text().splitlines()]
    assert [(line["kind"], line["reason"], line["line"]) for line in lines] == [
        ("frame", "not_json", 2),
        ("frame", "not_json", 3),
        ("trade", "price", 4),
    ]
    assert lines[0]["frame"].encode() == broken
    assert lines[1]["frame_base64"] == "NSD/"
    assert lines[2]["frame"].encode() == no_price
    assert lines[2]["receive_time"] == 1783465200000000000
    assert lines[2]["trade"]["trade_id"] == 3
    assert lines[2]["detail"] == "price 0.00000000 is not positive"

    again = tickwire(*arguments[:3], path, tmp_path / "rejects.ndjson", "--out", tmp_path / "again.parquet", "--json")
    assert again.json["rejected"] == {"not_json": 4}
    assert again.json["quarantined"] == {"price": 2}
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "t.parquet").read_bytes()


def test_lone_absurd_id_is_quarantined(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    path = capture(*map(binance_trade, [1, 2, 3, 9_000_000_000_000_000_000]))
    outcome = tickwire(
        "normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet", "--json",
        "--rejects", tmp_path / "r.ndjson",
    )  # fmt: skip
    assert outcome.json["quarantined"] == {"id_jump": 1}
    assert (outcome.json["trades"], outcome.json["missing_ids"]) == (3, 0)
    assert json.loads((tmp_path / "r.ndjson").read_text())["trade"]["trade_id"] == 9_000_000_000_000_000_000


def test_sessions_far_apart_are_both_kept_whatever_their_order(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    early = capture(*map(binance_trade, [1, 2, 3]), name="early")
    late = capture(*map(binance_trade, [5_000_001, 5_000_002, 5_000_003]), name="late")
    outcome = tickwire("normalize", "--venue", "binance", late, early, "--out", tmp_path / "t.parquet", "--json")
    assert outcome.json["trades"] == 6
    assert outcome.json["symbols"]["binance:BTC-USDT"]["missing_ranges"] == [[4, 5_000_000]]
    assert outcome.json["quarantined"] == {}


def test_future_exchange_time_is_quarantined_by_the_limit_given(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    path = capture(b"1783465200000000000 " + binance_trade(1), b"1783461600000000000 " + binance_trade(2))
    arguments = ("normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet", "--json")
    assert tickwire(*arguments).json["quarantined"] == {}
    assert tickwire(*arguments, "--max-ahead", "60").json["quarantined"] == {"time": 1}


def test_tail_that_only_heartbeats_show_is_missing(tickwire: Tickwire, capture: Capture, tmp_path: Path) -> None:
    match = (
        b'{"type":"match","trade_id":100,"maker_order_id":"a","taker_order_id":"b","side":"buy","size":"0.1",'
        b'"price":"77572.87","product_id":"BTC-USD","sequence":1,"time":"2026-09-02T07:44:10.104422Z"}'
    )
    beats = [
        b'{"type":"heartbeat","last_trade_id":%d,"product_id":"BTC-USD","sequence":1,"time":"2026-09-02T07:44:1%d.0Z"}'
        % (last_id, second)
        for second, last_id in enumerate([100, 102, 102, 103])
    ]
    path = capture(match, *beats)
    outcome = tickwire("normalize", "--venue", "coinbase", path, "--out", tmp_path / "t.parquet", "--json")
    # 103 may still have been under way when the recording ended.
    assert outcome.json["symbols"]["coinbase:BTC-USD"]["missing_ranges"] == [[101, 102]]


@pytest.mark.parametrize("name", ["plain", "gzip"])
def test_gzip_is_read_like_plain(tickwire: Tickwire, binance_trade: BinanceTrade, tmp_path: Path, name: str) -> None:
    data = b"\n".join(map(binance_trade, range(1, 100)))
    (tmp_path / name).write_bytes(gzip.compress(data) if name == "gzip" else data)
    outcome = tickwire("normalize", "--venue", "binance", tmp_path / name, "--out", tmp_path / "t.parquet", "--json")
    assert outcome.json["trades"] == 99


def test_text_summary_names_what_matters(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    path = capture(binance_trade(1), b"rubbish", binance_trade(3))
    outcome = tickwire("normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet")
    assert "2 in " in outcome.out
    assert "not_json 1" in outcome.out
    assert "binance:BTC-USDT   2 trades, ids 1 to 3, 1 ids missing" in outcome.out
    assert "--rejects" in outcome.out
    assert outcome.err == ""


def test_failure_leaves_the_file_that_was_there(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    out = tmp_path / "t.parquet"
    tickwire("normalize", "--venue", "binance", capture(binance_trade(1)), "--out", out)
    before = out.read_bytes()
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"\n".join(map(binance_trade, range(1000))))[:-200])
    outcome = tickwire("normalize", "--venue", "binance", cut, "--out", out)
    assert outcome.code == 1
    assert outcome.err.startswith(f"tickwire normalize: {cut}: gzip is cut short after line ")
    assert out.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"t.parquet", "cut.gz", "capture.ndjson"}


@pytest.mark.parametrize(
    ("content", "venue", "words"),
    [
        (b'{"channel":"heartbeat"}\n', "binance", "looks like a kraken capture: use --venue kraken"),
        (b'{"channel":"heartbeat"}\n', "kraken", "they hold heartbeat 1"),
        (b'[0,[["1.0","1.0","1.0","s","l",""]],"trade","XBT/USD"]\n', "kraken", "looks like Kraken's WebSocket v1"),
        (b"Dear diary\n", "coinbase", "the first frame of"),
        (b"", "coinbase", "(0 frames)"),
        (b"\x00\x01\x02\x03", "coinbase", "line 1: binary data"),
    ],
)
def test_file_without_a_trade_fails_and_says_what_it_looks_like(
    tickwire: Tickwire, tmp_path: Path, content: bytes, venue: str, words: str
) -> None:
    path = tmp_path / "capture"
    path.write_bytes(content)
    outcome = tickwire("normalize", "--venue", venue, path, "--out", tmp_path / "t.parquet")
    assert outcome.code == 1
    assert words in outcome.err
    assert str(path) in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "t.parquet").exists()


def test_missing_file_or_folder_is_one_sentence(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    out = tmp_path / "t.parquet"
    missing = tickwire("normalize", "--venue", "binance", tmp_path / "nowhere", "--out", out)
    assert (missing.code, missing.err) == (
        1,
        f"tickwire normalize: {tmp_path / 'nowhere'}: No such file or directory\n",
    )
    path = capture(binance_trade(1))
    nowhere = tickwire("normalize", "--venue", "binance", path, "--out", tmp_path / "no" / "t.parquet")
    assert (nowhere.code, nowhere.err) == (
        1,
        f"tickwire normalize: there is no folder {tmp_path / 'no'} to write t.parquet in\n",
    )
    own = tickwire("normalize", "--venue", "binance", path, "--out", path)
    assert (own.code, own.err) == (1, f"tickwire normalize: {path} would overwrite its own input\n")
    same = tickwire("normalize", "--venue", "binance", path, "--out", out, "--rejects", out)
    assert (same.code, same.err) == (1, f"tickwire normalize: --out and --rejects are the same file, {out}\n")


def test_unknown_venue_is_wrong_usage(tickwire: Tickwire, tmp_path: Path) -> None:
    outcome = tickwire("normalize", "--venue", "nasdaq", "x", "--out", tmp_path / "t.parquet")
    assert outcome.code == 2
    assert "invalid choice: 'nasdaq'" in outcome.err


def test_fault_of_the_parser_costs_its_frame_only(
    tickwire: Tickwire,
    capture: Capture,
    binance_trade: BinanceTrade,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parse = BinanceFeed.parse

    def faulty(feed: BinanceFeed, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        if b'"t": 2,' in frame:
            raise ZeroDivisionError("oops")
        parse(feed, frame, receive_time, out)

    monkeypatch.setattr(BinanceFeed, "parse", faulty)
    path = capture(*map(binance_trade, [1, 2, 3]))
    outcome = tickwire(
        "normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet", "--json",
        "--rejects", tmp_path / "r.ndjson",
    )  # fmt: skip
    assert outcome.json["rejected"] == {"parser_failed": 1}
    assert outcome.json["trades"] == 2
    assert json.loads((tmp_path / "r.ndjson").read_text())["detail"] == "ZeroDivisionError: oops"


def test_pipe_can_be_normalized(tickwire: Tickwire, binance_trade: BinanceTrade, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(binance_trade(1)),))
    feeder.start()
    outcome = tickwire("normalize", "--venue", "binance", pipe, "--out", tmp_path / "t.parquet", "--json")
    feeder.join()
    assert outcome.json["trades"] == 1


def test_progress_is_shown_on_a_terminal_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    progress = ProgressLine(delay_seconds=0)
    progress.update("1,000 frames")
    progress.update("too soon after the last")
    progress.clear()
    assert terminal.getvalue() == "\r\x1b[K1,000 frames\r\x1b[K"


def test_progress_is_silent_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    progress = ProgressLine(delay_seconds=0)
    progress.update("1,000 frames")
    progress.clear()
    assert stderr.getvalue() == ""


def test_text_of_a_venue_cannot_steer_the_terminal(
    tickwire: Tickwire, capture: Capture, binance_trade: BinanceTrade, tmp_path: Path
) -> None:
    path = capture(binance_trade(1), b'{"e":"\\u001b[2Jx","E":1}', b'{"error":{"code":1,"msg":"\\u001b[2Jy"}}')
    outcome = tickwire("normalize", "--venue", "binance", path, "--out", tmp_path / "t.parquet")
    assert outcome.code == 0
    assert "[2Jx" in outcome.out
    assert "[2Jy" in outcome.out
    assert "\x1b" not in outcome.out
