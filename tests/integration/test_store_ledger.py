"""The continuity ledger in a real PostgreSQL: the same sets as plain Python sets, whatever happens on the way."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg
import pytest

from lambdas.migrations.runner import apply
from lambdas.store_writer import rows
from tickwire.intervals import IntervalSet
from tickwire.records import (
    Continuity,
    Finding,
    FindingKind,
    Gap,
    GapState,
    Header,
    Progress,
    Ranges,
    Record,
    RecordKind,
    StaleBar,
)

from .stores import Store, event

HOUR = 3_600_000_000_000
NOON = 479_808 * HOUR  # 2024-09-26T00:00:00Z
HIGHEST = 2**63 - 1


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with psycopg.connect(database_url) as connection:
        apply(connection)
    store = Store(database_url)
    yield store
    store.database.close()


def ranges(ids: set[int]) -> Ranges:
    return tuple(IntervalSet((i, i) for i in ids).ranges())


@dataclass
class Symbol:
    """What happens to a symbol's ids, id by id, and what its records say of it."""

    name: str
    chance: Random
    status: dict[int, str] = field(default_factory=dict)
    hours: Counter[int] = field(default_factory=Counter)
    backfilled: int = 0

    def ids(self, status: str) -> set[int]:
        return {i for i, s in self.status.items() if s == status}

    def step(self, counter: int) -> Progress:
        """Let some things happen, and tell them as the validator does."""
        chance, said = self.chance, {name: set[int]() for name in ("opened", "accepted", "quarantined", "absent")}

        def become(trade_id: int, status: str) -> None:
            self.status[trade_id] = status
            said["opened" if status == "missing" else status].add(trade_id)

        if not self.status:
            become(1_000, "accepted")
        for trade_id in chance.sample(sorted(self.ids("accepted")), k=min(2, len(self.ids("accepted")))):
            if chance.random() < 0.1:
                become(trade_id, "missing")  # a reopening, before everything else
        for _ in range(chance.randint(0, 6)):
            top = max(self.status) + 1 + chance.choice([0, 0, 0, 1, 7])
            for skipped in range(max(self.status) + 1, top):
                become(skipped, "missing")
            become(top, chance.choice(["accepted", "accepted", "quarantined"]))
        if chance.random() < 0.1:
            bottom = min(self.status) - chance.randint(1, 4)
            for skipped in range(bottom + 1, min(self.status)):
                become(skipped, "missing")
            become(bottom, "accepted")
        for status, chances in {
            "missing": ["accepted", "quarantined"],
            "absent": ["accepted", "quarantined"],
            "quarantined": ["accepted"],
        }.items():
            for trade_id in sorted(self.ids(status) - said["absent"]):
                if chance.random() < 0.15:
                    become(trade_id, chance.choice(chances))
        for trade_id in sorted(self.ids("missing")):
            if chance.random() < 0.05:
                become(trade_id, "absent")
        hour, accepted = NOON + counter // 4 * HOUR, said["accepted"]
        self.hours[hour] += len(accepted)
        history = {i for i in accepted if i % 3 == 0}
        self.backfilled += len(history)
        return Progress(
            "v", self.name, min(self.status), max(self.status), len(self.ids("accepted")), 0, 0,
            len(self.ids("quarantined")), len(self.ids("missing")), ranges(self.ids("missing"))[:64], counter,
            absent=len(self.ids("absent")),
            opened=ranges(said["opened"]),
            accepted_ids=ranges(accepted),
            backfilled_ids=ranges(history),
            quarantined_now=ranges(said["quarantined"]),
            absent_now=ranges(said["absent"]),
            hours=((hour, len(accepted), min(accepted), max(accepted)),) if accepted else (),
        )  # fmt: skip


def record(partition: int, counter: int, **sections: tuple[Any, ...]) -> Record:
    return Record(header=Header(RecordKind.EVENTS, partition, counter, str(10 * counter)), **sections)


def expanded(multirange: str) -> set[int]:
    parts = [part.split(",") for part in multirange.strip("{}[)").split("),[")] if multirange != "{}" else []
    return {i for first, end in parts for i in range(int(first), int(end))}


