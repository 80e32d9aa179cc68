"""What clients missed, out of the replay log. The log is written by hand: its numbers are the test's own."""

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from lambdas.broadcaster.heads import Heads
from lambdas.broadcaster.messages import ResetItem
from lambdas.broadcaster.replay_rows import Block, Checkpoint, Update, checkpoint_row, rows_of
from lambdas.websocket import replays as module
from lambdas.websocket.replays import Missed, Replays
from lambdas.websocket.requests import Position
from tests.memory_tables import Inline, MemoryTables

BTC, ETH = ("trades", "v:BTC-USD"), ("trades", "v:ETH-USD")


class Log:
    """A log with a row for each block, and who reads it."""

    def __init__(self) -> None:
        self.tables = MemoryTables({"replay": ("log", "counter")})
        self.replays = Replays(self.tables, "replay", pool=Inline())
        self.counter = 0
        self.asked: list[dict[str, Any]] = []
        query = self.tables.query

        def noted(**request: Any) -> Any:
            self.asked.append(request)
            return query(**request)

        self.tables.query = noted  # type: ignore[method-assign]

    def add(self, *updates: Update, source: int = 3) -> None:
        self.counter += 1
        self.put(rows_of(Block(source, self.counter, self.counter, 0, 0, updates), now=0))

    def check(self, *heads: tuple[tuple[str, str], int], source: int = 3, floor: int = 0) -> None:
        known = Heads(floor, floor)
        for key, number in heads:
            known.reach(key, number, now=0)
        self.put([checkpoint_row(source, Checkpoint(self.counter, self.counter + 1, known), now=0)])

    def put(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            self.tables.batch_write_item(RequestItems={"replay": [{"PutRequest": {"Item": row}}]})

    def since(self, *positions: tuple[tuple[str, str], int], source: int = 3) -> Missed:
        return self.replays.since(Position(*key, source, number) for key, number in positions)


def trade(key: tuple[str, str], number: int, *ids: int) -> Update:
    said = [(0, 50, (trade_id,), msgspec.Raw(b'{"id":%d}' % trade_id)) for trade_id in ids or (number,)]
    return Update(*key, number, number, said)


@pytest.fixture
def log() -> Log:
    return Log()


def told(missed: Missed) -> list[tuple[str, int, int, list[int]]]:
    return [
        (item.symbol, item.first, item.last, [msgspec.json.decode(data)["id"] for data in item.data])
        for item in missed.items
    ]


def test_everything_after_a_position_comes_as_one_update_and_nothing_of_other_keys(log: Log) -> None:
    log.check()
    for number in range(1, 6):
        log.add(trade(BTC, number), trade(ETH, number))
    missed = log.since((BTC, 2))
    assert told(missed) == [("v:BTC-USD", 3, 5, [3, 4, 5])]
    assert (missed.continued, missed.void) == (1, [])


def test_who_is_up_to_date_gets_nothing_and_is_continued(log: Log) -> None:
    log.add(trade(BTC, 1))
    log.check((BTC, 1))
    log.add(trade(ETH, 1))
    missed = log.since((BTC, 1), (ETH, 1))
    assert (missed.items, missed.continued, missed.void) == ([], 2, [])


def test_a_quiet_key_needs_no_look_behind_the_checkpoint(log: Log) -> None:
    for number in range(1, 400):
        log.add(trade(BTC, number))
    log.check((BTC, 399), (ETH, 7))
    log.add(trade(BTC, 400))
    assert log.since((ETH, 7)).continued == 1
    assert len(log.asked) == 1


def test_what_is_older_than_the_log_is_expired(log: Log) -> None:
    log.add(trade(BTC, 8))
    log.check((BTC, 8))
    log.add(trade(BTC, 9))
    assert log.since((BTC, 6)).void == [ResetItem(*BTC, 3, "expired")]
    assert told(log.since((BTC, 7))) == [("v:BTC-USD", 8, 9, [8, 9])]


def test_a_number_that_nobody_gave_is_unknown(log: Log) -> None:
    log.check((BTC, 8))
    log.add(trade(BTC, 9))
    assert log.since((BTC, 10)).void == [ResetItem(*BTC, 3, "unknown")]
    assert log.since((ETH, 1)).void == [ResetItem(*ETH, 3, "unknown")]
    assert log.since((BTC, 1), source=4).void == [ResetItem(*BTC, 4, "unknown")]


def test_a_hole_in_the_log_is_unavailable_from_before_it_and_nothing_from_after_it(log: Log) -> None:
    log.check()
    for number in (1, 2, 5, 6):
        log.add(trade(BTC, number))
    assert log.since((BTC, 1)).void == [ResetItem(*BTC, 3, "unavailable")]
    assert told(log.since((BTC, 4))) == [("v:BTC-USD", 5, 6, [5, 6])]


def test_a_block_that_the_client_has_in_part_comes_whole(log: Log) -> None:
    log.check()
    log.add(Update(*BTC, 1, 4, trade(BTC, 1, 11, 12, 13, 14).values))
    assert told(log.since((BTC, 2))) == [("v:BTC-USD", 1, 4, [11, 12, 13, 14])]


def test_blocks_that_overlap_are_told_once(log: Log) -> None:
    log.check()
    log.add(Update(*BTC, 1, 3, trade(BTC, 1, 1, 2, 3).values))
    log.add(Update(*BTC, 2, 4, trade(BTC, 2, 2, 3, 4).values))
    assert told(log.since((BTC, 0))) == [("v:BTC-USD", 1, 4, [1, 2, 3, 4])]


def test_of_many_trades_the_newest_are_told(log: Log) -> None:
    log.check()
    for number in range(1, 101):
        log.add(trade(BTC, number))
    assert told(log.since((BTC, 10))) == [("v:BTC-USD", 11, 100, list(range(51, 101)))]


def test_positions_of_one_source_share_a_scan_and_sources_have_their_own(log: Log) -> None:
    for source in (3, 4):
        log.check(source=source)
    log.add(trade(BTC, 1), trade(ETH, 1))
    log.add(trade(BTC, 1), source=4)
    missed = log.replays.since([Position(*BTC, 3, 0), Position(*ETH, 3, 0), Position(*BTC, 4, 0)])
    assert [(item.source, item.symbol) for item in missed.items] == [
        (3, "v:BTC-USD"),
        (3, "v:ETH-USD"),
        (4, "v:BTC-USD"),
    ]
    assert len(log.asked) == 2


def test_reading_stops_where_all_is_there(log: Log) -> None:
    log.check()
    for number in range(1, 1_001):
        log.add(trade(BTC, number))
    log.check((BTC, 1_000))
    assert told(log.since((BTC, 998))) == [("v:BTC-USD", 999, 1_000, [999, 1_000])]
    assert len(log.asked) == 1


def test_no_more_is_read_than_the_limits_allow(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 300)
    log.check()
    for number in range(1, 1_001):
        log.add(trade(BTC, number))
    log.check((BTC, 1_000))
    assert log.since((BTC, 0)).void == [ResetItem(*BTC, 3, "expired")]
    # 50 rows, then pages of 200 until the limit is passed.
    assert len(log.asked) == 3
    monkeypatch.setattr(module, "MAX_BYTES", 2_000)
    log.asked.clear()
    assert log.since((BTC, 0)).void == [ResetItem(*BTC, 3, "expired")]
    assert len(log.asked) == 1


def test_a_row_that_cannot_be_read_is_a_hole(log: Log) -> None:
    log.check()
    for number in range(1, 4):
        log.add(trade(BTC, number))
    (row,) = [row for row in log.tables.rows("replay") if row["counter"]["N"] == "2"]
    for damaged in (b"garbage", zlib.compress(b"[1]"), zlib.compress(b"[0,0,[]]")[:-6]):
        row["data"]["B"] = damaged
        assert log.since((BTC, 0)).void == [ResetItem(*BTC, 3, "unavailable")]
