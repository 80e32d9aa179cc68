"""The broadcaster as clients meet it: what they hear, and what is stored for who comes later."""

import json
from base64 import b64encode
from concurrent.futures import Executor
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ReadTimeoutError

from lambdas.broadcaster.broadcast import Broadcast, BroadcastCounts
from lambdas.broadcaster.last_values_table import LastValuesTable
from lambdas.broadcaster.outbox import DELIVERY_SECONDS, Outbox
from lambdas.broadcaster.pacing import Pacing
from lambdas.broadcaster.replay_log import ReplayLog
from lambdas.broadcaster.screens import AtOnce, Pace, Screens
from lambdas.broadcaster.subscribers import Subscribers
from lambdas.identity.user import Role, User
from lambdas.websocket.connections import Connections
from lambdas.websocket.snapshots import Snapshots
from tests.protocol import check_answer
from tickwire.columns import Side, TradeBatch, TradeFlag, TradeRows
from tickwire.conclusions import Outcome, Prediction, Sentiment, Whale
from tickwire.envelope import encode
from tickwire.records import (
    LAKE_REVISION,
    MAX_GAPS,
    MAX_HOURS,
    Bar,
    Continuity,
    Gap,
    GapState,
    Header,
    HourState,
    Record,
    RecordKind,
)
from tickwire.symbols import Instrument

BTC = Instrument("binance", "BTC-USDT", 8, 8)
SYMBOL = "binance:BTC-USDT"
SECOND = 1_000_000_000


