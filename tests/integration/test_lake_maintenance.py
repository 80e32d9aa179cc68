"""Compaction and the removal of orphans, on a table that is written meanwhile."""

import json
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from random import Random

import boto3
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from lambdas.lake_committer import replacement
from lambdas.lake_committer.errors import LakeConflict
from lambdas.lake_committer.invocation import Outcome, Received, commit_received
from lambdas.lake_committer.lake_table import COUNTERS_PROPERTY
from lambdas.lake_committer.replacement import replace_files
from lambdas.lake_maintenance.compaction import RowsMissing, compact
from lambdas.lake_maintenance.orphans import HOLD_SECONDS, LEDGER_KEY, Swept, named_keys, sweep
from lambdas.lake_writer.message import WrittenBatch, decode_message

from .lakes import DAY_NUMBER, Lake

pytestmark = pytest.mark.services("glue", "s3", "sqs")

NIGHT = 86_400
ORPHAN_AGE = 16 * NIGHT


class Kept(Lake):
    """A lake with its queue and its upkeep."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.sqs = boto3.client("sqs")
        self.queue_url = self.sqs.create_queue(
            QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "0"}
        )["QueueUrl"]

    def compact(
        self, *, open_from: int = DAY_NUMBER + 1, in_time: Callable[[], bool] = lambda: True
    ) -> list[WrittenBatch]:
        """Run a compaction, and give what it announced."""
        compact(
            self.table(),
            open_from=open_from,
            bucket=self.bucket,
            queue_url=self.queue_url,
            s3=self.s3,
            sqs=self.sqs,
            in_time=in_time,
        )
        return self.announced()

    def announced(self) -> list[WrittenBatch]:
        batches = []
        while found := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                batches.append(decode_message(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return batches

    def receive(self, *batches: WrittenBatch, times: int = 1, in_time: bool = True) -> Outcome:
        """Let the committer have messages."""
        return commit_received([Received(batch, times) for batch in batches], self.open, in_time=lambda: in_time)

    def sweep(self, *, days: float, orphan_age: float = ORPHAN_AGE) -> Swept:
        """Look for orphans ``days`` from now."""
        return sweep(
            self.table,
            bucket=self.bucket,
            s3=self.s3,
            now=(datetime.now(UTC) + timedelta(days=days)).timestamp(),
            data_age_seconds=orphan_age,
            in_time=lambda: True,
        )

    def objects(self, prefix: str = "trades/data/") -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def files(self) -> int:
        return len(list(self.table().scan().plan_files()))


@pytest.fixture
def lake(aws: str) -> Kept:
    return Kept(f"lake-{uuid.uuid4().hex[:8]}")


def filled(lake: Kept, *, days: int = 1, last: int = 6) -> Kept:
    for counter in range(1, last + 1):
        lake.commit(lake.write((1, counter, counter), days=days))
    return lake


def test_a_days_small_files_become_one_with_the_same_rows_and_counters(lake):
    before = filled(lake).table().scan().to_arrow().sort_by("trade_id")
    (message,) = lake.compact()
    assert (len(message.replaces), len(message.files), message.partitions) == (6, 1, {})
    outcome = lake.receive(message)
    assert (outcome.rows_compacted, outcome.rows, outcome.refusals) == (6, 0, [])
    assert lake.files() == 1
    assert lake.table().scan().to_arrow().sort_by("trade_id").equals(before)
    assert json.loads(lake.table().current_snapshot().summary[COUNTERS_PROPERTY]) == {"1": 6}
    assert lake.table().current_snapshot().summary["total-records"] == "6"


def test_a_compacted_file_is_sorted_by_what_queries_ask_for(lake):
    for counter in (5, 3, 4, 1, 2):
        lake.commit(lake.write((counter, 1, 1)))
    (message,) = lake.compact()
    key = message.files[0].path.partition(f"{lake.bucket}/")[2]
    body = lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()
    assert pq.read_table(BytesIO(body))["trade_id"].to_pylist() == [1001, 2001, 3001, 4001, 5001]


def test_each_day_is_compacted_by_itself_and_the_open_day_not_for_a_few_files(lake):
    filled(lake, days=3)
    messages = lake.compact(open_from=DAY_NUMBER + 2)
    assert [message.files[0].path.split("exchange_day=")[1][:10] for message in messages] == [
        "2024-08-08",
        "2024-08-09",
    ]
    lake.receive(*messages)
    assert lake.files() == 1 + 1 + 6
    assert lake.counters_in_rows() == sorted(3 * [1, 2, 3, 4, 5, 6])


def test_what_is_committed_while_a_compaction_waits_stays(lake):
    (message,) = filled(lake).compact()
    later = lake.write((1, 7, 8))
    outcome = lake.receive(later, message, lake.write((1, 9, 9)))
    assert (outcome.messages, outcome.rows, outcome.rows_compacted) == (3, 3, 6)
    assert lake.counters_in_rows() == list(range(1, 10))
    assert lake.open().counters == {1: 9}


def test_a_writers_message_that_comes_again_after_a_compaction_changes_nothing(lake):
    batch = lake.write((1, 1, 6))
    lake.commit(batch)
    for counter in range(7, 11):
        lake.commit(lake.write((1, counter, counter)))
    lake.receive(*lake.compact())
    assert lake.receive(batch).repeats == 1
    assert lake.receive(lake.write((1, 4, 12))).rows == 2
    assert lake.counters_in_rows() == list(range(1, 13))


def test_a_compaction_that_comes_twice_is_done_once(lake):
    (message,) = filled(lake).compact()
    lake.receive(message)
    outcome = lake.receive(message)
    assert (outcome.messages, outcome.rows_compacted, outcome.refusals) == (1, 0, [])
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6]


def test_two_calls_that_chose_the_same_files_leave_them_replaced_once(lake):
    """The first call's message has waited, and more files came before the second looked."""
    (first,) = filled(lake).compact()
    lake.commit(lake.write((1, 7, 7)))
    (second,) = lake.compact()
    assert lake.receive(first, second).refusals == [
        f"6 files are no longer in the table, {min(first.replaces)} first",
    ]
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6, 7]
    assert lake.files() == 2


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_committer_that_dies_around_a_compaction_leaves_every_row_once(lake, monkeypatch, moment):
    (message,) = filled(lake).compact()
    update = GlueCatalog._update_glue_table

    class Killed(BaseException):
        pass

    def die(catalog: GlueCatalog, **arguments: object) -> None:
        if moment == "after":
            update(catalog, **arguments)
        raise Killed

    monkeypatch.setattr(GlueCatalog, "_update_glue_table", die)
    with pytest.raises(Killed):
        lake.receive(message)
    monkeypatch.undo()
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6]
    assert lake.receive(message, times=2).refusals == []
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6]
    assert lake.files() == 1


