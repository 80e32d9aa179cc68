"""Numbers, log and positions, whoever handles the stream: cut into any batches, over processes that crash anywhere.

The truth is counted from the records alone: the number of a key at a record is how many records up to it speak of it,
and what a client should have is the highest revision of each bar and the newest of each list.
"""

from base64 import b64encode
from collections import defaultdict
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lambdas.broadcaster.broadcast import Broadcast
from lambdas.broadcaster.conflation import Conflated
from lambdas.broadcaster.keys import ROLLED_UP
from lambdas.broadcaster.last_values_table import LastValuesTable
from lambdas.broadcaster.outbox import Delivered
from lambdas.broadcaster.partition import Numbered
from lambdas.broadcaster.replay_log import ReplayLog
from lambdas.broadcaster.value import Key
from lambdas.broadcaster.values import KEPT_ROWS
from lambdas.websocket.replays import Replays
from lambdas.websocket.requests import Position
from lambdas.websocket.snapshots import Snapshots
from tests.memory_tables import Crash, Inline, MemoryTables
from tickwire.envelope import encode
from tickwire.records import Bar, Gap, Header, Record, RecordKind

SOURCE = 3
SYMBOLS = ("A-B", "C-D", "E-F")
SECOND = 1_000_000_000
State = dict[tuple[str, int], int]
"""What a client has of a key: a bar's revision by its start, or a gap by when it was noticed."""


