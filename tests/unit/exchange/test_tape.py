"""The record of every trade made: order, what is kept, what is told."""

import json
import random

import pytest

from local.exchange.recorded_tape import RecordedTapes
from local.exchange.simulator import Simulator
from local.exchange.tape import Tape, TapeRow, Tapes
from tickwire.columns import Side

SECOND = 1_000_000_000


def row(number: int, time: int) -> TapeRow:
    return TapeRow(number, 100 + number, 5, Side.BUY, time)


def tape_of(*rows: TapeRow, capacity: int = 1000) -> Tape:
    tape = Tape(price_places=2, size_places=8, capacity=capacity)
    for one in rows:
        tape.add(one)
    return tape


def ids(rows: object) -> list[int]:
    return [one.trade_id for one in rows]  # type: ignore[attr-defined]


def test_rows_come_by_id_from_both_ends() -> None:
    tape = tape_of(*(row(number, number) for number in (3, 4, 6, 7)))

    assert ids(tape.from_id(4, 2)) == [4, 6]
    assert ids(tape.from_id(8, 2)) == []
    assert ids(tape.newest(2)) == [7, 6]
    assert ids(tape.newest(5, below=6)) == [4, 3]
    assert ids(tape.newest(5, above=4)) == [7, 6]
    assert ids(tape.newest(5, below=3)) == []


def test_an_id_counts_once_and_a_late_one_takes_its_place() -> None:
    tape = tape_of(row(5, 50), row(7, 70), row(5, 99), row(6, 60))

    assert [(one.trade_id, one.time) for one in tape.from_id(0, 9)] == [(5, 50), (6, 60), (7, 70)]
    assert list(tape.made.ranges()) == [(5, 7)]


def test_rows_come_by_time_and_then_by_id_where_a_clock_jumped() -> None:
    tape = tape_of(row(1, 10), row(2, 90), row(3, 90), row(4, 20), row(5, 21))

    assert ids(tape.between(0, 100)) == [1, 4, 5, 2, 3]
    assert ids(tape.between(20, 90)) == [4, 5]
    assert list(tape.raw_between(20, 91)) == [(104, 5, 1, 20), (105, 5, 1, 21), (102, 5, 1, 90), (103, 5, 1, 90)]
    assert tape.oldest_time == 10
    before = tape.last_before(90)
    assert before is not None
    assert before.trade_id == 5


def test_no_more_than_the_capacity_and_an_eighth_is_kept() -> None:
    tape = tape_of(capacity=80)
    for number in range(1, 1001):
        tape.add(row(number, number))
        assert len(tape) <= 90

    assert tape[len(tape) - 1].trade_id == 1000
    assert tape.was_cut
    assert list(tape.made.ranges()) == [(1, 1000)]


def test_a_trade_older_than_those_kept_is_made_but_not_kept() -> None:
    tape = tape_of(*(row(number, number) for number in range(100, 200)), capacity=50)
    oldest = tape[0].trade_id
    tape.add(row(7, 7))

    assert tape[0].trade_id == oldest
    assert 7 in tape.made


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_arrival_gives_the_same_tape(seed: int) -> None:
    rows = [row(number, number // 3) for number in range(50)]
    shuffled = random.Random(seed).sample(rows, len(rows))

    assert tape_of(*shuffled).from_id(0, 99) == rows
    assert list(tape_of(*shuffled).between(0, 99)) == rows


def test_the_simulated_markets_tapes_hold_each_execution() -> None:
    simulator, tapes = Simulator(4, rate=200), Tapes()
    made: dict[str, list[int]] = {}
    for event in simulator.step(simulator.time + 5 * SECOND):
        if hasattr(event, "fills"):
            tapes.record(event)
            made.setdefault(event.market.key, []).extend(fill.trade_id for fill in event.fills)

    assert made
    assert {key: ids(tape.from_id(0, 10**6)) for key, tape in tapes.items().items()} == made


def test_played_frames_become_rows_when_asked_for() -> None:
    tapes = RecordedTapes()
    trade = {"e": "trade", "E": 1783465157897, "s": "BTCUSDT", "t": 7, "p": "63551.02000000", "q": "0.00317000"}
    frame = {"stream": "btcusdt@trade", "data": {**trade, "T": 1783465157897, "m": True, "M": True}}
    tapes.played("binance", json.dumps(frame).encode())

    tape = tapes.get("binance", "BTC-USDT")
    assert tape is not None
    assert tape.from_id(0, 9) == [TapeRow(7, 6_355_102_000_000, 317_000, Side.SELL, 1_783_465_157_897_000_000)]
    assert (tape.price_places, tape.size_places) == (8, 8)
