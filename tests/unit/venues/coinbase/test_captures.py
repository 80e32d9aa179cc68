"""Every frame of the real Coinbase Exchange captures, against a second reading by plain json and Decimal."""

import json
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tickwire.capture import read_capture
from tickwire.columns import Side, TradeBatch
from tickwire.decimals import format_fixed
from tickwire.venues.coinbase.feed import CoinbaseFeed
from tickwire.venues.feed import ParsedFrames

CAPTURES = ["coinbase_exchange_20260707.ndjson", "cryptofeed/COINBASE.ws.28.0"]


def parse(realdata: Path, file: str) -> tuple[ParsedFrames, list[dict[str, object]]]:
    """Give what the feed made of a capture, and the messages read by the standard library."""
    out = ParsedFrames()
    feed = CoinbaseFeed()
    messages = []
    for captured in read_capture(realdata / "captures" / file):
        feed.parse(captured.frame, captured.receive_time or 0, out)
        messages.append(json.loads(captured.frame))
    return out, messages


def by_symbol(batch: TradeBatch) -> dict[str, TradeBatch]:
    return {known.symbol: batch.take(batch.instrument == k) for k, known in enumerate(batch.instruments)}


def stripped(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


@pytest.mark.parametrize(
    ("file", "trades", "quotes", "heartbeats"), [(CAPTURES[0], 199, 0, 44), (CAPTURES[1], 107, 107, 0)]
)
def test_capture_is_read_whole_and_its_ids_have_no_hole(
    realdata: Path, file: str, trades: int, quotes: int, heartbeats: int
) -> None:
    out, messages = parse(realdata, file)
    assert not out.rejects
    assert not out.drift
    assert (len(out.trades), len(out.quotes), len(out.heartbeats)) == (trades, quotes, heartbeats)
    others = out.ignored["l2update"] + out.ignored["snapshot"] + len(out.statuses)
    assert trades + quotes + heartbeats + others == out.frames == len(messages)
    for symbol, batch in by_symbol(out.trades.batch()).items():
        steps = np.diff(batch.trade_id)
        assert set(steps.tolist()) <= {0, 1}, symbol


@pytest.mark.parametrize("file", CAPTURES)
def test_each_captured_trade_is_the_frame_digit_for_digit(realdata: Path, file: str) -> None:
    out, messages = parse(realdata, file)
    batch = out.trades.batch()
    sent = [message for message in messages if message["type"] in ("match", "last_match")]
    assert len(sent) == len(batch) > 100
    for k, message in enumerate(sent):
        instrument = batch.instruments[batch.instrument[k]]
        assert instrument.symbol == message["product_id"]
        assert stripped(format_fixed(int(batch.price[k]), instrument.price_scale)) == stripped(str(message["price"]))
        assert stripped(format_fixed(int(batch.size[k]), instrument.size_scale)) == stripped(str(message["size"]))
        assert batch.side[k] == {"buy": Side.SELL, "sell": Side.BUY}[str(message["side"])]
        moment = datetime.fromisoformat(str(message["time"]))
        assert batch.exchange_time[k] // 1000 == round(Decimal(str(moment.timestamp())) * 10**6)
        assert batch.flags[k] == (message["type"] == "last_match")


@pytest.mark.parametrize(("file", "changes"), [(CAPTURES[0], 75), (CAPTURES[1], 63)])
def test_price_moves_up_after_buyers_and_down_after_sellers_so_the_inversion_is_right(
    realdata: Path, file: str, changes: int
) -> None:
    out, _ = parse(realdata, file)
    agree = moved = 0
    for batch in by_symbol(out.trades.batch()).values():
        step = np.diff(batch.price)
        up = batch.side[1:] == Side.BUY
        moved += int((step != 0).sum())
        agree += int(((step > 0) & up).sum() + ((step < 0) & ~up).sum())
    assert moved == changes
    assert agree / moved > 0.8


def test_buyers_pay_the_ask_of_the_ticker_and_sellers_the_bid(realdata: Path) -> None:
    out, messages = parse(realdata, CAPTURES[1])
    batch = out.trades.batch()
    quotes = {
        (message["product_id"], message["trade_id"]): (Decimal(message["best_bid"]), Decimal(message["best_ask"]))
        for message in messages
        if message["type"] == "ticker"
    }
    nearer_own = []
    for k in range(len(batch)):
        symbol = batch.instruments[batch.instrument[k]].symbol
        if (symbol, int(batch.trade_id[k])) in quotes:
            bid, ask = quotes[symbol, int(batch.trade_id[k])]
            price = Decimal(int(batch.price[k])).scaleb(-8)
            nearer_ask = abs(ask - price) < abs(price - bid)
            nearer_own.append(nearer_ask == (batch.side[k] == Side.BUY))
    assert len(nearer_own) > 90
    assert sum(nearer_own) > 0.85 * len(nearer_own)


def test_each_heartbeat_names_the_last_trade_seen_or_one_that_comes_at_once(realdata: Path) -> None:
    out, messages = parse(realdata, CAPTURES[0])
    last: dict[str, int] = defaultdict(int)
    ahead = 0
    beats = iter(out.heartbeats)
    for message in messages:
        if message["type"] in ("match", "last_match"):
            last[str(message["product_id"])] = int(str(message["trade_id"]))
        elif message["type"] == "heartbeat":
            beat = next(beats)
            ahead += beat.last_trade_id != last[beat.symbol]
    assert next(beats, None) is None
    assert ahead == 0
