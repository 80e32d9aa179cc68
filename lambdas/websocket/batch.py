"""BatchWriteItem in chunks, in parallel, with what DynamoDB leaves over tried again."""

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

_log = Logger()

MAX_BATCH_ITEMS = 25
_ATTEMPTS = 3

Name = TypeVar("Name")


def write_batch(
    client: Any, table: str, requests: Sequence[tuple[Name, dict[str, Any]]], *, pool: Executor
) -> list[Name]:
    """Write named requests (``PutRequest``, ``DeleteRequest``); give the names of those not written.

    No two requests may be for the same key.
    """
    chunks = [requests[n : n + MAX_BATCH_ITEMS] for n in range(0, len(requests), MAX_BATCH_ITEMS)]
    if len(chunks) <= 1:
        return [name for chunk in chunks for name in _write(client, table, chunk)]
    return [name for names in pool.map(lambda chunk: _write(client, table, chunk), chunks) for name in names]


def _write(client: Any, table: str, chunk: Sequence[tuple[Name, dict[str, Any]]]) -> list[Name]:
    waiting = [request for _, request in chunk]
    for _ in range(_ATTEMPTS):
        try:
            answer = client.batch_write_item(RequestItems={table: waiting})
        except (BotoCoreError, ClientError) as error:
            # botocore has tried again already; who called decides what a lost row means.
            _log.warning("batch not written", table=table, rows=len(waiting), reason=str(error))
            break
        waiting = answer.get("UnprocessedItems", {}).get(table, [])
        if not waiting:
            return []
    return [name for name, request in chunk if request in waiting]
