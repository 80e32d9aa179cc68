"""Rows and records that cannot go on, sent to an SQS queue with their reason.

A letter's key is the same however often the letter is sent; who reads the queue upserts by it. Only
ASCII JSON goes out, since SQS refuses some Unicode characters. A record that does not fit a message
goes to S3, and the letter names the object.
"""

import gzip
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.delivery.event import StreamInput
from lambdas.delivery.retrying import Backoff, Remaining, is_hopeless
from tickwire.dead_letter import IN_S3, StoreBody, stored_body
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


@dataclass(frozen=True, slots=True)
class LargeLetter:
    """The letter of a record that fits no message: ``fields`` without the record, and its bytes."""

    fields: dict[str, object]
    data: bytes
    time: int

    def message(self, store: StoreBody | None) -> str:
        """Give the message body, once ``store`` has put the record into S3.

        Without a store only the beginning of the record is kept.
        """
        return _body(self.fields | pack_payload("record", self.data, store=store, time=self.time))


Letter: TypeAlias = str | LargeLetter
"""A message body, or what becomes one when it is sent."""


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


def record_letter(item: StreamInput, error: DamagedRecord | UnknownRecordVersion) -> Letter:
    """Give the letter of a stream record that cannot be decoded."""
    rule = "unknown_record_version" if isinstance(error, UnknownRecordVersion) else "damaged_record"
    # The sequence number is in the key: the same bytes put twice are two happenings.
    key = sha256(item.sequence_number.encode() + b":" + item.data).hexdigest()[:32]
    fields: dict[str, object] = {
        "kind": "record",
        "key": key,
        "rule": rule,
        "detail": str(error),
        "partition": item.partition,
        "sequence_number": item.sequence_number,
        "time": item.arrival,
    }
    packed = pack_payload("record", item.data)
    return LargeLetter(fields, item.data, item.arrival) if packed["truncated"] else _body(fields | packed)


def pack_payload(
    field: str,
    data: bytes,
    *,
    limit: int = MAX_PAYLOAD_CHARACTERS,
    store: StoreBody | None = None,
    time: int | None = None,
) -> dict[str, object]:
    """Give ``{field: text, "encoding", "truncated", "sha256"}`` with at most ``limit`` characters of text.

    The text is base64; where that is too long, gzip before it; where that is still too long, the
    address of the S3 object that ``store`` wrote; and where there is no store, as much of the
    beginning as fits. ``sha256`` is always of the whole. ``time`` is when it happened, ns UTC.
    """
    encoding, truncated, text = "base64", False, b64encode(data).decode()
    if len(text) > limit:
        encoding, text = "gzip+base64", b64encode(gzip.compress(data, mtime=0)).decode()
    if len(text) > limit:
        if store is not None:
            encoding, text = IN_S3, store(stored_body(field, data, time=time))
        else:
            encoding, truncated, text = "base64", True, b64encode(data[: limit // 4 * 3]).decode()
    return {
        field: text,
        "encoding": encoding,
        "truncated": truncated,
        "sha256": sha256(data).hexdigest(),
    }


class DeadLetterQueue:
    """One SQS queue of dead letters, and the store for what fits no message (None: it is cut short)."""

    def __init__(
        self,
        client: Any,
        *,
        queue_url: str,
        store: StoreBody | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._store = store
        self._sleep = sleep

    def send(self, letters: Sequence[Letter], *, remaining: Remaining) -> None:
        """Send all letters, several batches at a time.

        Raises
        ------
        DeadLettersNotAccepted
            If the queue or the store refuses one, or time runs out; some may have been sent.
        """
        try:
            bodies = [letter if isinstance(letter, str) else letter.message(self._store) for letter in letters]
        except (BotoCoreError, ClientError) as error:
            raise DeadLettersNotAccepted(f"a record could not be stored: {error}") from error
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
