"""What clients missed, read from the replay log (``lambdas.broadcaster.replay_rows`` says how it is laid out)."""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

import msgspec
from aws_lambda_powertools import Logger

from lambdas.broadcaster.messages import Item, ResetItem
from lambdas.broadcaster.replay_rows import CHECKPOINT_AT, Checkpoint, Row, log_name, read_checkpoint, read_row
from lambdas.broadcaster.value import Key
from lambdas.websocket.coverage import Coverage
from lambdas.websocket.requests import Position

MAX_BYTES = 8 * 1024 * 1024
MAX_ROWS = 2_000
"""Read for one request: shared by its sources, of which each may read a page in any case."""

_PAGES = (50, 200)
"""Rows a page: first few, since most clients missed little."""

_log = Logger()


class Missed(NamedTuple):
    """What was said after some positions.

    Attributes
    ----------
    items : one update for each position that something was said after
    continued : how many positions the client is up to date with, after the items
    void : the positions that cannot be continued
    """

    items: Sequence[Item]
    continued: int
    void: Sequence[ResetItem]


class Replays:
    """Reads the log backwards from its end, no further than needed."""

    def __init__(self, client: Any, table: str, *, pool: Executor) -> None:
        self._client = client
        self._table = table
        self._pool = pool

    def since(self, positions: Iterable[Position]) -> Missed:
        """Give what was said after these positions, one scan a source."""
        by_source: defaultdict[int, list[Position]] = defaultdict(list)
        for position in positions:
            by_source[position.source].append(position)
        share = max(1, len(by_source))
        found = list(
            self._pool.map(
                lambda entry: self._of_source(*entry, most_bytes=MAX_BYTES // share, most_rows=MAX_ROWS // share),
                by_source.items(),
            )
        )
        return Missed(
            [item for one in found for item in one.items],
            sum(one.continued for one in found),
            [reset for one in found for reset in one.void],
        )

    def _of_source(self, source: int, positions: Sequence[Position], *, most_bytes: int, most_rows: int) -> Missed:
        checkpoint = self._checkpoint(source)
        if checkpoint is None:
            return Missed((), 0, [ResetItem(one.topic, one.symbol, source, "unknown") for one in positions])
        coverages = {
            (one.topic, one.symbol): Coverage(one.number, checkpoint.heads.of((one.topic, one.symbol)))
            for one in positions
        }
        _read(self._rows(source, most_bytes, most_rows), coverages, since=checkpoint.last)
        items: list[Item] = []
        void: list[ResetItem] = []
        for position in positions:
            coverage = coverages[position.topic, position.symbol]
            if position.number > coverage.head:
                void.append(ResetItem(position.topic, position.symbol, source, "unknown"))
            elif not coverage.whole:
                void.append(
                    ResetItem(position.topic, position.symbol, source, "unavailable" if coverage.holed else "expired")
                )
            elif (update := coverage.conflated()).span is not None:
                data = [bytes(one) for one in update.data()]
                items.append(Item(position.topic, position.symbol, data, source, *update.span))
        return Missed(items, len(positions) - len(void), void)

    def _checkpoint(self, source: int) -> Checkpoint | None:
        key = {"log": {"S": log_name(source)}, "counter": {"N": str(CHECKPOINT_AT)}}
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        try:
            return None if item is None else read_checkpoint(item)
        except (msgspec.MsgspecError, zlib.error, KeyError) as error:
            _log.warning("checkpoint not read", source=source, reason=str(error))
            return None

    def _rows(self, source: int, most_bytes: int, most_rows: int) -> Iterator[Row]:
        """Give the rows of a log, newest first, as far as the limits allow."""
        rows = size = 0
        page: dict[str, Any] = {}
        while size < most_bytes:
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="#log = :log AND #counter > :checkpoint",
                ExpressionAttributeNames={"#log": "log", "#counter": "counter"},
                ExpressionAttributeValues={
                    ":log": {"S": log_name(source)},
                    ":checkpoint": {"N": str(CHECKPOINT_AT)},
                },
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=_PAGES[bool(rows)],
                **page,
            )
            for item in answer["Items"]:
                size += len(item["data"]["B"])
                rows += 1
                try:
                    yield read_row(item)
                except (msgspec.MsgspecError, zlib.error, KeyError) as error:
                    _log.warning("replay row not read", source=source, reason=str(error))
            if "LastEvaluatedKey" not in answer or rows >= most_rows:
                return
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _read(rows: Iterator[Row], coverages: dict[Key, Coverage], *, since: int) -> None:
    """Add the rows' updates to the coverages until all are whole; ``since`` is the checkpoint's counter."""
    newest: list[Row] = []
    first_of_rest: Row | None = None
    for row in rows:
        if row.last <= since:
            first_of_rest = row
            break
        newest.append(row)
    for row in newest:
        for update in row.part.updates:
            if update.key in coverages:
                coverages[update.key].saw(update)
    for row in newest:
        _add(row, coverages)
    lacking = [coverage for coverage in coverages.values() if not coverage.whole]
    row_at_hand = first_of_rest
    while lacking and row_at_hand is not None:
        _add(row_at_hand, coverages)
        lacking = [coverage for coverage in lacking if not coverage.whole]
        row_at_hand = next(rows, None)


def _add(row: Row, coverages: dict[Key, Coverage]) -> None:
    for update in row.part.updates:
        coverage = coverages.get(update.key)
        if coverage is not None:
            coverage.add(update)
