from hypothesis import given
from hypothesis import strategies as st

from lambdas.lake_committer.plan import TrimmedFile, plan_commit
from lambdas.lake_writer.message import WrittenBatch, WrittenFile, decode_message, encode_message

A, B = WrittenFile("s3://lake/a", 10), WrittenFile("s3://lake/b", 10)


def test_files_that_continue_the_table_are_added_as_they_are():
    plan, jump = plan_commit([WrittenBatch((A,), {1: (5, 6)}), WrittenBatch((B,), {1: (7, 7), 2: (1, 3)})], {1: 4})
    assert (plan.whole, plan.trimmed, plan.counters, plan.messages, jump) == ([A, B], [], {1: 7, 2: 3}, 2, None)


def test_files_that_the_table_holds_already_are_left_out():
    plan, jump = plan_commit([WrittenBatch((A,), {1: (3, 4)})], {1: 4})
    assert (plan.whole, plan.trimmed, plan.counters) == ([], [], {1: 4})
    assert (plan.messages, plan.repeats, plan.changes, jump) == (1, 1, False, None)


def test_an_overlapping_file_goes_in_above_what_the_table_holds():
    plan, jump = plan_commit([WrittenBatch((A,), {1: (3, 6)})], {1: 4})
    assert plan.trimmed == [TrimmedFile(A, {1: 4})]
    assert (plan.whole, plan.counters, jump) == ([], {1: 6}, None)


def test_a_message_of_which_one_partition_is_repeated_is_trimmed_not_dropped():
    plan, _ = plan_commit([WrittenBatch((A,), {1: (3, 4), 2: (1, 2)})], {1: 4})
    assert plan.trimmed == [TrimmedFile(A, {1: 4, 2: 0})]
    assert plan.counters == {1: 4, 2: 2}


def test_a_jump_stops_everything_after_it():
    plan, jump = plan_commit(
        [WrittenBatch((A,), {1: (5, 5)}), WrittenBatch((B,), {1: (7, 8)}), WrittenBatch((B,), {1: (6, 8)})], {1: 4}
    )
    assert (plan.whole, plan.counters, plan.messages) == ([A], {1: 5}, 1)
    assert str(jump) == "partition 1: files start at 7, the table ends at 5"


def test_a_message_with_a_jump_in_one_partition_takes_no_other_along():
    plan, jump = plan_commit([WrittenBatch((A,), {1: (5, 5), 2: (2, 2)})], {1: 4})
    assert (plan.whole, plan.counters, plan.messages) == ([], {1: 4}, 0)
    assert jump is not None


def test_a_new_partition_must_start_at_one():
    assert plan_commit([WrittenBatch((A,), {1: (2, 2)})], {})[1] is not None
    assert plan_commit([WrittenBatch((A,), {1: (1, 2)})], {})[1] is None


def test_counters_without_files_are_a_change():
    plan, _ = plan_commit([WrittenBatch((), {1: (5, 6)})], {1: 4})
    assert plan.changes
    assert plan.counters == {1: 6}


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """A partition of n records, and the ranges of a writer that moves on, or goes back and repeats."""
    n = draw(st.integers(1, 30))
    ranges = []
    done = 0
    while done < n:
        first = draw(st.integers(1, done + 1))  # never past what was sent: Kinesis keeps the order
        last = draw(st.integers(first, n))
        ranges.append((first, last))
        done = max(done, last)
    return n, ranges


@given(st.dictionaries(st.integers(0, 3), histories(), min_size=1), st.randoms(use_true_random=False))
def test_however_a_stream_is_split_and_repeated_each_record_goes_in_once(partitions, random):
    """The oracle is a list of (partition, counter): it must hold each exactly once at the end."""
    queues = {partition: list(ranges) for partition, (_, ranges) in partitions.items()}
    messages, contents = [], {}
    while queues:
        taking = random.sample(sorted(queues), random.randint(1, len(queues)))
        covered = {partition: queues[partition].pop(0) for partition in taking}
        queues = {partition: ranges for partition, ranges in queues.items() if ranges}
        file = WrittenFile(f"file-{len(messages)}", 0)
        contents[file] = [(p, c) for p, (first, last) in covered.items() for c in range(first, last + 1)]
        messages.append(WrittenBatch((file,), covered))
    table: list[tuple[int, int]] = []
    counters: dict[int, int] = {}
    at = 0
    while at < len(messages):
        taken = random.randint(1, 4)
        plan, jump = plan_commit(messages[at : at + taken], counters)
        assert jump is None
        for file in plan.whole:
            table += contents[file]
        for trimmed in plan.trimmed:
            table += [(p, c) for p, c in contents[trimmed.file] if c > trimmed.floor[p]]
        counters = plan.counters
        if random.random() < 0.3 and at:  # committed, then killed before the messages were deleted
            at -= 1
            continue
        at += taken
    assert sorted(table) == [(p, c) for p, (n, _) in sorted(partitions.items()) for c in range(1, n + 1)]
    assert counters == {p: n for p, (n, _) in partitions.items()}


def test_a_committer_that_knows_no_compactions_takes_one_for_a_message_without_news():
    """So it does not matter whether the committer or the upkeep is deployed first."""
    plan, jump = plan_commit([WrittenBatch((B,), {}, replaces=(A.path,)), WrittenBatch((A,), {1: (5, 5)})], {1: 4})
    assert (plan.whole, plan.repeats, plan.messages, jump) == ([A], 1, 2, None)


def test_a_message_from_before_there_were_compactions_is_read():
    batch = decode_message(b'{"files":[{"path":"s3://lake/a","rows":10}],"partitions":{"1":[5,5]}}')
    assert batch == WrittenBatch((A,), {1: (5, 5)})
    assert b"replaces" not in encode_message(batch)
