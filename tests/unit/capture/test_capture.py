"""Capture files: the kinds of line, damaged files, and which feed recorded them."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from tickwire.capture import CapturedFrame, CaptureError, detect_feed, feed_of_frame, read_capture


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "capture"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b'{"a":1}', (None, b'{"a":1}'), id="bare_frame_has_no_receive_time"),
        pytest.param(b'1723161253937085768 {"a":1}', (1723161253937085768, b'{"a":1}'), id="nanoseconds_first"),
        pytest.param(b'1723161253937 {"a":1}', (1723161253937000000, b'{"a":1}'), id="milliseconds_told_by_magnitude"),
        pytest.param(
            b'1633998512.0633569: {"a":1}', (1633998512063356900, b'{"a":1}'), id="cryptofeed_seconds_kept_exactly"
        ),
        pytest.param(b"1633998512.5: [1,2]", (1633998512500000000, b"[1,2]"), id="cryptofeed_short_fraction"),
        pytest.param(
            b'{"src":"x","frame":{"channel":"ticker","n":1.50}}',
            (None, b'{"channel":"ticker","n":1.50}'),
            id="wrapper_keeps_the_frames_text",
        ),
        pytest.param(
            b'{"reason":"not_json","receive_time":7,"frame":"{\\"broken"}', (7, b'{"broken'), id="wrapped_text"
        ),
        pytest.param(b'{"frame_base64":"/w==","receive_time":7}', (7, b"\xff"), id="wrapped_bytes"),
        pytest.param(
            b'{"frame":{},"receive_time":9223372036854775808}',
            (None, b'{"frame":{},"receive_time":9223372036854775808}'),
            id="wrapper_with_a_time_outside_int64_is_left_to_the_feed",
        ),
        pytest.param(
            b'9223372036854775808 {"a":1}', (None, b'9223372036854775808 {"a":1}'), id="a_time_outside_int64_is_none"
        ),
        pytest.param(b'{"frame_number":1}', (None, b'{"frame_number":1}'), id="a_frame_that_only_looks_wrapped"),
        pytest.param(b"12 dogs", (None, b"12 dogs"), id="a_number_that_is_no_time_belongs_to_the_frame"),
        pytest.param(b"\xff{", (None, b"\xff{"), id="a_damaged_line_is_given_for_the_feed_to_reject"),
        pytest.param(b'{"a":1}\r', (None, b'{"a":1}'), id="windows_line_end"),
    ],
)
def test_line_is_read_as(tmp_path: Path, line: bytes, expected: tuple[int | None, bytes]) -> None:
    (captured,) = read_capture(_write(tmp_path, line + b"\n"))
    assert (captured.receive_time, captured.frame) == expected


def test_lines_that_are_no_frames_are_counted_and_line_numbers_stay(tmp_path: Path) -> None:
    skipped: Counter[str] = Counter()
    path = _write(
        tmp_path,
        b"wss://ws.kraken.com <- 1618678132.83097: {}\n\nhttps://x -> 1.0: {}\nconfiguration: {}\n{}\n",
    )
    assert list(read_capture(path, skipped)) == [CapturedFrame(None, b"{}", 5)]
    assert skipped == {"session": 1, "http": 1, "configuration": 1, "blank": 1}


def test_gzip_is_known_by_its_content_not_its_name(tmp_path: Path) -> None:
    path = _write(tmp_path, gzip.compress(b'{"a":1}\n{"a":2}'))
    assert [captured.frame for captured in read_capture(path)] == [b'{"a":1}', b'{"a":2}']


def test_empty_file_has_no_frames(tmp_path: Path) -> None:
    assert list(read_capture(_write(tmp_path, b""))) == []


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="nowhere: No such file"):
        list(read_capture(tmp_path / "nowhere"))


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="Is a directory"):
        list(read_capture(tmp_path))


def test_gzip_cut_short_gives_its_frames_then_names_the_line(tmp_path: Path) -> None:
    lines = b"".join(b'{"n":%d,"pad":"%d"}\n' % (n, n * 7919 % 1_000_003) for n in range(20_000))
    whole = gzip.compress(lines)
    frames = read_capture(_write(tmp_path, whole[: len(whole) // 2]))
    lines_seen: list[int] = []
    with pytest.raises(CaptureError, match="gzip is cut short after line") as raised:
        lines_seen.extend(captured.line for captured in frames)
    seen = len(lines_seen)
    assert lines_seen == list(range(1, seen + 1))
    assert 0 < seen < 20_000
    assert f"line {seen}" in str(raised.value)


@pytest.mark.parametrize("damage", [slice(30, 40), slice(-8, -4)], ids=["body", "checksum"])
def test_damaged_gzip_is_refused(tmp_path: Path, damage: slice) -> None:
    data = bytearray(gzip.compress(b"".join(b'{"n":%d}\n' % (n * 7919) for n in range(2_000))))
    data[damage] = bytes(b ^ 0xFF for b in data[damage])
    with pytest.raises(CaptureError, match="gzip"):
        list(read_capture(_write(tmp_path, bytes(data))))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x7fELF\0\0\0", "line 1: binary data"),
        (b"PAR1....", "Parquet"),
        (b"\x28\xb5\x2f\xfd....", "Zstandard"),
        (b"TKWR....", "tickwire cat"),
    ],
)
def test_file_of_another_kind_is_named_as_such(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(CaptureError, match=words):
        list(read_capture(_write(tmp_path, content)))


@pytest.mark.parametrize(
    ("name", "frames", "feed"),
    [
        ("binance_spot_btcusdt_20240808.gz", 41_249, "binance"),
        ("binance_spot_ethusdt_20240808.gz", 33_618, "binance"),
        ("binance_spot_20260707.ndjson", 825, "binance"),
        ("coinbase_exchange_20260707.ndjson", 980, "coinbase"),
        ("coinbase_advanced_2026.jsonl", 3, "coinbase-advanced"),
        ("kraken_v2_20260707.ndjson", 1_200, "kraken"),
        ("cryptofeed/COINBASE.ws.28.0", 9_946, "coinbase"),
        ("cryptofeed/BINANCE_US.ws.1.0", 480, "binance-us"),
        ("cryptofeed/BINANCE.ws.1.0", 265, "binance"),
        ("cryptofeed/old/BINANCE_US.ws.3.0_3525dc8c", 1_283, "binance-us"),
        ("cryptofeed/KRAKEN.ws.50.0", 4_321, None),
        ("cryptofeed/BINANCE.0", 0, None),
    ],
)
def test_real_capture_gives_its_frames_and_its_feed(realdata: Path, name: str, frames: int, feed: str | None) -> None:
    path = realdata / "captures" / name
    captured = list(read_capture(path))
    assert len(captured) == frames
    assert all(frame.frame[:1] in b"{[" for frame in captured)
    assert detect_feed(path) == feed


def test_receive_time_of_a_real_line(realdata: Path) -> None:
    first = next(iter(read_capture(realdata / "captures" / "binance_spot_btcusdt_20240808.gz")))
    assert first.receive_time == 1723161253937085768
    assert first.frame.startswith(b'{"stream":"btcusdt@depth@100ms","data":{')


@pytest.mark.parametrize(
    ("frame", "feed"),
    [
        (b'{"channel":"heartbeat"}', "kraken"),
        (b'{"method":"subscribe","success":true,"result":{}}', "kraken"),
        (b'{"type":"heartbeat","product_id":"BTC-USD"}', "coinbase"),
        (b'{"type":"subscriptions","channels":[]}', "coinbase"),
        (b'{"channel":"heartbeats","events":[]}', "coinbase-advanced"),
        (b'{"e":"trade","E":1,"s":"BTCUSDT"}', "binance"),
        (b'{"u":1,"s":"B","b":"1","B":"1","a":"1","A":"1"}', "binance"),
        (b'[0,[],"trade","XBT/USD"]', None),
        (b'{"e', None),
        (b"[" * 100_000, None),
        (b'{"result":null,"id":1}', None),
    ],
)
def test_feed_of_one_frame(frame: bytes, feed: str | None) -> None:
    assert feed_of_frame(frame) == feed
