"""Through the whole platform, from socket to stores: captures, garbage, and a validator that is killed."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from .captures import capture_trades
from .conftest import StartPlatform, replay
from .kills import kill_in_batches
from .markets import Market, Trade, kraken_checksum, rows_of, trading
from .platform import Platform, assert_stored, keys_of, wait_until
from .scripted_exchange import ScriptedExchange

DAY = 86_400_000


@pytest.fixture(scope="module")
def platform(start_platform: StartPlatform, captures: list[Path]) -> Iterator[Platform]:
    """One stack for all tests of this module; each has symbols of its own."""
    with start_platform(replay(captures, speed="max")) as started:
        started.stack.wait_for_exchange(seconds=90)
        started.tell_truth()
        started.finish()
        yield started


@pytest.fixture
def exchange() -> Iterator[ScriptedExchange]:
    with ScriptedExchange() as started:
        yield started


def test_every_trade_of_the_captures_is_stored_exactly_once_and_in_its_bars(
    platform: Platform, captures: list[Path]
) -> None:
    trades = capture_trades(captures)
    assert trades.groupby(["venue", "symbol"]).size().to_dict() == {
        ("binance", "BTC-USDT"): 9757,
        ("binance", "ETH-USDT"): 6106,
        ("coinbase", "BTC-USD"): 158,
        ("coinbase", "ETH-USD"): 41,
        ("kraken", "BTC-USD"): 10,
        ("kraken", "ETH-USD"): 3,
    }

    summary = platform.books()

    assert summary["problems"] == []
    assert summary["trades"]["missing"] == summary["trades"]["unaccounted"] == summary["trades"]["stored_twice"] == 0
    assert summary["trades"]["made"] == summary["trades"]["stored"] == len(trades)
    assert_stored(platform, trades)
    progress = platform.progress(keys_of(trades))
    assert {key: (p["first_id"], p["last_id"], p["accepted"], p["missing"]) for key, p in progress.items()} == {
        f"{venue}:{symbol}": (ids.min(), ids.max(), len(ids), 0)
        for (venue, symbol), ids in trades.groupby(["venue", "symbol"])["trade_id"]
    }


def test_garbage_ends_in_a_dead_letter_with_its_reason_and_the_good_trades_are_stored(
    platform: Platform, exchange: ScriptedExchange
) -> None:
    platform.ingest(
        [
            {"feed": "binance-us", "symbols": ["LTC-USDT"], "url": exchange.url("binance-us")},
            {"feed": "kraken", "symbols": ["MINA-GBP"], "url": exchange.url("kraken")},
        ]
    )
    wait_until(lambda: exchange.listeners("binance-us") and exchange.listeners("kraken"), seconds=30, what="connected")
    good = Market("binance-us", "LTC-USDT", seed=1).trade(40)
    bad_price, bad_size, bad_time = _broken(good[-1], ids=(1040, 1041, 1042))
    after = Market("binance-us", "LTC-USDT", seed=2, first_id=1043).trade(20)
    swapped = [*good[20:26], good[28], good[27], good[26], *good[29:]]
    unreadable = {
        '{"stream":"ltcusdt@trade","data":{"e":"trade","E":17': "not_json",
        '["\\u2603 no object", 1]': "not_an_object",
        good[0].frame.replace('"p":', '"price":'): "missing_field",
        good[0].frame.replace('"t":1000', '"t":"1000"'): "wrong_type",
        good[0].frame.replace(good[0].size, "1,5"): "bad_number",
        good[0].frame.replace(f'"T":{good[0].time}', '"T":7'): "bad_time",
        good[0].frame.replace("LTCUSDT", "LTC???"): "unknown_symbol",
    }
    frames = [
        *(trade.frame for trade in good[:20]),
        *(trade.frame for trade in (good[3], good[7], good[7])),
        *(trade.frame for trade in swapped),
        *(trade.frame for trade in (bad_price, bad_size, bad_time)),
        '{"stream":"ltcusdt@somethingNew","data":{"e":"somethingNew","s":"LTCUSDT"}}',
        *unreadable,
        *(trade.frame for trade in after),
    ]
    book, wrong_book, trade_after_it = _kraken_frames()

    exchange.send("binance-us", frames)
    exchange.send("kraken", [book, wrong_book, trade_after_it])
    wait_until(
        lambda: (
            platform.ingestor()["feeds"]["binance-us"]["frames"] == len(frames)
            and platform.ingestor()["feeds"]["kraken"]["trades"] == 1
        ),
        seconds=30,
        what="every frame read",
    )
    counts = platform.ingestor()["feeds"]
    summary = platform.finish()

    assert summary["problems"] == []
    stored = rows_of([*good, *after])
    price, size = Decimal("0.4381"), Decimal("12.5")
    stored.loc[len(stored)] = ("kraken", "MINA-GBP", 77, price, size, "sell", 1783465157897 * 10**6)
    assert_stored(platform, stored)
    assert counts["binance-us"]["ignored"] == {"somethingNew": 1}
    assert counts["binance-us"]["rejects"] == dict.fromkeys(unreadable.values(), 1)
    assert counts["kraken"]["rejects"] == {"checksum": 1}
    assert counts["kraken"]["checksum_failures"] == 1
    letters = platform.rows(
        "SELECT reason, body FROM dead_letters WHERE kind = 'frame' AND venue IN ('binance-us', 'kraken')"
    )
    assert sorted((reason, base64.b64decode(json.loads(body)["frame"]).decode()) for reason, body in letters) == sorted(
        [*((reason, frame) for frame, reason in unreadable.items()), ("checksum", wrong_book)]
    )
    rows = platform.rows(
        "SELECT reason, fields->'row' FROM dead_letters WHERE kind = 'trade' AND venue = 'binance-us'"
        " AND symbol = 'LTC-USDT'"
    )
    assert {
        reason: (row["trade_id"], row["price"].rstrip("0"), row["size"].rstrip("0"), row["exchange_time"] // 10**6)
        for reason, row in rows
    } == {
        "price": (1040, "0.", bad_price.size.rstrip("0"), bad_price.time),
        "size": (1041, bad_size.price.rstrip("0"), "-0.5", bad_size.time),
        "time": (1042, bad_time.price.rstrip("0"), bad_time.size.rstrip("0"), bad_time.time),
    }
    assert len(rows) == 3
    progress = platform.progress(["binance-us:LTC-USDT"])["binance-us:LTC-USDT"]
    assert progress == {
        "first_id": 1000,
        "last_id": 1062,
        "accepted": 60,
        "duplicates": 3,
        "quarantined": 3,
        "quarantined_ids": 3,
        "missing": 0,
        "missing_ranges": [],
    }


def _broken(trade: Trade, *, ids: tuple[int, int, int]) -> list[Trade]:
    faults = ({"price": "0.00000000"}, {"size": "-0.50000000"}, {"time": trade.time + 2 * DAY})
    return [replace(trade, trade_id=trade_id, **fault) for trade_id, fault in zip(ids, faults, strict=True)]


def _kraken_frames() -> list[str]:
    bids, asks = [("0.4380", "100.00000000")], [("0.4382", "0.50000000")]
    book = {"symbol": "MINA/GBP", "bids": [], "asks": [], "timestamp": "2026-07-07T22:59:17.000000Z"}

    def frame(kind: str, bids: list[tuple[str, str]], asks: list[tuple[str, str]], checksum: int) -> str:
        levels = [
            "[" + ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in side) + "]" for side in (bids, asks)
        ]
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{book["symbol"]}","bids":{levels[0]},'
            f'"asks":{levels[1]},"checksum":{checksum},"timestamp":"{book["timestamp"]}"}}]}}'
        )

    trade = (
        '{"channel":"trade","type":"update","data":[{"symbol":"MINA/GBP","side":"sell","price":0.4381,"qty":12.50000000,'
        '"ord_type":"limit","trade_id":77,"timestamp":"2026-07-07T22:59:17.897000Z"}]}'
    )
    good = frame("snapshot", bids, asks, kraken_checksum(bids, asks))
    # One bit of the checksum is flipped on the way.
    more = ("0.4379", "5.00000000")
    damaged = frame("update", [more], [], kraken_checksum([*bids, more], asks) ^ 1)
    return [good, damaged, trade]


def test_a_validator_killed_in_the_middle_of_batches_changes_nothing(
    platform: Platform, exchange: ScriptedExchange
) -> None:
    symbols = ["SOL-USDT", "AVAX-USDT", "DOT-USDT", "UNI-USDT"]
    platform.ingest([{"feed": "binance-us", "symbols": symbols, "url": exchange.url("binance-us")}])
    wait_until(lambda: exchange.listeners("binance-us"), seconds=30, what="connected")
    markets = [Market("binance-us", symbol, seed=3) for symbol in symbols]

    with trading(exchange, "binance-us", markets):
        kill_in_batches(platform, "validator", times=6, seed=4)
    summary = platform.finish()

    assert summary["problems"] == []
    trades = rows_of(trade for market in markets for trade in market.trades)
    assert len(trades) > 1_000
    assert_stored(platform, trades)
    assert summary["functions"]["validator"]["given_up"] == 0
