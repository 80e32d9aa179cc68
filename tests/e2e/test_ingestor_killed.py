"""The ingestor killed with SIGKILL in the middle of a market, and started again."""

import os
import random
import signal
import time

import pytest

from local.stack import Source

from .captures import bars_of
from .conftest import StartPlatform
from .platform import Platform, assert_same_rows, wait_until


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_killed_ingestor_missed_is_named_or_healed_and_nothing_is_stored_twice(
    start_platform: StartPlatform,
) -> None:
    moments = random.Random(5)
    market = Source("simulated market", ("--source", "simulator", "--seed", "7", "--rate", "200"))
    with start_platform(market) as platform:
        for _ in range(3):
            _wait_for_more_trades(platform)
            # No synchronisation: the moments of the crash and of the restart are what is random here.
            time.sleep(moments.uniform(0, 1))
            os.kill(platform.stack.ingestor.pid, signal.SIGKILL)
            time.sleep(moments.uniform(0.5, 1.5))
            platform.stack.start_ingestor()
        # A lost trade shows by the next one of its symbol, so that each has to go on.
        _have_each_symbol_trade(platform)
        platform.stop_exchange()
        announced = platform.announcements()
        summary = platform.finish()
        stored = platform.stored_trades(announced)
        progress = platform.progress(announced)
        gaps = platform.rows("SELECT venue || ':' || symbol, first_id, last_id FROM gaps")

        assert summary["trades"]["stored_twice"] == 0
        for key, figures in progress.items():
            ids = _ids_of(stored, key)
            missing = _numbers(figures["missing_ranges"])
            assert len(set(ids)) == len(ids) == figures["accepted"], key
            # Every id from the first to the last is stored or named as missing, and none is both.
            assert sorted([*ids, *missing]) == list(range(figures["first_id"], figures["last_id"] + 1)), key
            assert len(missing) == figures["missing"], key
            assert missing <= _numbers(gap[1:] for gap in gaps if gap[0] == key), key
            # What came before the first trade that was published is known to nobody here.
            told = {number for number in _numbers(announced[key]["ranges"]) if number >= figures["first_id"]}
            lost = told - {*ids, *missing}
            assert lost == set(), f"{key}: {figures}, announced {announced[key]}"
        assert progress.keys() == announced.keys()
        # Binance sends no past on a new connection; Kraken sends its last fifty trades.
        assert progress["binance:BTC-USDT"]["missing"] > 0
        assert progress["kraken:ETH-USD"]["missing"] == 0
        for seconds in (1, 60):
            assert_same_rows(bars_of(stored, seconds), platform.stored_bars(announced, seconds))


def _wait_for_more_trades(platform: Platform) -> None:
    def received() -> int:
        return sum(symbol["trades"] for symbol in platform.ingestor()["symbols"].values())

    before = received()
    wait_until(lambda: received() >= before + 300, seconds=60, what="trades received")


def _have_each_symbol_trade(platform: Platform) -> None:
    before = {key: told["ranges"][-1][1] for key, told in platform.announcements().items()}
    for key in before:
        platform.burst(key, trades=10)

    def each_has_gone_on() -> bool:
        symbols = platform.ingestor()["symbols"]
        return all(key in symbols and symbols[key]["last_id"] > last for key, last in before.items())

    wait_until(each_has_gone_on, seconds=60, what="later trades of every symbol")


def _ids_of(stored: object, key: str) -> list[int]:
    venue, _, symbol = key.partition(":")
    return stored[(stored["venue"] == venue) & (stored["symbol"] == symbol)]["trade_id"].tolist()


def _numbers(ranges: object) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}
