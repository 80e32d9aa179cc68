"""Every frame of the real Binance captures, against a second reading of them by plain json and Decimal."""

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tickwire.capture import read_capture
from tickwire.columns import Side, TradeBatch
from tickwire.decimals import format_fixed
from tickwire.venues.binance.feed import BinanceFeed, BinanceUsFeed
from tickwire.venues.feed import ParsedFrames

SPOT = ["binance_spot_btcusdt_20240808.gz", "binance_spot_ethusdt_20240808.gz", "binance_spot_20260707.ndjson"]


def parse(path: Path, feed: BinanceFeed) -> tuple[ParsedFrames, list[dict[str, object]]]:
    """Give what the feed made of a capture, and the payloads read by the standard library."""
    out = ParsedFrames()
    payloads = []
    for captured in read_capture(path):
        feed.parse(captured.frame, captured.receive_time or 0, out)
        message = json.loads(captured.frame)
        payloads.append(message.get("data", message))
    return out, payloads


def stripped(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


@pytest.mark.parametrize(
    ("file", "symbol", "trades"),
    [(SPOT[0], "BTC-USDT", 9_757), (SPOT[1], "ETH-USDT", 6_106)],
)
def test_2024_capture_gives_each_trade_once_and_ids_without_a_hole(
    realdata: Path, file: str, symbol: str, trades: int
) -> None:
    out, _ = parse(realdata / "captures" / file, BinanceFeed())
    assert not out.rejects
    assert not out.drift
    batch = out.trades.batch()
    assert [(known.venue, known.symbol) for known in batch.instruments] == [("binance", symbol)]
    assert len(batch) == trades
    assert (np.diff(batch.trade_id) == 1).all()


@pytest.mark.parametrize("file", SPOT)
def test_each_captured_trade_is_the_frame_digit_for_digit(realdata: Path, file: str) -> None:
    out, payloads = parse(realdata / "captures" / file, BinanceFeed())
    sent = [payload for payload in payloads if payload.get("e") == "trade"]
    batch = out.trades.batch()
    assert len(batch) == len(sent) > 100
    for k, (payload, instrument) in enumerate(zip(sent, instruments(batch), strict=True)):
        assert instrument.symbol.replace("-", "") == payload["s"]
        assert stripped(format_fixed(int(batch.price[k]), instrument.price_scale)) == stripped(str(payload["p"]))
        assert stripped(format_fixed(int(batch.size[k]), instrument.size_scale)) == stripped(str(payload["q"]))
        assert batch.trade_id[k] == payload["t"]
        assert batch.side[k] == (Side.SELL if payload["m"] else Side.BUY)
    assert (batch.exchange_time == np.array([payload["T"] for payload in sent]) * 1_000_000).all()


def instruments(batch: TradeBatch) -> list:
    return [batch.instruments[k] for k in batch.instrument]


@pytest.mark.parametrize(("file", "quotes"), [(SPOT[0], 28_040), (SPOT[1], 24_077)])
def test_each_captured_quote_is_the_frame_and_never_crossed(realdata: Path, file: str, quotes: int) -> None:
    out, payloads = parse(realdata / "captures" / file, BinanceFeed())
    sent = [payload for payload in payloads if "A" in payload]
    batch = out.quotes.batch()
    assert len(batch) == len(sent) == quotes
    for name, key in {"bid_price": "b", "bid_size": "B", "ask_price": "a", "ask_size": "A"}.items():
        assert getattr(batch, name).tolist() == [int(Decimal(str(payload[key])) * 10**8) for payload in sent]
    assert (batch.bid_price < batch.ask_price).all()
    assert (np.diff(batch.update_id) > 0).all()


def test_receive_clock_behind_the_exchange_is_kept_as_it_is(realdata: Path) -> None:
    out, _ = parse(realdata / "captures" / SPOT[0], BinanceFeed())
    batch = out.trades.batch()
    latency = batch.receive_time - batch.exchange_time
    assert -1_300_000_000 < latency.min() < latency.max() < -1_000_000_000


@pytest.mark.parametrize(
    ("file", "feed", "aggregates", "quotes"),
    [
        ("BINANCE.ws.1.0", BinanceFeed, 2, 84),
        ("old/BINANCE.ws.1.0_3525dc8c", BinanceFeed, 24, 570),
        ("old/BINANCE.ws.1.0_4fe02974", BinanceFeed, 28, 412),
        ("BINANCE_US.ws.1.0", BinanceUsFeed, 11, 128),
        ("old/BINANCE_US.ws.1.0_63669f64", BinanceUsFeed, 3, 241),
        ("old/BINANCE_US.ws.3.0_3525dc8c", BinanceUsFeed, 18, 458),
    ],
)
def test_2021_capture_of_odd_pairs_is_read_whole(
    realdata: Path, file: str, feed: type[BinanceFeed], aggregates: int, quotes: int
) -> None:
    path = realdata / "captures" / "cryptofeed" / file
    out, payloads = parse(path, feed())
    assert not out.rejects
    assert not out.drift
    assert (len(out.trades), out.ignored["aggTrade"], len(out.quotes)) == (0, aggregates, quotes)
    assert out.frames == aggregates + quotes + out.ignored["depthUpdate"] + out.ignored["kline"]

    out, _ = parse(path, feed(aggregate=True))
    batch = out.trades.batch()
    sent = [payload for payload in payloads if payload.get("e") == "aggTrade"]
    assert batch.trade_id.tolist() == [payload["a"] for payload in sent]
    assert {known.venue for known in batch.instruments} == {f"{feed.venue}-agg"}
    ids = defaultdict(list)
    for instrument, payload in zip(instruments(batch), sent, strict=True):
        ids[instrument.symbol].append(payload["a"])
    assert all(sorted(known) == list(range(known[0], known[0] + len(known))) for known in ids.values())