def test_a_compaction_that_kills_its_committer_is_given_up_and_the_writers_files_go_in(lake):
    (message,) = filled(lake).compact()
    outcome = lake.receive(message, lake.write((1, 7, 7)), times=3)
    assert (outcome.messages, outcome.rows, outcome.rows_compacted) == (2, 1, 0)
    assert lake.files() == 7


def test_a_compaction_for_which_too_little_time_is_left_is_left_out(lake):
    (message,) = filled(lake).compact()
    assert lake.receive(message, in_time=False).messages == 1
    assert lake.files() == 6


def test_a_compaction_that_others_keep_overtaking_is_left_out(lake, monkeypatch):
    (message,) = filled(lake).compact()
    opened = lake.open

    def open_and_be_overtaken():
        table = opened()
        with lake.table().transaction() as transaction, transaction.update_snapshot().fast_append():
            pass
        return table

    result = replace_files(message, open_and_be_overtaken, wait=lambda _: None)
    assert (result.rows, result.conflicts) == (0, replacement.ATTEMPTS)
    assert "kept changing" in result.refusal
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6]


def test_a_compaction_that_was_overtaken_once_is_made_on_what_is_there_then(lake):
    (message,) = filled(lake).compact()
    stale = lake.open()
    lake.commit(lake.write((1, 7, 7)))
    with pytest.raises(LakeConflict):
        stale.replace(message.replaces, message.files)
    opened = iter([stale])
    assert replace_files(message, lambda: next(opened, None) or lake.open(), wait=lambda _: None).conflicts == 1
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6, 7]
    assert lake.open().counters == {1: 7}


def test_compacted_files_with_other_rows_than_those_they_stand_for_are_refused(lake):
    (message,) = filled(lake).compact()
    fewer = WrittenBatch(message.files, {}, message.replaces[1:])
    assert lake.receive(fewer).refusals == ["6 rows were to stand for 5"]
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6]


def test_rows_deleted_by_others_do_not_come_back_with_a_compaction(lake):
    """pyiceberg rewrites a file whose row it deletes, so the compaction was made of a file that has gone."""
    (message,) = filled(lake).compact()
    lake.table().delete("stream_counter = 3")
    assert len(lake.receive(message).refusals) == 1
    assert lake.counters_in_rows() == [1, 2, 4, 5, 6]