class World:
    """The broadcaster with its tables, its clients and its clock."""

    def __init__(self, dynamodb: Any, pool: Executor, posts: Any) -> None:
        self.now = 1_700_000_000.0
        self.dynamodb, self.pool, self.posts = dynamodb, pool, posts
        self.connections = Connections(
            dynamodb, connections_table="connections", subscriptions_table="subscriptions", pool=pool
        )
        self.pace: Pace = AtOnce()
        self.slept: list[float] = []
        self.broadcast = self.new_process()

    def new_process(self) -> Broadcast:
        subscribers = Subscribers(self.dynamodb, "subscriptions", pool=self.pool, clock=lambda: self.now)
        outbox = Outbox(self.posts, subscribers, self.connections, pacing=Pacing(10_000), clock=lambda: self.now)
        screens = Screens(
            subscribers,
            outbox,
            pace=self.pace,
            clock=lambda: int(self.now * SECOND),
            monotonic=lambda: self.now,
            sleep=self.sleep,
        )
        return Broadcast(
            screens,
            ReplayLog(self.dynamodb, "replay", pool=self.pool, clock=lambda: self.now),
            LastValuesTable(self.dynamodb, "last-values", pool=self.pool, clock=lambda: self.now),
            clock=lambda: int(self.now * SECOND),
            monotonic=lambda: self.now,
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def subscribe(self, connection_id: str, *keys: str) -> None:
        self.connections.admit(connection_id, User("5d1c2c0e", (Role.VIEWER,), 4_000_000_000))
        self.connections.reserve(connection_id, keys)
        self.connections.listen(connection_id, keys)

    def run(self, *records: Record, process: Broadcast | None = None) -> BroadcastCounts:
        return (process or self.broadcast).run({"Records": [kinesis(encode(record), record) for record in records]})

    def heard(self, connection_id: str) -> list[dict[str, Any]]:
        """Give the messages since the last time of asking."""
        heard = [json.loads(message) for message in self.posts.posted.pop(connection_id, [])]
        for message in heard:
            check_answer(message)
        return heard

    def items(self, connection_id: str) -> dict[tuple[str, str], list[Any]]:
        """Give the data heard since the last time of asking, by topic and symbol."""
        found: dict[tuple[str, str], list[Any]] = {}
        for message in self.heard(connection_id):
            for item in message["items"]:
                found.setdefault((item["topic"], item["symbol"]), []).extend(item["data"])
        return found

    def snapshot(self, *keys: str) -> dict[tuple[str, str], list[Any]]:
        items = Snapshots(self.dynamodb, "last-values", pool=self.pool).read(keys)
        return {(item.topic, item.symbol): [json.loads(data) for data in item.data] for item in items}


@pytest.fixture
def world(dynamodb: Any, pool: Executor, posts: Any) -> World:
    return World(dynamodb, pool, posts)


def kinesis(data: bytes, record: Record) -> dict[str, Any]:
    return {
        "kinesis": {
            "partitionKey": str(record.header.partition),
            "sequenceNumber": str(record.header.counter),
            "data": b64encode(data).decode(),
            "approximateArrivalTimestamp": 1_699_999_999.5,
        }
    }


def record(counter: int, *, partition: int = 0, hops: tuple[tuple[str, int], ...] = (), **sections: Any) -> Record:
    return Record(header=Header(RecordKind.EVENTS, partition, counter, hops=hops), **sections)


def bar(start: int, revision: int, *, final: bool = False, symbol: str = "BTC-USDT") -> Bar:
    return Bar(
        venue="binance",
        symbol=symbol,
        interval=60,
        start=start * SECOND,
        price_scale=8,
        size_scale=8,
        open=1,
        high=1,
        low=1,
        close=1,
        volume=1,
        buy_volume=1,
        notional=Decimal("1e-16"),
        trades=1,
        first_id=1,
        last_id=1,
        revision=revision,
        final=final,
        latest_receive=0,
    )


def trades(*ids: int, receive: int = 0, flags: int = 0) -> TradeBatch:
    rows = TradeRows()
    for trade_id in ids:
        values = {"price": 1, "size": 1, "side": Side.BUY, "exchange_time": 0, "receive_time": receive}
        rows.append(BTC, trade_id=trade_id, flags=flags, **values)
    return rows.batch()


def revisions(data: list[Any]) -> list[tuple[int, int]]:
    return [(one["start"], one["revision"]) for one in data]


def test_all_of_an_invocation_reaches_a_client_in_one_message_with_only_the_latest_revisions(world: World) -> None:
    world.subscribe("c1", "bars.1m#*", f"trades#{SYMBOL}")
    counts = world.run(
        record(1, bars=(bar(60, 1),), trades=trades(1, 2)),
        record(2, bars=(bar(60, 2),), trades=trades(3)),
        record(1, partition=5, bars=(bar(60, 4, symbol="ETH-USDT"),)),
    )
    (message,) = world.posts.posted["c1"]
    assert json.loads(message)["sent"] == 1_700_000_000 * SECOND
    assert (counts.records, counts.messages) == (3, 1)
    found = world.items("c1")
    assert revisions(found["bars.1m", SYMBOL]) == [(60_000, 2)]
    assert revisions(found["bars.1m", "binance:ETH-USDT"]) == [(60_000, 4)]
    assert [trade["id"] for trade in found["trades", SYMBOL]] == [1, 2, 3]


def test_a_client_hears_only_what_it_asked_for(world: World) -> None:
    world.subscribe("c1", "bars.1m#binance:ETH-USDT")
    world.subscribe("c2", "trades#*")
    world.run(record(1, bars=(bar(60, 1),), trades=trades(1)))
    assert world.heard("c1") == []
    assert list(world.items("c2")) == [("trades", SYMBOL)]


def test_a_repeated_record_is_not_sent_again(world: World) -> None:
    world.subscribe("c1", "trades#*")
    first, second = record(1, trades=trades(1)), record(2, trades=trades(2))
    world.run(first, second)
    world.heard("c1")
    counts = world.run(first, second, record(3, trades=trades(3)))
    assert counts.repeats == 2
    assert [trade["id"] for trade in world.items("c1")["trades", SYMBOL]] == [3]


def test_a_gone_client_is_removed_with_its_subscriptions_and_the_others_are_served(world: World) -> None:
    world.subscribe("c1", "trades#*", "quotes#*")
    world.subscribe("c2", "trades#*")
    world.posts.fail["c1"] = [410]
    counts = world.run(record(1, trades=trades(1)))
    assert (counts.messages, counts.gone, counts.dropped) == (1, 1, 0)
    rows = world.dynamodb.scan(TableName="subscriptions")["Items"]
    assert [row["connection_id"]["S"] for row in rows if row["topic"]["S"] != "#changes"] == ["c2"]
    assert [row["connection_id"]["S"] for row in world.dynamodb.scan(TableName="connections")["Items"]] == ["c2"]
    assert world.run(record(2, trades=trades(2))).gone == 0


def test_a_post_that_fails_is_tried_once_more(world: World) -> None:
    world.subscribe("c1", "trades#*")
    world.posts.fail["c1"] = [429]
    counts = world.run(record(1, trades=trades(1)))
    assert (counts.messages, counts.dropped) == (1, 0)


@pytest.mark.parametrize("plan", [[429, 429], [500, 500], [0]])
def test_a_post_that_fails_for_good_is_dropped_and_counted(world: World, plan: list[int | None]) -> None:
    world.subscribe("c1", "trades#*")
    world.posts.fail["c1"] = plan
    counts = world.run(record(1, trades=trades(1)))
    assert (counts.messages, counts.dropped, counts.gone) == (0, 1, 0)
    assert world.run(record(2, trades=trades(2))).messages == 1


def test_messages_that_could_not_be_begun_in_time_are_dropped(world: World) -> None:
    for n in range(8):
        world.subscribe(f"c{n}", "trades#*")
    post = world.posts.post_to_connection

    def slow(**request: Any) -> None:
        world.now += DELIVERY_SECONDS / 2 + 0.1
        post(**request)

    world.posts.post_to_connection = slow
    counts = world.run(record(1, trades=trades(1)))
    assert counts.messages + counts.dropped == 8
    assert 2 <= counts.messages <= 5


def test_who_subscribes_later_is_caught_up_with_what_its_snapshot_may_have_missed(world: World) -> None:
    world.subscribe("c1", "bars.1m#*")
    world.run(record(1, bars=(bar(60, 1),)))
    world.subscribe("c2", "bars.1m#*")
    world.now += 0.2
    # The broadcaster does not know c2 yet; c2's snapshot was read before this bar was final.
    world.run(record(2, bars=(bar(60, 2, final=True),)))
    assert world.heard("c2") == []
    world.now += 0.4
    world.run(record(3, trades=trades(1)))
    assert revisions(world.items("c2")["bars.1m", SYMBOL]) == [(60_000, 2)]
    world.heard("c1")
    world.run(record(4, bars=(bar(120, 1),)))
    assert revisions(world.items("c1")["bars.1m", SYMBOL]) == [(120_000, 1)]
    assert revisions(world.items("c2")["bars.1m", SYMBOL]) == [(120_000, 1)]


def test_what_was_broadcast_is_in_the_next_snapshot(world: World) -> None:
    world.run(
        record(
            1,
            bars=(bar(60, 9, final=True), bar(120, 1)),
            trades=trades(1, 2),
            gaps=(Gap("binance", "BTC-USDT", 3, 4, "id_jump", 5),),
        )
    )
    found = world.snapshot("bars.1m#*", "trades#*", "health#*")
    assert revisions(found["bars.1m", SYMBOL]) == [(60_000, 9), (120_000, 1)]
    assert [trade["id"] for trade in found["trades", SYMBOL]] == [1, 2]
    assert found["health", SYMBOL] == [
        {
            "kind": "gap",
            "venue": "binance",
            "symbol": "BTC-USDT",
            "first": 3,
            "last": 4,
            "cause": "id_jump",
            "noticed": 5,
            "after_time": 0,
            "before_time": 0,
        }
    ]


def test_an_amended_bar_is_told_as_such_and_stays_in_the_snapshot(world: World) -> None:
    world.subscribe("c1", "bars.1m#*")
    world.run(record(1, bars=(bar(60, 9, final=True), bar(120, 4, final=True), bar(180, 1))))
    assert [one["amended"] for one in world.items("c1")["bars.1m", SYMBOL]] == [False, False, False]
    world.now += 2
    world.run(record(2, bars=(bar(60, LAKE_REVISION + 5, final=True),)))
    (amended,) = world.items("c1")["bars.1m", SYMBOL]
    assert (amended["start"], amended["amended"]) == (60_000, True)
    stored = world.snapshot("bars.1m#*")["bars.1m", SYMBOL]
    assert [(one["start"], one["amended"]) for one in stored] == [(60_000, True), (120_000, False), (180_000, False)]


def test_the_last_continuity_of_a_symbol_is_sent_and_stored_and_takes_little_room_at_its_largest(world: World) -> None:
    world.subscribe("c1", "health#*")
    large = 2**53
    hours = tuple(HourState(large * 100, large, large, large, large) for _ in range(MAX_HOURS))
    gap = GapState(large, large, "heartbeat", *[large * 100] * 3, *[large] * 5, large * 100)
    whole = Continuity("binance", "BTC-USDT", 7, hours, (gap,) * MAX_GAPS)
    world.run(record(1, continuity=(msgspec.structs.replace(whole, time=6, gaps=()),)), record(2, continuity=(whole,)))
    (sent,) = world.items("c1")["health", SYMBOL]
    (stored,) = world.snapshot("health#*")["health", SYMBOL]
    assert sent == stored
    assert (sent["kind"], sent["time"], len(sent["hours"]), len(sent["gaps"])) == ("continuity", 7, MAX_HOURS, MAX_GAPS)
    # API Gateway takes 128 KiB a message, DynamoDB 400 KB an item.
    assert len(json.dumps(stored)) < 30_000


def test_a_process_that_takes_over_rolls_up_with_the_stored_minutes(world: World) -> None:
    world.subscribe("c1", "bars.5m#*", "bars.1h#*")
    world.run(record(1, bars=(bar(60, 2, final=True),)))
    world.run(record(2, bars=(bar(120, 1),)))
    world.heard("c1")
    world.now += 2
    world.run(record(3, bars=(bar(180, 1),)), process=world.new_process())
    found = world.items("c1")
    for topic in ("bars.5m", "bars.1h"):
        (data,) = found[topic, SYMBOL]
        assert (data["start"], data["trades"], data["revision"], data["final"]) == (0, 3, 4, False)


def test_minutes_that_cannot_be_read_hold_back_longer_bars_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.subscribe("c1", "bars.1m#*", "bars.1h#*")
    read = world.broadcast._table.read

    def away(places: object) -> object:
        raise ReadTimeoutError(endpoint_url="x")

    monkeypatch.setattr(world.broadcast._table, "read", away)
    world.run(record(1, bars=(bar(60, 1),)))
    assert world.items("c1").keys() >= {("bars.1m", SYMBOL)}
    monkeypatch.setattr(world.broadcast._table, "read", read)
    world.now += 1
    world.run(record(2, bars=(bar(120, 1),)))
    (data,) = world.items("c1")["bars.1h", SYMBOL]
    assert data["trades"] == 2


def test_every_stored_row_expires(world: World) -> None:
    world.run(record(1, bars=(bar(60, 9, final=True),), trades=trades(1)))
    rows = world.dynamodb.scan(TableName="last-values")["Items"]
    lives = {row["item"]["S"]: int(row["expires"]["N"]) - 1_700_000_000 for row in rows}
    assert lives == {
        f"bars.1m#{SYMBOL}": 2 * 86_400,
        f"bars.5m#{SYMBOL}": 7 * 86_400,
        f"bars.1h#{SYMBOL}": 35 * 86_400,
        **dict.fromkeys(("bars.1m#*", "bars.5m#*", "bars.1h#*"), 7 * 86_400),
        f"trades#{SYMBOL}": 7 * 86_400,
        "trades#*": 7 * 86_400,
    }


def test_a_new_process_continues_the_stored_lists(world: World) -> None:
    world.run(record(1, trades=trades(1, 2)))
    world.now += 2
    world.run(record(2, trades=trades(3)), process=world.new_process())
    assert [trade["id"] for trade in world.snapshot("trades#*")["trades", SYMBOL]] == [1, 2, 3]


def test_a_process_that_missed_records_does_not_put_back_what_it_remembered(world: World) -> None:
    first, second = world.broadcast, world.new_process()
    world.run(record(1, bars=(bar(60, 1),)), process=first)
    world.run(record(2, bars=(bar(60, 2),)), process=first)  # Waits in memory: stored once a second.
    world.run(record(3, bars=(bar(60, 3, final=True),)), process=second)
    world.now += 5
    world.run(record(4, trades=trades(1)), process=first)
    assert revisions(world.snapshot("bars.1m#*")["bars.1m", SYMBOL]) == [(60_000, 3)]


def test_a_symbol_that_moved_to_another_partition_is_stored_all_the_same(world: World) -> None:
    counts = world.run(record(9, bars=(bar(60, 1),)), record(1, partition=1, bars=(bar(60, 2),)))
    assert revisions(world.snapshot("bars.1m#*")["bars.1m", SYMBOL]) == [(60_000, 2)]
    # Of each partition a minute, and the five minutes and the hour of it.
    assert counts.rows_stored == 6


def test_an_unreadable_record_is_left_out_and_the_rest_is_sent(world: World) -> None:
    world.subscribe("c1", "trades#*")
    good = record(1, trades=trades(1))
    event = {"Records": [kinesis(b"garbage", good), kinesis(encode(good), good)]}
    counts = world.broadcast.run(event)
    assert (counts.damaged, counts.messages) == (1, 1)


def test_tables_that_are_away_do_not_stop_the_updates(world: World) -> None:
    world.subscribe("c1", "trades#*")
    world.run(record(1, trades=trades(1)))
    world.dynamodb.delete_table(TableName="last-values")
    world.dynamodb.delete_table(TableName="subscriptions")
    world.now += 2
    assert world.run(record(2, trades=trades(2))).messages == 1


def test_latency_by_stage_is_told_once_a_second_to_who_listens_to_all_health(world: World) -> None:
    world.subscribe("c1", "health#*")
    world.subscribe("c2", f"health#{SYMBOL}")
    start = 1_700_000_000 * SECOND
    millisecond = SECOND // 1000

    def arrived(counter: int, receive: int) -> Record:
        hops = (("ingestor", receive + 20 * millisecond), ("validator", receive + 50 * millisecond))
        return record(counter, trades=trades(counter, receive=receive), hops=hops)

    world.run(arrived(1, start - 100 * millisecond))
    assert world.items("c1")["health", "*"] == [
        {
            "kind": "latency",
            "stage": {"ingestor": 20.0, "validator": 30.0, "broadcaster": 50.0},
            "total": 100.0,
            "records": 1,
            "time": start,
        }
    ]
    assert world.heard("c2") == []
    world.now += 0.5
    world.run(arrived(2, start), arrived(3, start + 100 * millisecond))
    assert world.heard("c1") == []
    world.now += 0.5
    world.run(arrived(4, start + 900 * millisecond))
    (latency,) = world.items("c1")["health", "*"]
    # Three since the last report: 500, 400 and 100 ms in total.
    assert (latency["records"], latency["total"]) == (3, 400.0)


@pytest.mark.parametrize("flag", [TradeFlag.SNAPSHOT, TradeFlag.BACKFILL, TradeFlag.REDRIVEN])
def test_trades_that_came_late_to_begin_with_are_no_latency(world: World, flag: TradeFlag) -> None:
    world.subscribe("c1", "health#*")
    start = 1_700_000_000 * SECOND
    late = trades(1, receive=start - 60 * SECOND, flags=flag | TradeFlag.PRICE_ANOMALY)
    world.run(record(1, trades=late))
    assert world.heard("c1") == []
    both = TradeBatch.concat([trades(2, receive=start, flags=flag), trades(3, receive=start - SECOND)])
    world.run(record(2, trades=both))
    (latency,) = world.items("c1")["health", "*"]
    assert (latency["records"], latency["total"]) == (1, 1000.0)


def test_the_age_of_the_batch_is_measured(world: World) -> None:
    assert world.run(record(1, trades=trades(1))).iterator_age_ms == 500


def conclusions(counter: int, **sections: Any) -> Record:
    return Record(header=Header(RecordKind.EVENTS, 3, counter), **sections)


def test_whales_of_another_process_are_continued_and_a_grown_one_stays_in_its_place(world: World) -> None:
    def whale(first_id: int, trades: int = 1) -> Whale:
        started = first_id * SECOND
        return Whale(("binance",), "BTC-USDT", 1, started, started, trades, 9e5, 1.0, 8e5, first_id, first_id)

    world.run(conclusions(1, whales=tuple(whale(n) for n in range(1, 51))))
    world.now += 2
    world.run(conclusions(2, whales=(whale(51), whale(30, trades=3))), process=world.new_process())
    found = world.snapshot(f"whales#{SYMBOL}")["whales", SYMBOL]
    assert [one["first_id"] for one in found] == list(range(2, 52))
    assert [one["trades"] for one in found if one["first_id"] in (29, 30)] == [1, 3]


def test_a_prediction_and_the_outcomes_before_it_are_one_snapshot(world: World) -> None:
    minute = 60 * SECOND
    world.subscribe("c1", f"predictions#{SYMBOL}")
    for counter in (1, 2):
        prediction = Prediction("binance", "BTC-USDT", counter * minute, 900, 1.0, 0.5 + counter / 100)
        outcome = Outcome(
            "binance", "BTC-USDT", (counter - 15) * minute, 900, 0.5, "m", "1", "champion", 1.0, 2.0, True
        )
        world.run(conclusions(counter, predictions=(prediction,), outcomes=(outcome,)))
        world.now += 2
    heard = world.items("c1")["predictions", SYMBOL]
    assert [one["kind"] for one in heard] == ["prediction", "outcome"] * 2
    found = world.snapshot(f"predictions#{SYMBOL}")["predictions", SYMBOL]
    assert [(one["kind"], one["time"]) for one in found] == [
        ("outcome", -14 * 60_000),
        ("outcome", -13 * 60_000),
        ("prediction", 2 * 60_000),
    ]
    # A process that has not seen the outcomes yet reads them back before it adds to them.
    third = Outcome("binance", "BTC-USDT", -12 * minute, 900, 0.5, "m", "1", "champion", 1.0, 1.0, None)
    world.run(conclusions(3, outcomes=(third,)), process=world.new_process())
    found = world.snapshot(f"predictions#{SYMBOL}")["predictions", SYMBOL]
    assert [one["rose"] for one in found if one["kind"] == "outcome"] == [True, True, None]


def test_the_markets_mood_is_heard_by_its_name_and_by_all(world: World) -> None:
    world.subscribe("named", "sentiment#market:*")
    world.subscribe("all", "sentiment#*")
    world.run(conclusions(1, sentiment=(Sentiment(60 * SECOND, 62.0, 5, ()),)))
    mood = [{"time": 60_000, "index": 62.0, "symbols": 5, "parts": []}]
    assert world.items("named") == world.items("all") == {("sentiment", "market:*"): mood}
    assert world.snapshot("sentiment#*") == {("sentiment", "market:*"): mood}


def spans(messages: list[dict[str, Any]], topic: str = "trades") -> list[tuple[int, int, int]]:
    """Give (source, from, to) of a topic's items."""
    return [
        (item["source"], item["from"], item["to"])
        for message in messages
        for item in message["items"]
        if item["topic"] == topic
    ]


class Reluctant:
    """A pace that says no until it is told otherwise."""

    def __init__(self) -> None:
        self.ready = False
        self.asked: list[int] = []

    def due(self, now: float, posts: int) -> bool:
        self.asked.append(posts)
        return self.ready


def test_a_record_takes_one_number_of_every_key_that_it_speaks_of(world: World) -> None:
    world.subscribe("c1", "trades#*", "bars.1m#*")
    world.run(record(1, trades=trades(1, 2)), record(2, bars=(bar(60, 1),)), record(3, trades=trades(3)))
    first = world.heard("c1")
    assert spans(first) == [(0, 1, 2)]
    assert spans(first, "bars.1m") == [(0, 1, 1)]
    world.run(record(4, trades=trades(4)), record(1, partition=5, trades=trades(9)))
    assert sorted(spans(world.heard("c1"))) == [(0, 3, 3), (5, 1, 1)]


def test_latency_has_no_numbers(world: World) -> None:
    world.subscribe("c1", "health#*")
    world.run(record(1, trades=trades(1, receive=1_699_999_999 * SECOND), hops=(("ingestor", 1),)))
    ((item,),) = [message["items"] for message in world.heard("c1")]
    assert set(item) == {"topic", "symbol", "data"}


def test_what_is_not_due_waits_and_is_posted_as_one(world: World) -> None:
    world.pace = pace = Reluctant()
    world.broadcast = world.new_process()
    world.subscribe("c1", "trades#*", "bars.1m#*")
    world.subscribe("c2", "trades#*")
    for counter in range(1, 4):
        assert world.run(record(counter, bars=(bar(60, counter),), trades=trades(counter))).messages == 0
    assert pace.asked == [2, 2, 2]
    pace.ready = True
    assert world.run(record(4, trades=trades(4))).messages == 2
    heard = world.heard("c1")
    assert (spans(heard), spans(heard, "bars.1m")) == ([(0, 1, 4)], [(0, 1, 3)])
    data = {item["topic"]: item["data"] for message in heard for item in message["items"]}
    assert [one["id"] for one in data["trades"]] == [1, 2, 3, 4]
    assert revisions(data["bars.1m"]) == [(60_000, 3)]
    world.run(record(5, trades=trades(5)))
    assert spans(world.heard("c2")) == [(0, 1, 4), (0, 5, 5)]


def test_a_process_that_takes_a_partition_over_goes_on_where_the_numbers_were(world: World) -> None:
    world.subscribe("c1", "trades#*")
    world.run(record(1, trades=trades(1)), record(2, trades=trades(2)))
    world.run(record(3, trades=trades(3)))
    counts = world.run(record(4, trades=trades(4)), process=world.new_process())
    assert counts.jumps == 0
    assert spans(world.heard("c1")) == [(0, 1, 2), (0, 3, 3), (0, 4, 4)]
    # And back again.
    assert world.run(record(5, trades=trades(5))).jumps == 0
    assert spans(world.heard("c1")) == [(0, 5, 5)]


def test_a_process_that_knows_no_numbers_goes_on_above_all_that_were_given(world: World) -> None:
    world.subscribe("c1", "trades#*")
    world.run(*(record(counter, trades=trades(counter)) for counter in range(1, 4)))
    for row in world.dynamodb.scan(TableName="replay")["Items"]:
        world.dynamodb.delete_item(TableName="replay", Key={name: row[name] for name in ("log", "counter")})
    counts = world.run(record(9, trades=trades(9)), process=world.new_process())
    assert counts.jumps == 1
    assert spans(world.heard("c1")) == [(0, 1, 3), (0, 9, 9)]


def test_a_log_that_is_away_is_counted_and_does_not_stop_the_updates(world: World) -> None:
    world.subscribe("c1", "trades#*")
    world.run(record(1, trades=trades(1)))
    world.dynamodb.delete_table(TableName="replay")
    counts = world.run(record(2, trades=trades(2)), record(1, partition=7, trades=trades(5)))
    # Two blocks, and the new partition's checkpoint.
    assert (counts.not_logged, counts.messages) == (3, 1)
    assert sorted(spans(world.heard("c1"))) == [(0, 1, 1), (0, 2, 2), (7, 1, 1)]


def test_the_log_is_written_before_anything_is_posted(world: World) -> None:
    world.subscribe("c1", "trades#*")
    logged: list[int] = []
    post = world.posts.post_to_connection

    def look(**request: Any) -> None:
        logged.append(len(world.dynamodb.scan(TableName="replay")["Items"]))
        post(**request)

    world.posts.post_to_connection = look
    world.run(record(1, trades=trades(1)))
    assert logged == [2]


def test_a_newcomer_hears_all_of_the_last_seconds_with_its_numbers(world: World) -> None:
    world.subscribe("c1", "trades#*")
    world.run(record(1, trades=trades(1)))
    world.now += 3.5
    world.run(record(2, trades=trades(2)))
    world.subscribe("c2", "trades#*")
    world.now += 0.2
    world.run(record(3, trades=trades(3)))
    assert world.heard("c2") == []
    world.now += 0.4
    world.run(record(4, trades=trades(4)))
    heard = world.heard("c2")
    assert spans(heard) == [(0, 2, 4)]
    assert [one["id"] for one in heard[0]["items"][0]["data"]] == [2, 3, 4]
    world.run(record(5, trades=trades(5)))
    assert spans(world.heard("c2")) == [(0, 5, 5)]


def test_a_snapshot_says_up_to_which_number_it_is(world: World) -> None:
    world.run(record(1, trades=trades(1)), record(2, trades=trades(2)))
    world.run(record(3, trades=trades(3)))  # Waits: stored once a second.
    (item,) = Snapshots(world.dynamodb, "last-values", pool=world.pool).read([f"trades#{SYMBOL}"])
    assert item.positions == {"0": 2}
    world.now += 1
    world.run(record(4, trades=trades(4)))
    (item,) = Snapshots(world.dynamodb, "last-values", pool=world.pool).read([f"trades#{SYMBOL}"])
    assert item.positions == {"0": 4}


def test_what_comes_soon_after_a_flush_does_not_wait_for_another_invocation(world: World) -> None:
    world.pace = Pacing(1_000)
    world.broadcast = world.new_process()
    world.subscribe("c1", "trades#*")
    assert world.run(record(1, trades=trades(1))).messages == 1
    world.now += 0.03
    assert world.run(record(2, trades=trades(2))).messages == 1
    assert world.slept == [pytest.approx(0.075)]
    world.now += 0.5
    assert world.run(record(3, trades=trades(3))).messages == 1
    assert world.slept == [pytest.approx(0.075)]
    assert spans(world.heard("c1")) == [(0, 1, 1), (0, 2, 2), (0, 3, 3)]
