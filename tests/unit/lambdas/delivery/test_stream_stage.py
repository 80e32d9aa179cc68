"""The runner: what reaches the next stage when invocations repeat, fail, crash and overtake each other.

The stage under it adds numbers up, so the expected totals are worked by hand.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
import valkey

from lambdas.delivery import stream_stage
from lambdas.delivery.dead_letters import DeadLetterQueue
from lambdas.delivery.output import OutputStream
from lambdas.delivery.state import PartitionStates, connect
from lambdas.delivery.stream_stage import StreamStage
from tickwire.records import RecordKind


class Crash(BaseException):
    """The process dies here."""


def plenty() -> float:
    return 60.0


@pytest.fixture
def new_process(valkey_address: str, total_stage: Any, kinesis: Any, sqs: Any) -> Callable[..., StreamStage[Any]]:
    """Give the runner as a fresh process has it, over the same stream, queue and store."""

    def make(*, kind: RecordKind = RecordKind.RAW, client: Any = None) -> StreamStage[Any]:
        stage = total_stage(dense=kind is not RecordKind.RAW)
        return StreamStage(
            stage,
            input_kind=kind,
            states=PartitionStates(client or connect(valkey_address), stage),
            output=OutputStream(kinesis, stream="out", partitions=4, sleep=lambda _: None),
            dead_letters=DeadLetterQueue(sqs, queue_url="q", sleep=lambda _: None),
            clock=lambda: 1_700_000_009_000_000_000,
        )

    return make


def run(stage: StreamStage[Any], *items: dict[str, Any]) -> str | None:
    """Invoke, and give the sequence number to retry from."""
    response, _ = stage.run({"Records": list(items)}, remaining=plenty)
    failures = response["batchItemFailures"]
    return failures[0]["itemIdentifier"] if failures else None


def skipping_repeats(records: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Read a partition as the next stage does."""
    last, taken = 0, []
    for counter, total in records:
        if counter > last:
            assert counter == last + 1, "a jump stops the partition"
            taken.append((counter, total))
            last = counter
    return taken


def test_each_partition_is_processed_in_order(new_process: Any, stream_item: Any, kinesis: Any) -> None:
    items = [stream_item(1, 0, 5), stream_item(2, 1, 100), stream_item(3, 0, 7)]
    assert run(new_process(), *items) is None
    assert kinesis.totals() == {0: [(1, 5), (2, 12)], 1: [(1, 100)]}


@pytest.mark.parametrize("same_process", [True, False])
def test_an_invocation_repeated_whole_puts_nothing_again(
    new_process: Any, stream_item: Any, kinesis: Any, same_process: bool
) -> None:
    items = [stream_item(1, 0, 5), stream_item(2, 0, 7)]
    first = new_process()
    run(first, *items)
    again = first if same_process else new_process()
    response, counts = again.run({"Records": items}, remaining=plenty)
    assert response == {"batchItemFailures": []}
    assert (counts.repeats, counts.trades, counts.outputs) == (2, 0, 0)
    assert kinesis.totals() == {0: [(1, 5), (2, 12)]}


def test_after_a_bisect_the_halves_give_what_the_whole_would(new_process: Any, stream_item: Any, kinesis: Any) -> None:
    items = [stream_item(n, 0, n) for n in (1, 2, 3, 4)]
    stage = new_process()
    run(stage, *items[:2])
    run(stage, *items)
    run(new_process(), *items[2:])
    assert kinesis.totals() == {0: [(1, 1), (2, 3), (3, 6), (4, 10)]}


def test_a_batch_with_more_dead_letters_than_one_invocation_may_send_is_done_in_several(
    new_process: Any, stream_item: Any, kinesis: Any, sqs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_stage, "MAX_LETTERS", 2)
    items = [stream_item(n, n % 2, -1) for n in range(1, 8)]
    stage = new_process()
    retried_from, sent = [], []
    while not retried_from or retried_from[-1] is not None:
        before = len(sqs.bodies)
        retried_from.append(run(stage, *items))
        sent.append(len(sqs.bodies) - before)
        items = [item for item in items if int(item["kinesis"]["sequenceNumber"]) >= int(retried_from[-1] or 8)]
    # A partition for which no room is left waits at its first record, be it a repeat.
    assert retried_from == ["2", "3", "4", None]
    assert sent == [2, 2, 2, 1]
    assert sorted(json.loads(body)["key"] for body in sqs.bodies) == [f"k{n}" for n in range(1, 8)]
    assert {partition: len(found) for partition, found in kinesis.totals().items()} == {0: 3, 1: 4}