def test_a_file_that_lost_rows_stops_its_compaction(lake):
    filled(lake)
    path = next(iter(lake.table().scan().plan_files())).file.file_path
    batch = lake.write((9, 1, 2))
    key = batch.files[0].path.partition(f"{lake.bucket}/")[2]
    lake.s3.copy_object(
        Bucket=lake.bucket,
        Key=path.partition(f"{lake.bucket}/")[2],
        CopySource={"Bucket": lake.bucket, "Key": key},
    )
    with pytest.raises(RowsMissing):
        lake.compact()
    assert lake.announced() == []


def test_a_call_without_time_goes_on_in_the_next(lake):
    filled(lake, days=2)
    answers = iter([True, False])
    first = lake.compact(open_from=DAY_NUMBER + 2, in_time=lambda: next(answers))
    lake.receive(*first)
    second = lake.compact(open_from=DAY_NUMBER + 2)
    lake.receive(*second)
    assert (len(first), len(second), lake.files()) == (1, 1, 2)
    assert lake.compact(open_from=DAY_NUMBER + 2) == []


@pytest.mark.parametrize("seed", range(3))
def test_however_writes_compactions_repeats_and_sweeps_alternate_every_row_is_there_once(lake, seed):
    random = Random(seed)
    sent, waiting, days = 0, [], 0.0
    for _ in range(12):
        first = random.randint(max(0, sent - 2), sent) + 1
        sent = max(sent, first + random.randint(0, 2))
        waiting.append(lake.write((1, first, sent)))
        if random.random() < 0.4 and lake.open().counters:
            waiting += lake.compact()
        if random.random() < 0.6:
            lake.receive(*waiting)
            waiting = [message for message in waiting if random.random() < 0.2]
        if random.random() < 0.3 and lake.open().counters:
            days += 0.9
            # What still waits for its commit is younger than the age of orphans, as SQS' retention makes it.
            lake.sweep(days=days, orphan_age=30 * NIGHT)
    lake.receive(*waiting)
    assert Counter(lake.counters_in_rows()) == Counter(range(1, sent + 1))


def test_orphans_go_at_the_second_look_and_what_snapshots_name_stays(lake):
    filled(lake)
    orphan = lake.write((8, 1, 1)).files[0].path.partition(f"{lake.bucket}/")[2]
    named = named_keys(lake.table())
    assert (lake.sweep(days=17).deleted, orphan in lake.objects()) == (0, True)
    assert lake.sweep(days=18).deleted == 1
    assert lake.objects() | lake.objects("trades/metadata/") == named
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6]


def test_a_file_whose_commit_may_still_be_waiting_is_never_an_orphan(lake):
    filled(lake)
    waiting = lake.write((1, 7, 7))
    assert (lake.sweep(days=13).waiting, lake.sweep(days=14).deleted) == (0, 0)
    lake.commit(waiting)
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6, 7]


def test_two_looks_within_a_day_delete_nothing(lake):
    filled(lake)
    lake.write((8, 1, 1))
    lake.sweep(days=17)
    assert lake.sweep(days=17 + (HOLD_SECONDS - 60) / NIGHT) == Swept(deleted=0, waiting=1)


def test_a_file_that_was_named_again_in_between_starts_anew(lake):
    filled(lake)
    late = lake.write((1, 7, 7))
    lake.sweep(days=17)
    lake.commit(late)
    lake.sweep(days=18)
    assert json.loads(lake.s3.get_object(Bucket=lake.bucket, Key=LEDGER_KEY)["Body"].read()) == {}
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6, 7]


def test_who_reads_a_kept_snapshot_finds_its_files_and_once_it_is_forgotten_they_go(lake):
    filled(lake)
    reader = lake.table().scan()
    lake.receive(*lake.compact())
    lake.sweep(days=17)
    lake.sweep(days=18)
    assert reader.to_arrow().num_rows == 6
    lake.table().maintenance.expire_snapshots().older_than(datetime.now(UTC) + timedelta(days=1)).commit()
    assert lake.sweep(days=19).deleted == 0
    assert reader.to_arrow().num_rows == 6
    assert lake.sweep(days=20).deleted >= 6
    assert len(lake.objects()) == 1
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6]


def test_nothing_is_deleted_where_a_manifest_cannot_be_read(lake):
    filled(lake)
    orphan = lake.write((8, 1, 1)).files[0].path.partition(f"{lake.bucket}/")[2]
    lake.sweep(days=17)
    manifest = lake.table().current_snapshot().manifests(lake.table().io)[0].manifest_path
    lake.s3.delete_object(Bucket=lake.bucket, Key=manifest.partition(f"{lake.bucket}/")[2])
    with pytest.raises(FileNotFoundError):
        lake.sweep(days=18)
    assert orphan in lake.objects()
