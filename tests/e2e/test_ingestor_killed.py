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
def test_what_a_killed_ingestor_missed_is_filled_and_nothing_is_stored_twice(
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
        made = platform.made()
        platform.finish()
        stored = platform.stored_trades(made)
        progress = platform.progress(made)
        gaps = platform.rows("SELECT venue || ':' || symbol, first_id, last_id, history, remaining FROM gaps")

        for key, figures in progress.items():
            # What came before the first trade that was published is known to nobody here.
            expected = {number for number in _numbers(made[key].ranges()) if number >= figures["first_id"]}
            ids = _ids_of(stored, key)
            assert sorted(ids) == sorted(expected), key
            assert (figures["missing"], figures["accepted"]) == (0, len(expected)), key
        assert progress.keys() == made.keys()
        # Binance sends no past on a new connection, so that its history is asked.
        assert sum(gap[3] for gap in gaps if gap[0] == "binance:BTC-USDT") > 0
        assert [gap for gap in gaps if gap[4]] == []
        for seconds in (1, 60):
            assert_same_rows(bars_of(stored, seconds), platform.stored_bars(made, seconds))


def _wait_for_more_trades(platform: Platform) -> None:
    def received() -> int:
        return sum(symbol["trades"] for symbol in platform.ingestor()["symbols"].values())

    before = received()
    wait_until(lambda: received() >= before + 300, seconds=60, what="trades received")


def _have_each_symbol_trade(platform: Platform) -> None:
    before = {key: max(last for _, last in ids.ranges()) for key, ids in platform.made().items()}
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
