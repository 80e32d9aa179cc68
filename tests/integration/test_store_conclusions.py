"""What is concluded from the market, in a real PostgreSQL: each once, however the records are cut into batches."""

import threading
from collections.abc import Iterator
from random import Random

import psycopg
import pytest
from msgspec.structs import replace

from lambdas.migrations.runner import apply
from lambdas.store_writer.writer import StoreWriter
from tickwire.conclusions import (
    Anomaly,
    AnomalyKind,
    Direction,
    Outcome,
    Prediction,
    Sentiment,
    SentimentPart,
    TradingSignal,
    Whale,
)
from tickwire.records import Header, Record, RecordKind

from .stores import Store, event

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
AUGUST = 19_943 * 86_400 * SECOND  # 2024-08-08
CREATED = AUGUST + 7
WHALE = Whale(("v",), "A-USD", 1, AUGUST, AUGUST + SECOND, 2, 9e5, 100.5, 8e5, 10, 12)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with psycopg.connect(database_url) as connection:
        apply(connection)
    store = Store(database_url)
    yield store
    store.database.close()


def record(counter: int, *, partition: int = 1, created: int = CREATED, **sections: tuple[object, ...]) -> Record:
    return Record(header=Header(RecordKind.EVENTS, partition, counter, created=created), **sections)


def prediction(time: int = AUGUST, probability: float | None = 0.53, absent: str = "") -> Prediction:
    return Prediction(
        "v", "A-USD", time, 900, 100.25, probability, absent, "direction", "7", "champion", (0.5, None, -1.25)
    )


def outcome(time: int = AUGUST, closed_at: float = 101.0, rose: bool | None = True) -> Outcome:
    return Outcome("v", "A-USD", time, 900, 0.53, "direction", "7", "champion", 100.25, closed_at, rose)


def stored_predictions(store: Store) -> list[tuple]:
    return store.query(
        "SELECT extract(epoch FROM time)::bigint, horizon_seconds, close, probability, absent, model, version, variant,"
        " features, closed_at, rose, scored_ns FROM predictions ORDER BY time"
    )


WHOLE = (
    AUGUST // SECOND, 900, 100.25, 0.53, "", "direction", "7", "champion", [0.5, None, -1.25], 101.0, True, CREATED,
)  # fmt: skip
UNSCORED = (*WHOLE[:9], None, None, None)
ONLY_SCORED = (*WHOLE[:8], [], *WHOLE[9:])


def test_a_prediction_waits_for_its_outcome(store):
    store.writer.write_event(event(record(1, predictions=(prediction(),))))
    assert stored_predictions(store) == [UNSCORED]
    store.writer.write_event(event(record(2, outcomes=(outcome(),))))
    assert stored_predictions(store) == [WHOLE]


