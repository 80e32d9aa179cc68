"""DynamoDB's tables in memory, for tests that are too many for an emulator: items, batches, ranges, and failures."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]
_MOST = Decimal(10) ** 30
_PAGE = 1_000


class Crash(Exception):
    """The process ends here."""


class Inline(Executor):
    """Runs everything at once, in the caller's thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class MemoryTables:
    """Answers as DynamoDB's client does, for tables with a text and a number as key.

    Parameters
    ----------
    pages
        How many items an answer of a table's query has at most.

    Attributes
    ----------
    fuse : after how many batches written the process crashes; None for never
    crash_after : whether the batch it crashes at is written
    refuse : names of tables that take no writes
    """

    def __init__(self, keys: Mapping[str, tuple[str, str]], *, pages: Mapping[str, int] | None = None) -> None:
        self._keys = keys
        self._pages = pages or {}
        self.items: dict[str, dict[tuple[str, Decimal], Item]] = {table: {} for table in keys}
        self.fuse: int | None = None
        self.crash_after = False
        self.refuse: set[str] = set()

    def batch_write_item(self, *, RequestItems: dict[str, list[Item]]) -> Item:  # noqa: N803
        ((table, requests),) = RequestItems.items()
        places = [self._place(table, request["PutRequest"]["Item"]) for request in requests]
        assert 0 < len(places) <= 25, "BatchWriteItem takes 25 items"
        assert len(set(places)) == len(places), "BatchWriteItem takes no place twice"
        crashes = self.fuse == 0
        if self.fuse is not None:
            self.fuse -= 1
        if table in self.refuse and not crashes:
            raise ClientError({"Error": {"Code": "InternalServerError"}}, "BatchWriteItem")
        if not crashes or self.crash_after:
            for place, request in zip(places, requests, strict=True):
                self.items[table][place] = request["PutRequest"]["Item"]
        if crashes:
            raise Crash
        return {}

    def get_item(self, *, TableName: str, Key: Item, **_: Any) -> Item:  # noqa: N803
        item = self.items[TableName].get(self._place(TableName, Key))
        return {} if item is None else {"Item": item}

    def batch_get_item(self, *, RequestItems: dict[str, Item]) -> Item:  # noqa: N803
        ((table, request),) = RequestItems.items()
        found = (self.items[table].get(self._place(table, key)) for key in request["Keys"])
        return {"Responses": {table: [item for item in found if item is not None]}}

    def update_item(self, **_: Any) -> Item:
        return {}

    def query(self, *, TableName: str, ExpressionAttributeValues: Item, **request: Any) -> Item:  # noqa: N803
        values = dict(ExpressionAttributeValues)
        partition = next(value["S"] for value in values.values() if "S" in value)
        condition = request["KeyConditionExpression"]
        numbers = [Decimal(value["N"]) for value in values.values() if "N" in value]
        if "BETWEEN" in condition:
            low, high = numbers
        elif ">" in condition:
            low, high = numbers[0] + Decimal("0.0001"), _MOST
        else:
            low, high = -_MOST, _MOST
        found = sorted(place for place in self.items[TableName] if place[0] == partition and low <= place[1] <= high)
        if not request.get("ScanIndexForward", True):
            found.reverse()
        start = 0
        if "ExclusiveStartKey" in request:
            start = found.index(self._place(TableName, request["ExclusiveStartKey"])) + 1
        page = self._pages.get(TableName, _PAGE)
        end = start + min(page, request.get("Limit", page))
        answer: Item = {"Items": [self.items[TableName][place] for place in found[start:end]]}
        if end < len(found):
            name, number = self._keys[TableName]
            last = answer["Items"][-1]
            answer["LastEvaluatedKey"] = {name: last[name], number: last[number]}
        return answer

    def rows(self, table: str) -> Iterator[Item]:
        """Give every row of a table."""
        yield from self.items[table].values()

    def drop(self, table: str, *, before: float) -> None:
        """Let TTL remove what expired before a time (s UTC)."""
        rows = self.items[table]
        for place in [place for place, item in rows.items() if int(item["expires"]["N"]) < before]:
            del rows[place]

    def _place(self, table: str, item: Item) -> tuple[str, Decimal]:
        name, number = self._keys[table]
        return item[name]["S"], Decimal(item[number]["N"])