def test_a_crash_between_put_and_save_repeats_outputs_that_the_next_stage_skips(
    new_process: Any, stream_item: Any, kinesis: Any, valkey_address: str
) -> None:
    class DiesBeforeSaving:
        def __init__(self) -> None:
            self._client = connect(valkey_address)

        def pipeline(self, **options: Any) -> Any:
            pipeline = self._client.pipeline(**options)
            send = pipeline.execute_command
            pipeline.execute_command = lambda *args, **options: (
                self._die() if args[0] == "EVAL" else send(*args, **options)
            )
            return pipeline

        def _die(self) -> None:
            raise Crash

    items = [stream_item(1, 0, 5), stream_item(2, 0, 7)]
    with pytest.raises(Crash):
        run(new_process(client=DiesBeforeSaving()), *items)
    assert run(new_process(), *items, stream_item(3, 0, 1)) is None
    assert kinesis.totals()[0] == [(1, 5), (2, 12), (1, 5), (2, 12), (3, 13)]
    assert skipping_repeats(kinesis.totals()[0]) == [(1, 5), (2, 12), (3, 13)]


def test_of_two_twins_one_wins_and_the_other_is_told_to_retry(new_process: Any, stream_item: Any, kinesis: Any) -> None:
    slow, fast = new_process(), new_process()
    items = [stream_item(1, 0, 5), stream_item(2, 0, 7)]
    put_records = kinesis.put_records

    def overtaken(**call: Any) -> Any:
        kinesis.put_records = put_records
        assert run(fast, *items, stream_item(3, 0, 1)) is None
        return put_records(**call)

    kinesis.put_records = overtaken
    response, counts = slow.run({"Records": items}, remaining=plenty)
    assert response == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert (counts.state_conflicts, counts.failed_partitions, counts.trades) == (1, 1, 0)
    assert skipping_repeats(kinesis.totals()[0]) == [(1, 5), (2, 12), (3, 13)]
    assert run(slow, *items) is None
    assert skipping_repeats(kinesis.totals()[0]) == [(1, 5), (2, 12), (3, 13)]


def test_a_record_that_breaks_the_programme_stops_its_partition_only_and_keeps_what_came_before(
    new_process: Any, stream_item: Any, kinesis: Any
) -> None:
    items = [
        stream_item(1, 0, 5),
        stream_item(2, 0, 7),
        stream_item(3, 1, 1),
        stream_item(4, 0, 13),
        stream_item(5, 0, 9),
        stream_item(6, 1, 2),
    ]
    stage = new_process()
    assert run(stage, *items) == "4"
    assert kinesis.totals() == {0: [(1, 5), (2, 12)], 1: [(1, 1), (2, 3)]}
    # What Lambda sends next: everything from the failed record on. 13 never entered the total.
    assert run(stage, *items[3:]) == "4"
    assert kinesis.totals() == {0: [(1, 5), (2, 12)], 1: [(1, 1), (2, 3)]}
    assert new_process()._states.load([0])[0].state.total == 12


def test_the_lowest_failure_of_several_partitions_is_reported(new_process: Any, stream_item: Any) -> None:
    items = [stream_item(8, 2, 1), stream_item(9, 1, 13), stream_item(10, 0, 13)]
    assert run(new_process(), *items) == "9"


def test_a_partition_whose_output_is_refused_is_not_saved_and_the_others_are(
    new_process: Any, stream_item: Any, kinesis: Any
) -> None:
    kinesis.refuse = [{0}]
    items = [stream_item(1, 0, 5), stream_item(2, 1, 6)]
    response, counts = new_process().run({"Records": items}, remaining=lambda: 0.5)
    assert response == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert counts.records == 1
    assert kinesis.totals() == {1: [(1, 6)]}
    assert run(new_process(), *items) is None
    assert kinesis.totals() == {0: [(1, 5)], 1: [(1, 6)]}


