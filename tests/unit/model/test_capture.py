"""Captured requests, read back as rows whose identity is known."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.capture import Message, capture_line
from tests.unit.model.markets import INTERVAL
from tickwire.model import capture
from tickwire.model.arrow_bodies import CONTENT_TYPE, rows_stream
from tickwire.model.capture import TooManyRows, read_captures
from tickwire.model.features import SCHEMA

CONFIG = {"CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}]}
ANSWER = Message("application/json", b"{}")
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def rows(count: int, *, seed: int = 1) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, SCHEMA.width)).astype(np.float32)
    made[:, ::7] = np.nan
    return made


def line(made: np.ndarray, times: list[int], *, symbol: str = "BTC-USD") -> bytes:
    beside = {"venue": ["kraken"] * len(times), "symbol": [symbol] * len(times), "time": times}
    body = rows_stream(made, schema=SCHEMA, beside=beside)
    return capture_line(CONFIG, Message(CONTENT_TYPE, body), ANSWER, at=NOON)


def read(folder: Path, *, since: int = 0, until: int = 100 * INTERVAL) -> capture.CapturedRows:
    return read_captures(folder, since=since, until=until, schema=SCHEMA)


def test_rows_come_back_as_they_were_sent_in_order_of_time(tmp_path: Path) -> None:
    made = rows(3)
    (tmp_path / "a/champion").mkdir(parents=True)
    (tmp_path / "a/champion/1.jsonl").write_bytes(line(made[:2], [9 * INTERVAL, 8 * INTERVAL]))
    (tmp_path / "a/2.jsonl").write_bytes(line(made[2:], [8 * INTERVAL], symbol="ETH-USD"))
    found = read(tmp_path)
    assert found.instrument == ("kraken:BTC-USD", "kraken:ETH-USD", "kraken:BTC-USD")
    assert found.time.tolist() == [8 * INTERVAL, 8 * INTERVAL, 9 * INTERVAL]
    np.testing.assert_array_equal(found.rows, made[[1, 2, 0]])
    assert (found.lines, found.damaged, found.nameless) == (2, 0, 0)


def test_a_row_that_both_variants_were_asked_for_counts_once(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_bytes(2 * line(rows(1), [INTERVAL]))
    assert len(read(tmp_path).time) == 1


def test_rows_between_two_intervals_and_outside_the_span_are_left_out(tmp_path: Path) -> None:
    times = [INTERVAL, 2 * INTERVAL, 2 * INTERVAL + 60_000_000_000, 3 * INTERVAL]
    (tmp_path / "1.jsonl").write_bytes(line(rows(4), times))
    assert read(tmp_path, since=2 * INTERVAL, until=3 * INTERVAL).time.tolist() == [2 * INTERVAL]


def test_requests_that_do_not_say_whose_they_are_are_counted(tmp_path: Path) -> None:
    arrow = Message(CONTENT_TYPE, rows_stream(rows(1), schema=SCHEMA))
    text = Message("application/json", b'{"schema": "", "rows": []}')
    lines = [capture_line(CONFIG, asked, ANSWER, at=NOON) for asked in (arrow, text)]
    (tmp_path / "1.jsonl").write_bytes(b"".join(lines))
    found = read(tmp_path)
    assert (len(found.time), found.lines, found.nameless, found.damaged) == (0, 2, 2, 0)


def test_damaged_lines_are_counted_and_the_rest_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = line(rows(1), [INTERVAL])
    monkeypatch.setattr(capture, "MAX_LINE_BYTES", len(good) + 10)
    other = json.loads(good)
    other["captureData"]["endpointInput"]["data"] = base64.b64encode(b"no stream").decode()
    damaged = [b"{}\n", good[: len(good) // 2] + b"\n", json.dumps(other).encode() + b"\n", 3 * good[:-1] + b"\n"]
    (tmp_path / "1.jsonl").write_bytes(b"".join(damaged) + good)
    found = read(tmp_path)
    assert (len(found.time), found.lines, found.damaged) == (1, 5, 4)


def test_more_rows_than_are_kept_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MAX_CAPTURED_ROWS", 1)
    (tmp_path / "1.jsonl").write_bytes(line(rows(2), [INTERVAL, 2 * INTERVAL]))
    with pytest.raises(TooManyRows, match="more than 1 rows"):
        read(tmp_path)


@given(place=st.integers(0, 5_000), byte=st.integers(0, 255))
def test_a_changed_byte_never_stops_the_reader(tmp_path_factory: pytest.TempPathFactory, place: int, byte: int) -> None:
    changed = bytearray(line(rows(1), [INTERVAL]))
    changed[place % len(changed)] = byte
    folder = tmp_path_factory.mktemp("captures")
    (folder / "1.jsonl").write_bytes(bytes(changed))
    found = read(folder)
    assert found.damaged + found.nameless + len(found.time) <= max(found.lines, 1)
