"""Which files of which messages go in, given the counters already in the table. Pure.

The table's current snapshot says, for each partition, the last counter whose rows it holds. A
message that starts right after it is added as it is; one that ends at or before it is a repeat;
one that overlaps it goes in without the rows that are already there; one that starts later is a
jump: something is missing, and going on would lose it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lambdas.lake_writer.message import WrittenBatch, WrittenFile
from tickwire.errors import CounterJump


@dataclass(frozen=True, slots=True)
class TrimmedFile:
    """A file of which only the rows above ``floor[stream_partition]`` go in."""

    file: WrittenFile
    floor: Mapping[int, int]


@dataclass(slots=True)
class CommitPlan:
    """What one commit does.

    Attributes
    ----------
    counters : partition → last counter in the table once this is committed
    whole, trimmed : files to add as they are, and files to rewrite first
    messages : how many messages it covers
    repeats : how many of these brought nothing new
    """

    counters: dict[int, int]
    whole: list[WrittenFile] = field(default_factory=list)
    trimmed: list[TrimmedFile] = field(default_factory=list)
    messages: int = 0
    repeats: int = 0

    @property
    def changes(self) -> bool:
        """Whether there is anything to commit; new counters without rows are."""
        return self.messages > self.repeats

    def add(self, batch: WrittenBatch) -> None:
        """Take the next message in.

        Raises
        ------
        CounterJump
            If it starts after a counter that is neither in the table nor in the messages so far.
            The plan is then as it was before.
        """
        floor = {partition: self.counters.get(partition, 0) for partition in batch.partitions}
        for partition, (first, _) in batch.partitions.items():
            if first > floor[partition] + 1:
                raise CounterJump(
                    f"partition {partition}: files start at {first}, the table ends at {floor[partition]}"
                )
        self.messages += 1
        if all(last <= floor[partition] for partition, (_, last) in batch.partitions.items()):
            self.repeats += 1
            return
        if all(first > floor[partition] for partition, (first, _) in batch.partitions.items()):
            self.whole.extend(batch.files)
        else:
            self.trimmed.extend(TrimmedFile(file, floor) for file in batch.files)
        for partition, (_, last) in batch.partitions.items():
            self.counters[partition] = max(floor[partition], last)


def plan_commit(batches: Iterable[WrittenBatch], counters: Mapping[int, int]) -> tuple[CommitPlan, CounterJump | None]:
    """Plan one commit of messages in order, up to the first jump, which is given back."""
    plan = CommitPlan(counters=dict(counters))
    for batch in batches:
        try:
            plan.add(batch)
        except CounterJump as jump:
            return plan, jump
    return plan, None
