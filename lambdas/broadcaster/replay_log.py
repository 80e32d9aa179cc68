"""The table of the replay log: written before anything is posted, read by the process that takes a partition over."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from time import time
from typing import Any, NamedTuple

import msgspec
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.broadcaster.heads import Heads
from lambdas.broadcaster.replay_rows import (
    CHECKPOINT_AT,
    Block,
    Checkpoint,
    Row,
    Update,
    checkpoint_row,
    log_name,
    read_checkpoint,
    read_row,
    rows_of,
    whole_blocks,
)
from lambdas.websocket.batch import write_batch

MAX_PAGES = 16
"""Of at most 1 MiB each, read by a process that takes a partition over."""

_log = Logger()


class Recovered(NamedTuple):
    """What the log knows of a partition before a record.

    Attributes
    ----------
    heads : the numbers to go on from
    updates : what may not be among the last values, older before newer
    since : the counter of the first record that it is of
    whole : False where the log does not reach the record, so that clients will see a hole
    """

    heads: Heads
    updates: Sequence[Update]
    since: int
    whole: bool


class ReplayLog:
    """Writes blocks and checkpoints; reads back what they say."""

    def __init__(self, client: Any, table: str, *, pool: Executor, clock: Callable[[], float] = time) -> None:
        self._client = client
        self._table = table
        self._pool = pool
        self._clock = clock

    def write(self, blocks: Iterable[Block], checkpoints: Iterable[tuple[int, Checkpoint]]) -> int:
        """Write blocks, and checkpoints by source; gives how many rows the table did not take.

        What is there at the same place is written over: it ended with the same record.
        """
        now = self._clock()
        rows = [row for block in blocks for row in rows_of(block, now=now)]
        rows += [checkpoint_row(source, checkpoint, now=now) for source, checkpoint in checkpoints]
        puts = [((row["log"]["S"], row["counter"]["N"]), {"PutRequest": {"Item": row}}) for row in rows]
        return len(write_batch(self._client, self._table, puts, pool=self._pool))

    def recover(self, source: int, *, before: int) -> Recovered:
        """Give the numbers of a partition as they were before the record ``before``.

        If the table cannot be read, or has not all that was said since its checkpoint, the numbers go on from where
        nobody has been.
        """
        lost = Recovered(Heads.before(before), (), before, whole=False)
        try:
            checkpoint = self._checkpoint(source)
            if checkpoint is None:
                return lost._replace(whole=before == 1)
            rows = self._rows(source, since=min(checkpoint.not_stored_from, checkpoint.last + 1), before=before)
        except (BotoCoreError, ClientError, msgspec.MsgspecError, zlib.error, KeyError) as error:
            _log.warning("replay log not read", source=source, reason=str(error))
            return lost
        recovered = recover(checkpoint, rows, before=before, now=int(self._clock()))
        if recovered is None:
            _log.warning("replay log has a hole", source=source, counter=before, checkpoint=checkpoint.last)
            return lost
        return recovered

    def _checkpoint(self, source: int) -> Checkpoint | None:
        key = {"log": {"S": log_name(source)}, "counter": {"N": str(CHECKPOINT_AT)}}
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return None if item is None else read_checkpoint(item)

    def _rows(self, source: int, *, since: int, before: int) -> list[Row]:
        if since >= before:
            return []
        rows: list[Row] = []
        page: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="#log = :log AND #counter BETWEEN :since AND :until",
                ExpressionAttributeNames={"#log": "log", "#counter": "counter"},
                ExpressionAttributeValues={
                    ":log": {"S": log_name(source)},
                    ":since": {"N": str(max(since, CHECKPOINT_AT + 1))},
                    # Where the parts of the last block end that may be of use.
                    ":until": {"N": f"{before - 1}.999"},
                },
                ConsistentRead=True,
                **page,
            )
            rows += map(read_row, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                break
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        return rows


def recover(checkpoint: Checkpoint, rows: Iterable[Row], *, before: int, now: int) -> Recovered | None:
    """Give what a checkpoint and the rows up to the record ``before`` say; None if they lack some.

    Pure; ``now`` is s UTC.
    """
    heads = checkpoint.heads
    reached = checkpoint.last
    updates: list[Update] = []
    for first, last, parts in whole_blocks(rows):
        for part in parts:
            updates += part.updates
        if last <= checkpoint.last:
            continue
        if first > reached + 1:
            return None
        reached = max(reached, last)
        for part in parts:
            heads.rise(floor=part.floor, base=part.base)
            for update in part.updates:
                heads.reach(update.key, update.last, now=now)
    return Recovered(heads, updates, checkpoint.not_stored_from, whole=True) if reached == before - 1 else None
