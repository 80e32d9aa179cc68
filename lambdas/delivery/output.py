"""Puts a stage's records into its output stream, in order within each partition.

A stage that works through a backlog has many records for a partition, and one call each would make
the round trip the limit. So consecutive envelopes of a partition share a stream record, back to
back, as many as fit. How they are grouped follows the batch; what they say and their counters do
not, and it is by these that the next stage knows repeats.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.delivery.retrying import Backoff, Remaining, is_hopeless
from tickwire.envelope import MAX_RECORD_BYTES, encode
from tickwire.errors import TickwireError
from tickwire.partitions import explicit_hash_key
from tickwire.records import Header, Record

MAX_CALL_RECORDS = 500
MAX_CALL_BYTES = 5 * 1024 * 1024
"""Limits of one PutRecords call (Kinesis API reference); partition keys count as bytes too."""


class OutputNotAccepted(TickwireError):
    """The stream did not take all of a partition's records in the time there was."""


class RecordTooLarge(TickwireError):
    """A record is above the stream's limit and can never be put."""


class _Entry(TypedDict):
    Data: bytes
    PartitionKey: str
    ExplicitHashKey: str


class OutputStream:
    """One Kinesis stream that a stage writes to.

    PutRecords fails record by record without keeping order, so that a call carries at most one
    stream record of a partition, and the partition's next one goes only after that was accepted.
    """

    def __init__(
        self,
        client: Any,
        *,
        stream: str,
        partitions: int,
        clock: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._stream = stream
        self._partitions = partitions
        self._clock = clock
        self._sleep = sleep

    def put(
        self, outputs: Mapping[int, Sequence[Record]], *, stage: str, remaining: Remaining
    ) -> dict[int, TickwireError]:
        """Put each partition's records in order; give an error for each partition not fully taken.

        Just before it goes out, each record gets a hop ``(stage, now)``, and the trace of a sampled one goes on from
        here. Refused records are tried again with backoff while ``remaining()`` seconds allow.
        """
        queues = {partition: deque(records) for partition, records in outputs.items() if records}
        heads: dict[int, _Entry] = {}
        failures: dict[int, TickwireError] = {}
        backoff = Backoff(remaining, sleep=self._sleep)
        while queues:
            for partition, queue in list(queues.items()):
                if partition not in heads:
                    try:
                        heads[partition] = self._entry(queue, stage)
                    except RecordTooLarge as error:
                        failures[partition] = error
                        del queues[partition]
            refused: dict[int, str] = {}
            for call in _calls(heads):
                refused |= self._put_once({partition: heads[partition] for partition in call})
            for partition in heads.keys() - refused.keys():
                del heads[partition]
                if not queues[partition]:
                    del queues[partition]
            if not refused:
                backoff.reset()
            elif not backoff.wait():
                failures |= {p: OutputNotAccepted(f"{self._stream} partition {p}: {why}") for p, why in refused.items()}
                failures |= {
                    p: OutputNotAccepted(f"{self._stream} partition {p}: out of time")
                    for p in queues.keys() - refused.keys()
                }
                break
        return failures

    def _entry(self, queue: deque[Record], stage: str) -> "_Entry":
        """Take from the queue what fits into one stream record."""
        partition = queue[0].header.partition
        key = str(partition)
        data = bytearray()
        while queue:
            record = queue[0]
            header = _handed_on(record.header, stage, self._clock())
            envelope = encode(replace(record, header=header))
            if len(data) + len(envelope) + len(key) > MAX_RECORD_BYTES:
                if not data:
                    raise RecordTooLarge(
                        f"{self._stream} partition {partition} counter {header.counter}: {len(envelope)} bytes"
                    )
                break
            data += envelope
            queue.popleft()
        return {
            "Data": bytes(data),
            "PartitionKey": key,
            "ExplicitHashKey": explicit_hash_key(partition, self._partitions),
        }

    def _put_once(self, entries: dict[int, _Entry]) -> dict[int, str]:
        """Give the reason for each partition whose record was refused."""
        try:
            answer = self._client.put_records(StreamName=self._stream, Records=list(entries.values()))
        except (BotoCoreError, ClientError) as error:
            if is_hopeless(error):
                raise
            return dict.fromkeys(entries, str(error))
        return {
            partition: f"{result['ErrorCode']}: {result.get('ErrorMessage', '')}"
            for partition, result in zip(entries, answer["Records"], strict=True)
            if result.get("ErrorCode")
        }


def _handed_on(header: Header, stage: str, now: int) -> Header:
    trace = None if header.trace is None else header.trace.after(stage)
    return msgspec.structs.replace(header, hops=(*header.hops, (stage, now)), trace=trace)


def _calls(heads: Mapping[int, _Entry]) -> Iterator[list[int]]:
    call: list[int] = []
    size = 0
    for partition, entry in heads.items():
        entry_size = len(entry["Data"]) + len(entry["PartitionKey"])
        if call and (len(call) == MAX_CALL_RECORDS or size + entry_size > MAX_CALL_BYTES):
            yield call
            call, size = [], 0
        call.append(partition)
        size += entry_size
    if call:
        yield call