@pytest.mark.parametrize("seed", range(5))
def test_batches_repeats_and_crashes_leave_the_ledger_as_plain_sets_have_it(store, seed, monkeypatch):
    chance = Random(seed)
    symbols = {partition: [Symbol(f"S{partition}{k}", chance) for k in range(2)] for partition in range(2)}
    streams = {
        partition: [record(partition, c, progress=tuple(s.step(c) for s in members)) for c in range(1, 31)]
        for partition, members in symbols.items()
    }
    write = rows.write

    def write_and_crash(connection: psycopg.Connection, changes: object) -> None:
        write(connection, changes)
        raise OSError("killed")

    sent = dict.fromkeys(streams, 0)
    while any(done < len(streams[partition]) for partition, done in sent.items()):
        batch: list[Record] = []
        until = dict(sent)
        for partition, stream in streams.items():
            first = chance.randint(max(0, sent[partition] - 4), sent[partition])
            last = chance.randint(first, min(len(stream), first + 7))
            batch += stream[first:last]
            until[partition] = max(sent[partition], last)
        if chance.random() < 0.25 and batch:
            monkeypatch.setattr(rows, "write", write_and_crash)
            with pytest.raises(OSError, match="killed"):
                store.writer.write_event(event(*batch))
            monkeypatch.setattr(rows, "write", write)
        else:
            assert store.writer.write_event(event(*batch)).response == {"batchItemFailures": []}
            sent = until

    found = store.query(
        "SELECT symbol, first_id, last_id, ids.accepted::text, ids.missing::text, ids.quarantined::text,"
        " ids.absent::text, ledger.accepted, backfilled, partition, counter, missing_count + quarantined_count"
        " + absent_count FROM ledger JOIN ledger_ids ids USING (venue, symbol) ORDER BY symbol"
    )
    members = [(partition, symbol) for partition, each in symbols.items() for symbol in each]
    assert [(name, first, last, *map(expanded, sets), *rest) for name, first, last, *sets, a, b, c, d, e in found
            for rest in [(a, b, c, d, e)]] == [
        (
            symbol.name, min(symbol.status), max(symbol.status),
            *(symbol.ids(status) for status in ("accepted", "missing", "quarantined", "absent")),
            len(symbol.ids("accepted")), symbol.backfilled, partition, 300,
            len(symbol.status) - len(symbol.ids("accepted")),
        )
        for partition, symbol in members
    ]  # fmt: skip
    hours = store.query("SELECT symbol, (extract(epoch FROM hour) * 1000000000)::bigint, trades FROM hours")
    assert sorted(hours) == sorted((s.name, *hour) for _, s in members for hour in s.hours.items() if hour[1])
    assert store.query("SELECT partition, counter, source FROM stream_checkpoints ORDER BY 1") == [
        (0, 30, 300),
        (1, 30, 300),
    ]


def progress(first: int, last: int, **changes: Any) -> Progress:
    return Progress("v", "A-USD", first, last, 0, 0, 0, 0, 0, (), 7, **changes)


def test_ten_thousand_ranges_in_a_record_are_taken_and_given_back(store):
    holes = tuple((4 * k + 2, 4 * k + 3) for k in range(10_000))
    store.writer.write_event(event(record(0, 1, progress=(progress(1, 40_001, opened=holes),))))
    assert store.query("SELECT missing_count, multirange_count(accepted) FROM ledger_ids") == [(20_000, 20_001)]
    filled = tuple((first, first) for first, _ in holes)
    store.writer.write_event(event(record(0, 2, progress=(progress(1, 40_001, accepted_ids=filled),))))
    assert store.query("SELECT missing_count, multirange_count(accepted), lower(missing) FROM ledger_ids") == [
        (10_000, 30_001, 3)
    ]