def test_quarantined_rows_reach_the_dead_letters_after_the_outputs(
    new_process: Any, stream_item: Any, kinesis: Any, sqs: Any
) -> None:
    _, counts = new_process().run({"Records": [stream_item(1, 0, -4)]}, remaining=plenty)
    assert [json.loads(body)["key"] for body in sqs.bodies] == ["k1"]
    assert counts.quarantined == {"negative": 1}
    assert kinesis.totals() == {0: [(1, 0)]}


def test_a_partition_whose_letters_are_refused_is_not_saved(
    new_process: Any, stream_item: Any, kinesis: Any, sqs: Any
) -> None:
    sqs.fail = [{"0": True}]
    items = [stream_item(1, 0, -4), stream_item(2, 1, 6)]
    assert run(new_process(), *items) == "1"
    assert run(new_process(), *items) is None
    assert skipping_repeats(kinesis.totals()[0]) == [(1, 0)]
    assert kinesis.totals()[1] == [(1, 6)]
    assert [json.loads(body)["key"] for body in sqs.bodies] == ["k1"]


def test_an_unreadable_raw_record_is_diverted_and_the_partition_goes_on(
    new_process: Any, stream_item: Any, kinesis: Any, sqs: Any
) -> None:
    items = [stream_item(1, 0, 5), stream_item(2, 0, b"garbage"), stream_item(3, 0, 7)]
    response, counts = new_process().run({"Records": items}, remaining=plenty)
    assert response == {"batchItemFailures": []}
    assert kinesis.totals() == {0: [(1, 5), (2, 12)]}
    assert [json.loads(body)["rule"] for body in sqs.bodies] == ["damaged_record"]
    assert counts.damaged == 1


def test_a_raw_record_of_a_foreign_key_is_diverted(new_process: Any, stream_item: Any, sqs: Any) -> None:
    foreign = stream_item(1, 0, 5)
    foreign["kinesis"]["partitionKey"] = "someone-elses"
    assert run(new_process(), foreign) is None
    assert json.loads(sqs.bodies[0])["partition"] == -1


def test_after_the_validator_an_unreadable_record_stops_its_partition(
    new_process: Any, stream_item: Any, kinesis: Any, sqs: Any
) -> None:
    items = [
        stream_item(1, 0, 5, kind=RecordKind.CLEAN, counter=1),
        stream_item(2, 0, b"garbage"),
        stream_item(3, 1, 6, kind=RecordKind.CLEAN, counter=1),
        stream_item(4, 0, 7, kind=RecordKind.CLEAN, counter=3),
    ]
    assert run(new_process(kind=RecordKind.CLEAN), *items) == "2"
    assert kinesis.totals() == {0: [(1, 5)], 1: [(1, 6)]}
    assert sqs.bodies == []


def test_after_the_validator_a_jump_of_the_counter_stops_the_partition(
    new_process: Any, stream_item: Any, kinesis: Any
) -> None:
    items = [stream_item(n, 0, n, kind=RecordKind.CLEAN, counter=counter) for n, counter in ((1, 1), (2, 3), (3, 4))]
    assert run(new_process(kind=RecordKind.CLEAN), *items) == "2"
    assert kinesis.totals() == {0: [(1, 1)]}


def test_a_store_that_is_away_lets_everything_come_again(new_process: Any, stream_item: Any, kinesis: Any) -> None:
    class Away:
        def pipeline(self, **_: Any) -> Any:
            raise valkey.ConnectionError("away")

    assert run(new_process(client=Away()), stream_item(7, 0, 1), stream_item(8, 1, 1)) == "7"
    assert kinesis.totals() == {}


def test_the_age_of_the_newest_record_is_measured(new_process: Any, stream_item: Any) -> None:
    # The item's arrival is 1,700,000,000 s + its sequence number; the clock says 1,700,000,009 s.
    _, counts = new_process().run({"Records": [stream_item(2, 0, 1), stream_item(4, 1, 1)]}, remaining=plenty)
    assert counts.iterator_age_ms == 5000