def new_record(counter: int, bars: frozenset[str], gaps: frozenset[str]) -> Record:
    return Record(
        header=Header(RecordKind.EVENTS, SOURCE, counter),
        bars=tuple(
            Bar(
                *("v", symbol, 60, 60 * SECOND * (counter // 7), 2, 2, 1, 1, 1, 1, 1, 1, Decimal(1), 1, 1, 1),
                revision=counter,
                final=counter % 5 == 0,
                latest_receive=0,
            )
            for symbol in sorted(bars)
        ),
        gaps=tuple(Gap("v", symbol, counter, counter, "id_jump", counter) for symbol in sorted(gaps)),
    )


def keys_in(record: Record) -> set[Key]:
    return {("bars.1m", f"v:{bar.symbol}") for bar in record.bars} | {
        ("health", f"v:{gap.symbol}") for gap in record.gaps
    }


def said_in(record: Record, key: Key) -> State:
    symbol = key[1].removeprefix("v:")
    if key[0] == "bars.1m":
        return {("bar", bar.start // 1_000_000): bar.revision for bar in record.bars if bar.symbol == symbol}
    return {("gap", gap.noticed): gap.noticed for gap in record.gaps if gap.symbol == symbol}


def with_data(state: State, data: list[bytes]) -> State:
    new = dict(state)
    for one in map(msgspec.json.decode, data):
        place, order = (
            (("bar", one["start"]), one["revision"]) if "start" in one else (("gap", one["noticed"]), one["noticed"])
        )
        new[place] = max(order, new.get(place, 0))
    return new


def all_said(records: list[Record], key: Key) -> State:
    """Give what there is to know of a key after these records: of gaps as many as anybody is told of."""
    wanted: State = {}
    for record in records:
        for place, order in said_in(record, key).items():
            wanted[place] = max(order, wanted.get(place, 0))
    gaps = sorted(place for place in wanted if place[0] == "gap")[:-KEPT_ROWS]
    return {place: order for place, order in wanted.items() if place not in gaps}


class Client:
    """Follows the protocol: applies what comes, sees holes, resumes, takes a snapshot where it is told to."""

    def __init__(self) -> None:
        self.known: dict[Key, int] = defaultdict(int)
        self.states: dict[Key, State] = defaultdict(dict)
        self.begun_anew: set[Key] = set()

    def take(self, key: Key, first: int, last: int, data: list[bytes]) -> bool:
        """Apply an item; say whether there was a hole before it."""
        hole = first > self.known[key] + 1
        self.states[key] = with_data(self.states[key], data)
        if not hole:
            self.known[key] = max(self.known[key], last)
        return hole


class Posted:
    """In place of the screens: notes what would be posted."""

    def __init__(self) -> None:
        self.crash: str | None = None
        self.waiting: list[Numbered] = []
        self.posts: list[tuple[Key, int, int, list[bytes]]] = []

    def add(self, source: int, numbered: Numbered) -> None:
        assert source == SOURCE
        self.waiting.append(numbered)

    def drop(self, source: int) -> None:
        self.waiting.clear()

    def flush(self) -> Delivered:
        if self.crash == "before posting":
            raise Crash
        for key, span, said in self.waiting:
            # What is rolled up from bars of a minute has tests of its own; here it would say the same in other words.
            if key[0] in ROLLED_UP["bars.1m"]:
                continue
            merged = Conflated()
            merged.add(span, said)
            self.posts.append((key, *span, [bytes(one) for one in merged.data()]))
        self.waiting.clear()
        if self.crash == "after posting":
            raise Crash
        return Delivered(0, 0, 0)


CRASHES = st.sampled_from([None, None, None, "before posting", "after posting", 0, 1, 2, 3])


class Stream(RuleBasedStateMachine):
    """Two processes get batches of one partition; each batch comes again until one is done with it."""

    @initialize()
    def begin(self) -> None:
        self.now = 1_700_000_000.0
        self.tables = MemoryTables({"replay": ("log", "counter"), "last-values": ("item", "at")}, pages={"replay": 3})
        self.posted = Posted()
        self.records: list[Record] = []
        self.done = 0
        self.lost_log = False
        self.processes = [self.new_process(), self.new_process()]
        self.replays = Replays(self.tables, "replay", pool=Inline())
        self.snapshots = Snapshots(self.tables, "last-values", pool=Inline())
        self.client = Client()

    def new_process(self) -> Broadcast:
        return Broadcast(
            self.posted,  # type: ignore[arg-type]
            ReplayLog(self.tables, "replay", pool=Inline(), clock=lambda: self.now),
            LastValuesTable(self.tables, "last-values", pool=Inline(), clock=self.tick),
            clock=lambda: int(self.now * SECOND),
            monotonic=lambda: self.now,
        )

    def tick(self) -> float:
        self.now += 0.001
        return self.now

    @rule(
        process=st.integers(0, 1),
        size=st.integers(1, 6),
        said=st.lists(
            st.tuples(st.frozensets(st.sampled_from(SYMBOLS)), st.frozensets(st.sampled_from(SYMBOLS[:2]))),
            min_size=6,
            max_size=6,
        ),
        crash=CRASHES,
        crash_after=st.booleans(),
        refuse=st.sampled_from([(), (), (), (), (), ("replay",), ("last-values",)]),
        missed=st.frozensets(st.integers(0, 5)),
        elapsed=st.sampled_from([0.0, 0.3, 1.5, 6.0]),
    )
    def deliver(
        self,
        process: int,
        size: int,
        said: list[tuple[frozenset[str], frozenset[str]]],
        crash: str | int | None,
        crash_after: bool,
        refuse: tuple[str, ...],
        missed: frozenset[int],
        elapsed: float,
    ) -> None:
        self.now += elapsed
        while len(self.records) < self.done + size:
            bars, gaps = said[len(self.records) - self.done]
            self.records.append(new_record(len(self.records) + 1, bars, gaps))
        batch = self.records[self.done : self.done + size]
        self.posted.crash = crash if isinstance(crash, str) else None
        self.tables.fuse = crash if isinstance(crash, int) else None
        self.tables.crash_after = crash_after
        self.tables.refuse = set(refuse)
        self.lost_log |= "replay" in refuse
        self.posted.waiting.clear()
        self.posted.posts.clear()
        try:
            self.processes[process].run({"Records": [kinesis(record) for record in batch]})
        except Crash:
            self.processes[process] = self.new_process()
        else:
            self.done += size
        self.tables.fuse = None
        for key, first, last, _ in self.posted.posts:
            if not self.lost_log:
                assert (first, last) == self.true_numbers(key, batch)
        self.hear(missed, until=batch[-1].header.counter)

    def true_numbers(self, key: Key, batch: list[Record]) -> tuple[int, int]:
        counters = [record.header.counter for record in self.records if key in keys_in(record)]
        before = sum(counter < batch[0].header.counter for counter in counters)
        until = sum(counter <= batch[-1].header.counter for counter in counters)
        return before + 1, until

    def hear(self, missed: frozenset[int], *, until: int) -> None:
        """Let the client have what was posted, but for some; it resumes where it sees a hole.

        Where it sees none there is none, whatever happened to the log.
        """
        for n, (key, first, last, data) in enumerate(self.posted.posts):
            if n in missed:
                continue
            if self.client.take(key, first, last, data):
                self.resume(key)
            elif key not in self.client.begun_anew:
                self.check(key, self.client, until=until)

    def resume(self, key: Key) -> None:
        missed = self.replays.since([Position(*key, SOURCE, self.client.known[key])])
        for item in missed.items:
            assert not self.client.take(key, item.first, item.last, list(item.data))
        if missed.void:
            # Without a broken log there is no reason to begin anew.
            assert self.lost_log
            self.client.begun_anew.add(key)
            self.show(key)

    def show(self, key: Key) -> None:
        for item in self.snapshots.read(["#".join(key)]):
            self.client.states[key] = with_data({}, list(item.data))
            self.client.known[key] = (item.positions or {}).get(str(SOURCE), 0)

    @rule(key=st.sampled_from([("bars.1m", "v:A-B"), ("health", "v:A-B"), ("health", "v:C-D")]))
    def newcomer(self, key: Key) -> None:
        """A snapshot and what the log has after it are all that was done; or the client is told to begin anew."""
        other = Client()
        (item,) = self.snapshots.read(["#".join(key)]) or (None,)
        if item is None:
            return
        other.states[key] = with_data({}, list(item.data))
        other.known[key] = (item.positions or {}).get(str(SOURCE), 0)
        missed = self.replays.since([Position(*key, SOURCE, other.known[key])])
        for one in missed.items:
            assert not other.take(key, one.first, one.last, list(one.data))
        if not self.lost_log:
            assert not missed.void
            self.check(key, other, until=self.done)

    @rule()
    def expire(self) -> None:
        self.now += 2_000
        self.tables.drop("replay", before=self.now)
        # A client that missed something before and hears of it only now begins anew.
        self.lost_log = True

    @rule()
    def catch_up(self) -> None:
        """Whatever a client missed, its positions bring it to where the log ends."""
        for key in list(self.client.known):
            self.resume(key)
            if not self.lost_log:
                self.check(key, self.client, until=self.done)

    def check(self, key: Key, client: Client, *, until: int) -> None:
        """Compare what a client has with all that was said up to a record."""
        got = client.states[key]
        wanted = all_said(self.records[:until], key)
        lacking = {place for place, order in wanted.items() if got.get(place, 0) < order}
        assert not lacking, (key, lacking, client.known[key])

    @invariant()
    def positions_hold(self) -> None:
        """All values up to a stored position are among the stored rows."""
        if self.lost_log:
            return
        for symbol in SYMBOLS:
            for topic in ("bars.1m", "health"):
                key = (topic, f"v:{symbol}")
                for item in self.snapshots.read(["#".join(key)]):
                    position = (item.positions or {}).get(str(SOURCE), 0)
                    stored = with_data({}, list(item.data))
                    speaking = [record for record in self.records if key in keys_in(record)][:position]
                    wanted = all_said(speaking, key)
                    lacking = {place for place, order in wanted.items() if stored.get(place, 0) < order}
                    assert not lacking, (key, position, lacking)


def kinesis(record: Record) -> dict[str, Any]:
    return {
        "kinesis": {
            "partitionKey": str(SOURCE),
            "sequenceNumber": str(record.header.counter),
            "data": b64encode(encode(record)).decode(),
            "approximateArrivalTimestamp": 1_699_999_999.5,
        }
    }


TestStream = Stream.TestCase
TestStream.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