def test_the_highest_id_there_is_and_a_symbol_without_any_fit_the_ledger(store):
    top = progress(HIGHEST - 5, HIGHEST, opened=((HIGHEST - 4, HIGHEST),), accepted_ids=((HIGHEST - 5, HIGHEST - 5),))
    store.writer.write_event(event(record(0, 1, progress=(top,))))
    query = "SELECT multirange_count(accepted), missing_count FROM ledger_ids"
    assert store.query(query) == [(1, 5)]
    store.writer.write_event(event(record(0, 2, progress=(progress(HIGHEST - 5, HIGHEST, accepted_ids=top.opened),))))
    assert store.query(query) == [(6, 0)]
    store.writer.write_event(event(record(1, 1, progress=(Progress("v", "NONE", 0, -1, 0, 0, 3, 0, 0, (), 1),))))
    assert store.query(f"{query} WHERE symbol = 'NONE'") == [(0, 0)]


def gap_state(**changes: int) -> GapState:
    values: dict[str, Any] = {
        "first": 5, "last": 14, "cause": "id_jump", "noticed": 9, "after_time": NOON + HOUR // 2,
        "before_time": NOON + 3 * HOUR // 2, "remaining": 10, "live": 0, "history": 0, "absent": 0,
        "quarantined": 0, "closed": 0,
    }  # fmt: skip
    return GapState(**(values | changes))


