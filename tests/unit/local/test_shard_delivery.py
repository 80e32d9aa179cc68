"""The documented rules of a Kinesis event-source mapping, one scenario a test."""

import json
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from local.shard_delivery import Batcher, EventSourceMapping, MappingStatistics, ShardDelivery, StreamRecord, Throttled


def records(count: int, *, arrived: float | None = None) -> list[StreamRecord]:
    at = time.time() if arrived is None else arrived
    return [StreamRecord(f"{k:021d}", "0", b"x%d" % k, at) for k in range(count)]


class Function:
    """Stands in for a Lambda function: fails as told, remembers what reached it."""

    def __init__(self, poison: frozenset[str] = frozenset(), *, partial: bool = False, fail_first: int = 0) -> None:
        self.poison, self.partial, self.fail_first = poison, partial, fail_first
        self.batches: list[list[str]] = []
        self.done: list[str] = []

    def __call__(self, event):
        names = [r["kinesis"]["sequenceNumber"] for r in event["Records"]]
        self.batches.append(names)
        if self.fail_first:
            self.fail_first -= 1
            return "Unhandled: told to", None
        for k, name in enumerate(names):
            if name in self.poison:
                if not self.partial:
                    return "Unhandled: poison", None
                self.done += names[:k]
                return None, {"batchItemFailures": [{"itemIdentifier": name}]}
        self.done += names
        return None, {"batchItemFailures": []}


def deliver(batch, function, **settings_):
    given_up: list[StreamRecord] = []
    messages: list[dict] = []
    mapping = EventSourceMapping(function_name="f", stream_name="s", **settings_)
    delivery = ShardDelivery(
        mapping,
        shard_id="shardId-000000000000",
        invoke=function,
        give_up=lambda part, message: (given_up.extend(part), messages.append(message)),
        stopping=threading.Event(),
        statistics=MappingStatistics(),
        first_backoff_seconds=0.0,
    )
    assert delivery.deliver(batch)
    return [r.sequence_number for r in given_up], messages


def test_failing_invocation_is_tried_again_with_the_same_records_until_it_succeeds():
    function = Function(fail_first=3)
    given_up, _ = deliver(records(5), function)
    assert len(function.batches) == 4
    assert all(batch == function.batches[0] for batch in function.batches)
    assert function.done == [r.sequence_number for r in records(5)]
    assert given_up == []


def test_bisecting_isolates_the_poison_record_and_gives_up_only_that_one():
    batch = records(16)
    poison = batch[11].sequence_number
    function = Function(frozenset({poison}))
    given_up, messages = deliver(batch, function, bisect=True, maximum_retry_attempts=2)
    assert given_up == [poison]
    assert function.done == [r.sequence_number for r in batch if r.sequence_number != poison]
    (message,) = messages
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert message["KinesisBatchInfo"]["startSequenceNumber"] == poison
    assert [r["kinesis"]["sequenceNumber"] for r in json.loads(message["payload"])["Records"]] == [poison]


def test_without_bisecting_the_whole_batch_is_given_up_when_attempts_run_out():
    batch = records(4)
    function = Function(frozenset({batch[2].sequence_number}))
    given_up, _ = deliver(batch, function, maximum_retry_attempts=1)
    assert given_up == [r.sequence_number for r in batch]
    assert len(function.batches) == 2


def test_partial_failure_continues_from_the_lowest_reported_record():
    batch = records(6)
    poison = batch[3].sequence_number
    function = Function(frozenset({poison}), partial=True)
    given_up, _ = deliver(batch, function, report_batch_item_failures=True, bisect=True, maximum_retry_attempts=0)
    names = [r.sequence_number for r in batch]
    assert function.batches[0] == names
    assert function.batches[1] == names[3:]
    assert function.done == names[:3]
    # Reported at its first record, the rest comes again whole and is given up whole: only an
    # exception makes Lambda halve a batch.
    assert given_up == names[3:]


def test_partial_failure_that_ends_is_waited_out_without_losing_the_records_after_it():
    batch = records(6)
    names = [r.sequence_number for r in batch]
    tries = 3

    def function(event):
        nonlocal tries
        seen = [r["kinesis"]["sequenceNumber"] for r in event["Records"]]
        if names[3] in seen and tries:
            tries -= 1
            return None, {"batchItemFailures": [{"itemIdentifier": names[3]}]}
        return None, {"batchItemFailures": []}

    given_up, _ = deliver(batch, function, report_batch_item_failures=True, bisect=True)
    assert given_up == []
    assert tries == 0


def test_item_that_names_no_record_fails_the_whole_batch():
    calls = []

    def function(event):
        calls.append(len(event["Records"]))
        return None, {"batchItemFailures": [{"itemIdentifier": "no such"}] if len(calls) == 1 else []}

    given_up, _ = deliver(records(3), function, report_batch_item_failures=True)
    assert calls == [3, 3]
    assert given_up == []


def test_throttling_uses_up_no_attempt():
    answers = [True, True, False]

    def function(event):
        if answers.pop(0):
            raise Throttled
        return None, None

    given_up, _ = deliver(records(1), function, maximum_retry_attempts=0)
    assert given_up == []
    assert answers == []


def test_records_past_their_age_are_given_up_without_an_invocation():
    old, young = records(2, arrived=time.time() - 100), records(5)[2:]
    function = Function()
    given_up, messages = deliver([*old, *young], function, maximum_record_age_seconds=60)
    assert given_up == [r.sequence_number for r in old]
    assert messages[0]["requestContext"]["condition"] == "RecordAgeExceeded"
    assert function.done == [r.sequence_number for r in young]


def test_event_has_the_documented_shape():
    seen = []
    deliver(records(1), lambda event: (seen.append(event), (None, None))[1])
    (record,) = seen[0]["Records"]
    assert record["eventSource"] == "aws:kinesis"
    assert record["eventID"] == "shardId-000000000000:000000000000000000000"
    assert record["kinesis"]["data"] == "eDA="  # base64 of b"x0"


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=4))),
    st.booleans(),
)
def test_every_record_is_done_or_given_up_exactly_the_poison_ones_with_bisect(case, report):
    count, poisoned = case
    batch = records(count)
    poison = frozenset(batch[k].sequence_number for k in poisoned)
    function = Function(poison)
    given_up, _ = deliver(batch, function, bisect=True, maximum_retry_attempts=0, report_batch_item_failures=report)
    assert set(given_up) == poison
    assert function.done == [r.sequence_number for r in batch if r.sequence_number not in poison]


def test_batch_closes_at_its_size_and_at_its_window():
    batcher = Batcher(batch_size=3, window_seconds=1.0)
    batcher.add(records(4), now=10.0)
    assert len(batcher.take(10.0)) == 3
    assert batcher.take(10.5) == []
    assert len(batcher.take(11.0)) == 1
    assert batcher.take(12.0) == []


def test_batch_closes_at_six_megabytes_of_payload():
    batcher = Batcher(batch_size=100, window_seconds=0.0)
    batcher.add([StreamRecord(str(k), "0", b"x" * 1_000_000, 0.0) for k in range(10)], now=0.0)
    assert len(batcher.take(0.0)) == 4  # 4 x 1.33 MB in base64; five would be over
