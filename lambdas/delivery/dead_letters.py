"""Rows and records that cannot go on, sent to an SQS queue with their reason.

A letter's key is the same however often the letter is sent; who reads the queue upserts by it. Only
ASCII JSON goes out, since SQS refuses some Unicode characters.
"""

import gzip
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.delivery.event import StreamInput
from lambdas.delivery.retrying import Backoff, Remaining, is_hopeless
from tickwire.errors import DamagedRecord, TickwireError, UnknownRecordVersion
from tickwire.records import Quarantined

MAX_BATCH_MESSAGES = 10
MAX_BATCH_BYTES = 1024 * 1024
"""Limits of one SendMessageBatch call; a single message may be as large as a call (SQS quotas)."""

MAX_PAYLOAD_CHARACTERS = MAX_BATCH_BYTES - 8 * 1024
"""Room for base64 text in a message, the rest being the letter's other fields."""

_THREADS = 8


class DeadLettersNotAccepted(TickwireError):
    """The queue did not take all letters in the time there was."""


def trade_letter(row: Quarantined) -> str:
    """Give the message body for a row that broke a rule."""
    return _body(
        {
            "kind": "trade",
            "key": row.key,
            "rule": row.rule,
            "detail": row.detail,
            "venue": row.venue,
            "symbol": row.symbol,
            "row": msgspec.structs.asdict(row),
            "time": row.receive_time,
        }
    )


def record_letter(item: StreamInput, error: DamagedRecord | UnknownRecordVersion) -> str:
    """Give the message body for a stream record that cannot be decoded."""
    rule = "unknown_record_version" if isinstance(error, UnknownRecordVersion) else "damaged_record"
    # The sequence number is in the key: the same bytes put twice are two happenings.
    key = sha256(item.sequence_number.encode() + b":" + item.data).hexdigest()[:32]
    return _body(
        {
            "kind": "record",
            "key": key,
            "rule": rule,
            "detail": str(error),
            "partition": item.partition,
            "sequence_number": item.sequence_number,
            **pack_payload("record", item.data),
            "time": item.arrival,
        }
    )


def pack_payload(field: str, data: bytes, *, limit: int = MAX_PAYLOAD_CHARACTERS) -> dict[str, object]:
    """Give ``{field: text, "encoding", "truncated", "sha256"}`` with at most ``limit`` characters of text.

    The text is base64; where that is too long, gzip before it; where that is still too long, as much
    of the beginning as fits. ``sha256`` is always of the whole.
    """
    encoding, truncated, content = "base64", False, b64encode(data)
    if len(content) > limit:
        encoding, content = "gzip+base64", b64encode(gzip.compress(data, mtime=0))
    if len(content) > limit:
        encoding, truncated, content = "base64", True, b64encode(data[: limit // 4 * 3])
    return {
        field: content.decode(),
        "encoding": encoding,
        "truncated": truncated,
        "sha256": sha256(data).hexdigest(),
    }


class DeadLetterQueue:
    """One SQS queue of dead letters."""

    def __init__(self, client: Any, *, queue_url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._queue_url = queue_url
        self._sleep = sleep

    def send(self, bodies: Sequence[str], *, remaining: Remaining) -> None:
        """Send all letters, several batches at a time.

        Raises
        ------
        DeadLettersNotAccepted
            If the queue refuses one, or time runs out; some may have been sent.
        """
        batches = list(_batches(bodies))
        if len(batches) == 1:
            self._send_batch(batches[0], remaining)
        elif batches:
            with ThreadPoolExecutor(min(_THREADS, len(batches))) as pool:
                for _ in pool.map(lambda batch: self._send_batch(batch, remaining), batches):
                    pass

    def _send_batch(self, bodies: Sequence[str], remaining: Remaining) -> None:
        waiting = {str(n): body for n, body in enumerate(bodies)}
        backoff = Backoff(remaining, sleep=self._sleep)
        while True:
            entries = [{"Id": key, "MessageBody": body} for key, body in waiting.items()]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                if is_hopeless(error):
                    raise DeadLettersNotAccepted(str(error)) from error
                reason = str(error)
            else:
                refused = answer.get("Failed", [])
                if not refused:
                    return
                reason = f"{refused[0]['Code']}: {refused[0].get('Message', '')}"
                if any(failure.get("SenderFault") for failure in refused):
                    raise DeadLettersNotAccepted(reason)
                waiting = {failure["Id"]: waiting[failure["Id"]] for failure in refused}
            if not backoff.wait():
                raise DeadLettersNotAccepted(f"out of time; last: {reason}")


def _batches(bodies: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for body in bodies:
        if batch and (len(batch) == MAX_BATCH_MESSAGES or size + len(body) > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += len(body)
    if batch:
        yield batch


def _body(letter: dict[str, object]) -> str:
    return json.dumps(letter, separators=(",", ":"), ensure_ascii=True)