def test_a_gap_is_written_when_it_is_noticed_and_follows_its_state(store):
    gap = Gap("v", "A-USD", 5, 14, "id_jump", 9, NOON + HOUR // 2, NOON + 3 * HOUR // 2)
    columns = "first_id, last_id, cause, noticed_ns, remaining, live, history, absent, quarantined, closed_ns"
    store.writer.write_event(event(record(0, 1, gaps=(gap,))))
    assert store.query(f"SELECT {columns} FROM gaps") == [(5, 14, "id_jump", 9, 10, 0, 0, 0, 0, 0)]
    states = [gap_state(remaining=4, history=6), gap_state(remaining=0, history=7, absent=2, quarantined=1, closed=20)]
    for counter, state in enumerate(states, 2):
        store.writer.write_event(
            event(record(0, counter, gaps=(gap,), continuity=(Continuity("v", "A-USD", 1, (), (state,)),)))
        )
    assert store.query(f"SELECT {columns} FROM gaps") == [(5, 14, "id_jump", 9, 0, 0, 7, 2, 1, 20)]


def test_gaps_that_no_record_tells_of_are_closed_by_what_the_ledger_says(store):
    """By hand: 60 gaps of three ids, of which a record tells no state; the second id of each is absent."""
    gaps = [Gap("v", "A-USD", 4 * k, 4 * k + 2, "id_jump", 9) for k in range(1, 61)]
    holes = tuple((gap.first, gap.last) for gap in gaps)
    told = gap_state(first=4, last=6, remaining=2, history=1)
    store.writer.write_event(event(record(0, 1, gaps=tuple(gaps), progress=(progress(1, 250, opened=holes),))))
    firsts = tuple((gap.first, gap.first) for gap in gaps)
    store.writer.write_event(
        event(
            record(
                0, 2, progress=(progress(1, 250, accepted_ids=firsts, backfilled_ids=firsts),),
                continuity=(Continuity("v", "A-USD", 1, (), (told,)),),
            )
        )
    )  # fmt: skip
    columns = "remaining, live, history, absent, quarantined, closed_ns, count(*)"
    query = f"SELECT {columns} FROM gaps GROUP BY 1, 2, 3, 4, 5, 6"
    assert store.query(query) == [(2, 0, 1, 0, 0, 0, 60)]
    rest = progress(
        1,
        250,
        accepted_ids=tuple((gap.last, gap.last) for gap in gaps),
        absent_now=tuple((gap.first + 1, gap.first + 1) for gap in gaps),
    )
    store.writer.write_event(event(record(0, 3, progress=(rest,))))
    assert store.query(query) == [(0, 1, 1, 1, 0, 7, 60)]


def test_the_same_ids_missing_for_a_second_time_are_another_gap(store):
    gaps = (Gap("v", "A-USD", 5, 14, "id_jump", 9), Gap("v", "A-USD", 5, 14, "reopened", 90))
    store.writer.write_event(event(record(0, 1, gaps=gaps[:1]), record(0, 2, gaps=gaps[1:])))
    assert store.query("SELECT cause FROM gaps ORDER BY noticed_ns") == [("id_jump",), ("reopened",)]


def test_a_finding_is_kept_once_with_its_evidence(store):
    finding = Finding("v", "A-USD", 5, 9, FindingKind.ABSENT, "GET /trades: 200\x00", 77, 66)
    store.writer.write_event(event(record(0, 1, findings=(finding,)), record(0, 2, findings=(finding,))))
    assert store.query("SELECT * FROM findings") == [("v", "A-USD", 5, 9, "absent", "GET /trades: 200\ufffd", 77, 66)]


def test_a_request_to_compute_a_bar_again_names_the_newest_clean_record_and_all_late_trades(store):
    stale = StaleBar("v", "A-USD", 60, NOON, 2)
    store.writer.write_event(event(record(3, 1, stale_bars=(stale,)), record(3, 2, stale_bars=(stale,))))
    columns = "venue, symbol, interval_seconds, partition, counter, trades"
    assert store.query(f"SELECT {columns} FROM bar_repairs") == [("v", "A-USD", 60, 3, 20, 4)]
    store.writer.write_event(event(record(3, 3, stale_bars=(stale,))))
    assert store.query(f"SELECT {columns} FROM bar_repairs") == [("v", "A-USD", 60, 3, 30, 6)]
    assert store.database.run(lambda c: c.execute("DELETE FROM bar_repairs WHERE counter = 20").rowcount) == 0
    assert store.database.run(lambda c: c.execute("DELETE FROM bar_repairs WHERE counter = 30").rowcount) == 1


def test_the_writer_may_delete_nothing_but_requests_for_bars(store):
    for table in ("ledger", "hours", "gaps", "findings"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            store.database.run(lambda connection, table=table: connection.execute(f"DELETE FROM {table}"))


def test_a_gaps_ids_are_spread_over_its_hours_in_proportion_to_time(store):
    """By hand: half an hour of the gap lies in each hour, so five of its ten ids."""
    hours = ((NOON, 95, 1, 4), (NOON + HOUR, 45, 15, 60))
    store.writer.write_event(
        event(
            record(0, 1, progress=(progress(1, 60, hours=hours),)),
            record(0, 2, continuity=(Continuity("v", "A-USD", 1, (), (gap_state(remaining=8, absent=2),)),)),
        )
    )
    found = store.query(
        "SELECT to_char(hour AT TIME ZONE 'UTC', 'HH24'), trades::float, missing::float, absent::float,"
        " quarantined::float, completeness::float FROM completeness_by_hour ORDER BY hour"
    )
    assert found == [("00", 95, 4, 1, 0, 0.96), ("01", 45, 4, 1, 0, 0.92)]


def test_reopened_trades_count_once_in_their_hour_when_they_came_again(store):
    """By hand: 10 trades, of which 2 were lost and came again from the history."""
    lost = gap_state(
        first=5, last=6, cause="reopened", after_time=NOON + 1, before_time=0, remaining=2
    )  # fmt: skip
    query = "SELECT trades::float, missing::float, completeness::float FROM completeness_by_hour"
    store.writer.write_event(
        event(
            record(0, 1, progress=(progress(1, 10, hours=((NOON, 10, 1, 10),)),)),
            record(0, 2, continuity=(Continuity("v", "A-USD", 1, (), (lost,)),)),
        )
    )
    assert store.query(query) == [(8, 2, 0.8)]
    filled = gap_state(first=5, last=6, cause="reopened", after_time=NOON + 1, before_time=0, remaining=0, history=2)
    store.writer.write_event(
        event(
            record(0, 3, progress=(progress(1, 10, hours=((NOON, 2, 5, 6),)),)),
            record(0, 4, continuity=(Continuity("v", "A-USD", 1, (), (filled,)),)),
        )
    )
    assert store.query(query) == [(10, 0, 1)]
