"""Through the whole platform, from socket to stores: captures, garbage, and a validator that is killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .captures import capture_trades
from .conftest import StartPlatform, replay
from .platform import Platform, assert_stored, keys_of


@pytest.fixture(scope="module")
def platform(start_platform: StartPlatform, captures: list[Path]) -> Iterator[Platform]:
    """One stack for all tests of this module; each has symbols of its own."""
    with start_platform(replay(captures, speed="max")) as started:
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

    platform.stack.wait_for_exchange(seconds=60)
    platform.announced = platform.announcements()
    summary = platform.finish()

    assert summary["problems"] == []
    assert summary["trades"]["missing"] == summary["trades"]["unaccounted"] == summary["trades"]["stored_twice"] == 0
    assert summary["trades"]["announced"] == summary["trades"]["stored"] == len(trades)
    assert_stored(platform, trades)
    progress = platform.progress(keys_of(trades))
    assert {key: (p["first_id"], p["last_id"], p["accepted"], p["missing"]) for key, p in progress.items()} == {
        f"{venue}:{symbol}": (ids.min(), ids.max(), len(ids), 0)
        for (venue, symbol), ids in trades.groupby(["venue", "symbol"])["trade_id"]
    }