def test_a_prediction_and_its_outcome_may_come_in_one_batch_and_in_any_order(store):
    later = AUGUST + MINUTE
    store.writer.write_event(
        event(
            record(1, outcomes=(outcome(),)),
            record(2, predictions=(prediction(), prediction(later)), outcomes=(outcome(later, 100.25, None),)),
        )
    )
    first, second = stored_predictions(store)
    assert first == WHOLE
    assert second == (later // SECOND, *WHOLE[1:9], 100.25, None, CREATED)


def test_an_outcome_of_a_prediction_that_never_came_is_stored_by_itself_until_it_comes(store):
    store.writer.write_event(event(record(1, outcomes=(outcome(),))))
    assert stored_predictions(store) == [ONLY_SCORED]
    store.writer.write_event(event(record(2, predictions=(prediction(),))))
    assert stored_predictions(store) == [WHOLE]


def test_an_absent_prediction_says_why(store):
    absent = Prediction("v", "A-USD", AUGUST, 900, 100.25, absent="unavailable")
    store.writer.write_event(event(record(1, predictions=(absent,))))
    assert stored_predictions(store) == [
        (AUGUST // SECOND, 900, 100.25, None, "unavailable", "", "", "", [], None, None, None)
    ]


def test_features_beyond_single_precision_do_not_stop_a_partition(store):
    extreme = Prediction("v", "A-USD", AUGUST, 900, 1.0, 0.5, features=(1e300, -1e300, 1e-300, 0.1))
    assert store.writer.write_event(event(record(1, predictions=(extreme,)))).records == 1
    (features,) = store.query("SELECT features::text FROM predictions")[0]
    assert features == "{Infinity,-Infinity,0,0.1}"


def test_a_cluster_that_grows_replaces_what_it_was_and_never_the_other_way_round(store):
    grown = Whale(("v",), "A-USD", 1, AUGUST, AUGUST + 2 * SECOND, 3, 12e5, 100.75, 8e5, 10, 15)
    sold = Whale(("v", "w"), "A-USD", -1, AUGUST, AUGUST, 4, 2e6, 99.0, 8e5)
    store.writer.write_event(event(record(1, whales=(WHALE, sold))))
    store.writer.write_event(event(record(2, whales=(grown,)), record(3, whales=(WHALE,))))
    assert store.query(
        "SELECT venues, side, extract(epoch FROM ended - started)::int, trades, notional, price, first_id, last_id"
        " FROM whales ORDER BY side"
    ) == [(["v", "w"], -1, 0, 4, 2e6, 99.0, 0, 0), (["v"], 1, 2, 3, 12e5, 100.75, 10, 15)]


def test_anomalies_and_signals_are_stored_once(store):
    odd = Anomaly("v", "A-USD", AnomalyKind.SPREAD, AUGUST, 0.02, 0.001, "of the price", "a\x00 wide spread")
    buy = TradingSignal("v", "A-USD", AUGUST, 900, Direction.LONG, 0.06, 100.25, 99.5, -0.0004, "costs eat it")
    for counter in (1, 2):
        store.writer.write_event(event(record(counter, anomalies=(odd,), signals=(buy, buy))))
    assert store.query("SELECT kind, value, usual, unit, reason FROM anomalies") == [
        ("spread", 0.02, 0.001, "of the price", "a\ufffd wide spread")
    ]
    assert store.query(
        "SELECT direction, confidence, price, invalidation, expected_move, reason FROM trading_signals"
    ) == [("long", 0.06, 100.25, 99.5, -0.0004, "costs eat it")]


def test_of_a_minutes_sentiment_the_one_over_most_symbols_is_left(store):
    part = SentimentPart("momentum", 70.0, 1.0, 0.002)
    for counter, (index, symbols) in enumerate([(60.0, 3), (70.0, 5), (50.0, 4)], 1):
        store.writer.write_event(event(record(counter, sentiment=(Sentiment(AUGUST, index, symbols, (part,)),))))
    assert store.query("SELECT index, symbols, parts FROM sentiment") == [
        (70.0, 5, [{"name": "momentum", "score": 70.0, "weight": 1.0, "value": 0.002}])
    ]


@pytest.mark.parametrize("seed", range(4))
def test_however_batches_are_split_and_repeated_each_prediction_is_there_once_with_its_outcome(store, seed):
    random = Random(seed)
    minutes = [AUGUST + k * MINUTE for k in range(30)]
    # The outcome of a prediction comes five records after it.
    records = [
        record(
            k + 1,
            created=CREATED + k,
            predictions=(prediction(minutes[k]),) if k < 30 else (),
            outcomes=(outcome(minutes[k - 5], 100.0 + k, k % 2 == 0),) if k >= 5 else (),
        )
        for k in range(35)
    ]
    sent = 0
    while sent < len(records):
        first, last = random.randint(0, sent), min(len(records), sent + random.randint(1, 9))
        assert store.writer.write_event(event(*records[first:last])).response == {"batchItemFailures": []}
        sent = last
    assert stored_predictions(store) == [
        (minutes[k] // SECOND, *WHOLE[1:9], 105.0 + k, k % 2 == 1, CREATED + k + 5) for k in range(30)
    ]


def test_each_month_of_conclusions_has_tables_of_its_own_in_utc(store):
    july = AUGUST - 8 * 86_400 * SECOND
    late = Whale(("v",), "A-USD", 1, july, AUGUST, 1, 9e5, 100.5, 8e5, 10, 10)
    store.writer.write_event(event(record(1, predictions=(prediction(),), whales=(late,))))
    again = store.new_database()
    again.run(lambda connection: connection.execute("SELECT ensure_conclusions_partition('2024-08-31')"))
    again.close()
    found = store.query(
        "SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class"
        " WHERE relispartition AND relkind = 'r' AND relname LIKE '%202408'"
    )
    bounds = "FOR VALUES FROM ('2024-08-01 00:00:00+00') TO ('2024-09-01 00:00:00+00')"
    tables = ["anomalies_202408", "predictions_202408", "trading_signals_202408", "whales_202408"]
    assert sorted(found) == [(table, bounds) for table in tables]
    assert store.query("SELECT count(*) FROM whales_202407") == [(1,)]


def test_writers_that_meet_a_new_month_at_once_make_it_once(store):
    together = threading.Barrier(4)
    stored: list[int] = []

    def invoke(partition: int) -> None:
        database = store.new_database()
        together.wait()
        batch = event(record(1, partition=partition, predictions=(replace(prediction(), venue=f"v{partition}"),)))
        stored.append(StoreWriter(database).write_event(batch).records)
        database.close()

    threads = [threading.Thread(target=invoke, args=(partition,)) for partition in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert stored == [1, 1, 1, 1]
    assert store.query("SELECT count(*) FROM predictions_202408") == [(4,)]


def test_the_writer_removes_nothing_and_rewrites_no_signal(store):
    for statement in ("DELETE FROM predictions", "TRUNCATE sentiment", "UPDATE trading_signals SET price = 0"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            store.database.run(lambda connection, statement=statement: connection.execute(statement))
