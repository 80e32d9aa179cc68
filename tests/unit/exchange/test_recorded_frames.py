"""What the exchange makes of captured frames: who gets them, and which trades they announce."""

import json
from pathlib import Path

import pytest

from local.exchange.replay import Recording
from local.exchange.venues.protocol import EVERYONE, Desk
from local.exchange.venues.registry import new_protocol
from tickwire.capture import CaptureError


def describe(feed: str, frame: object):  # type: ignore[no-untyped-def]
    text = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    return new_protocol(feed, Desk({})).describe(text)


def test_binance_trade_belongs_to_its_stream_and_announces_its_id() -> None:
    recorded = describe(
        "binance", {"stream": "btcusdt@trade", "data": {"e": "trade", "E": 1783465157897, "s": "BTCUSDT", "t": 7}}
    )

    assert "btcusdt@trade" in recorded.topics
    assert recorded.trades == (("BTC-USDT", 7, 7),)
    assert recorded.time == 1783465157897_000_000


def test_raw_binance_payloads_are_known_by_their_type() -> None:
    trade = describe("binance", {"e": "trade", "E": 1783465157897, "s": "BTCUSDT", "t": 7})
    ticker = describe("binance", {"u": 1, "s": "BTCUSDT", "b": "1", "B": "1", "a": "2", "A": "1"})

    assert "btcusdt@trade" in trade.topics
    assert trade.trades == (("BTC-USDT", 7, 7),)
    assert "btcusdt@bookTicker" in ticker.topics


def test_aggregate_trades_announce_nothing_as_their_ids_are_another_space() -> None:
    recorded = describe("binance", {"stream": "btcusdt@aggTrade", "data": {"e": "aggTrade", "s": "BTCUSDT", "a": 5}})

    assert recorded.trades == ()


def test_a_stream_of_a_pair_that_nobody_knows_is_still_a_stream() -> None:
    recorded = describe("binance", {"stream": "zzz@trade", "data": {"e": "trade", "s": "ZZZ", "t": 1}})

    assert "zzz@trade" in recorded.topics
    assert recorded.trades == recorded.symbols == ()


def test_a_rest_snapshot_that_a_recorder_wrote_down_is_not_replayed() -> None:
    assert describe("binance", {"lastUpdateId": 1, "bids": [], "asks": []}) is None


def test_coinbase_matches_announce_and_heartbeats_are_beats() -> None:
    match = describe(
        "coinbase", {"type": "match", "trade_id": 9, "product_id": "BTC-USD", "time": "2026-07-07T22:58:17Z"}
    )
    beat = describe("coinbase", {"type": "heartbeat", "last_trade_id": 9, "product_id": "BTC-USD"})

    assert match.topics == ("matches:BTC-USD",)
    assert match.trades == (("BTC-USD", 9, 9),)
    assert beat.trades == ()
    assert beat.beat


def test_advanced_frames_announce_ranges_of_each_product() -> None:
    trades = [("BTC-USD", "12"), ("BTC-USD", "11"), ("ETH-USD", "5"), ("BTC-USD", "9")]
    recorded = describe(
        "coinbase-advanced",
        {
            "channel": "market_trades",
            "timestamp": "2026-09-30T02:39:59.551901038Z",
            "sequence_num": 2,
            "events": [{"type": "update", "trades": [{"product_id": p, "trade_id": i} for p, i in trades]}],
        },
    )

    assert recorded.topics == ("market_trades:BTC-USD", "market_trades:ETH-USD")
    assert recorded.trades == (("BTC-USD", 9, 9), ("BTC-USD", 11, 12), ("ETH-USD", 5, 5))


def test_kraken_frames_announce_every_trade_in_them() -> None:
    rows = [{"symbol": "BTC/USD", "trade_id": n, "timestamp": "2026-07-07T23:00:03.501510Z"} for n in (4, 5)]
    recorded = describe("kraken", {"channel": "trade", "type": "update", "data": rows})

    assert recorded.topics == ("trade:BTC/USD",)
    assert recorded.trades == (("BTC-USD", 4, 5),)


@pytest.mark.parametrize(
    ("feed", "frame"),
    [
        ("binance", {"result": None, "id": 1}),
        ("coinbase", {"type": "subscriptions", "channels": []}),
        ("coinbase-advanced", {"channel": "subscriptions", "events": []}),
        ("kraken", {"channel": "status", "type": "update", "data": [{"system": "online"}]}),
        ("kraken", {"method": "subscribe", "success": True, "result": {"channel": "trade", "symbol": "BTC/USD"}}),
    ],
)
def test_recorded_acks_and_status_are_not_replayed(feed: str, frame: object) -> None:
    assert describe(feed, frame) is None


@pytest.mark.parametrize("feed", ["binance", "coinbase", "coinbase-advanced", "kraken"])
@pytest.mark.parametrize("frame", [b"{", b"\xff\x00", b"[1,2]", b"7", b'{"type":5}', b'{"channel":"trade","data":7}'])
def test_unreadable_frames_go_to_everyone_as_whoever_recorded_them_got_them(feed: str, frame: bytes) -> None:
    recorded = describe(feed, frame)

    assert recorded is None or recorded.topics == (EVERYONE,)
    if frame in (b"{", b"\xff\x00", b"[1,2]", b"7"):
        assert recorded is not None


@pytest.mark.parametrize(
    ("name", "feed", "symbols", "trades"),
    [
        ("binance_spot_btcusdt_20240808.gz", "binance", {"BTC-USDT"}, 9_757),
        ("binance_spot_ethusdt_20240808.gz", "binance", {"ETH-USDT"}, 6_106),
        ("coinbase_exchange_20260707.ndjson", "coinbase", {"BTC-USD", "ETH-USD"}, None),
        ("kraken_v2_20260707.ndjson", "kraken", {"BTC-USD", "ETH-USD"}, None),
    ],
)
def test_captures_are_recognised(realdata: Path, name: str, feed: str, symbols: set[str], trades: int | None) -> None:
    path = realdata / "captures" / name

    recording = Recording(path)

    assert recording.feed == feed
    assert set(recording.symbols) == symbols
    if trades is not None:
        assert recording.trades == trades


def test_a_file_that_holds_nothing_to_subscribe_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "beats.ndjson"
    path.write_text('{"channel":"heartbeat"}\n')

    with pytest.raises(CaptureError, match=r"beats\.ndjson: holds no frame of kraken"):
        Recording(path)


def test_a_file_of_no_known_feed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")

    with pytest.raises(CaptureError, match=r"notes\.txt: not a capture"):
        Recording(path)
