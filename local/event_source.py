"""Runs Kinesis event-source mappings against an emulator: reads the shards, invokes the functions."""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from local.shard_delivery import (
    Batcher,
    EventSourceMapping,
    MappingStatistics,
    ShardDelivery,
    StreamRecord,
    Throttled,
)

_FED_IDLE_SECONDS = 0.1


class _News:
    """Tells the readers of a stream that something may have been written to it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def announce(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> int:
        """Wait for news after ``seen``, at most so long; give what has been seen now."""
        with self._changed:
            self._changed.wait_for(lambda: self._count != seen, seconds)
            return self._count


class EventSource:
    """Runs mappings against a Kinesis and a Lambda endpoint, one thread a shard and mapping.

    Parameters
    ----------
    writes : function name → stream that it writes to. Enhanced fan-out pushes records within some
        70 ms; polling as fast for every stream would cost the laptop a core. So readers look when a
        function that feeds their stream has just run, and else only every ``_FED_IDLE_SECONDS``.
        A stream that no function here feeds is polled every ``idle_seconds``.
    """

    def __init__(
        self,
        mappings: Sequence[EventSourceMapping],
        *,
        endpoint_url: str,
        writes: Mapping[str, str] | None = None,
        idle_seconds: float = 0.015,
    ) -> None:
        self._mappings = mappings
        self._endpoint_url = endpoint_url
        self._writes = writes or {}
        self._idle_seconds = idle_seconds
        self._news = {mapping.stream_name: _News() for mapping in mappings}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._busy: dict[tuple[str, str], bool] = {}
        self.statistics = {mapping.function_name: MappingStatistics() for mapping in mappings}

    def start(self) -> None:
        """Find every stream's shards and start delivering."""
        kinesis = self._client("kinesis")
        for mapping in self._mappings:
            for shard in kinesis.list_shards(StreamName=mapping.stream_name)["Shards"]:
                thread = threading.Thread(
                    target=self._run,
                    args=(mapping, shard["ShardId"]),
                    name=f"{mapping.function_name}-{shard['ShardId'][-4:]}",
                    daemon=True,
                )
                self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    def stop(self, *, seconds: float = 30.0) -> None:
        """Let running invocations end, then stop. What is not delivered stays in the stream."""
        self._stopping.set()
        for news in self._news.values():
            news.announce()
        for thread in self._threads:
            thread.join(seconds)

    @property
    def idle(self) -> bool:
        """Whether every mapping had, at its last look, delivered all that its shards held."""
        return not any(self._busy.values())

    def _client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"max_attempts": 2, "mode": "standard"},
            read_timeout=900,
            max_pool_connections=4,
            s3={"addressing_style": "path"},
        )
        return boto3.client(service, endpoint_url=self._endpoint_url, config=config)

    def _run(self, mapping: EventSourceMapping, shard_id: str) -> None:
        kinesis, functions = self._client("kinesis"), self._client("lambda")
        statistics = self.statistics[mapping.function_name]
        key = (mapping.function_name, shard_id)
        delivery = ShardDelivery(
            mapping,
            shard_id=shard_id,
            invoke=lambda event: _invoke(functions, mapping.function_name, event),
            give_up=lambda records, message: self._store_given_up(mapping, shard_id, message),
            stopping=self._stopping,
            statistics=statistics,
            region=functions.meta.region_name,
        )
        batcher = Batcher(batch_size=mapping.batch_size, window_seconds=mapping.maximum_batching_window_seconds)
        iterator = ""
        after = ""
        news, seen = self._news[mapping.stream_name], 0
        written = self._news.get(self._writes.get(mapping.function_name, ""))
        fed = mapping.stream_name in self._writes.values()
        idle = _FED_IDLE_SECONDS if fed else self._idle_seconds
        # A mapping with a window need not look more often than the window asks for.
        window = mapping.maximum_batching_window_seconds
        self._busy[key] = True
        while not self._stopping.is_set():
            try:
                if not iterator:
                    iterator = self._iterator(kinesis, mapping, shard_id, after)
                limit = min(10_000, max(1, mapping.batch_size))
                reply = kinesis.get_records(ShardIterator=iterator, Limit=limit)
            except Exception as error:
                # Expired iterators and a service that is away are waited out, as Lambda does.
                statistics.last_error = f"reading {mapping.stream_name}: {error}"[:500]
                iterator = ""
                self._stopping.wait(0.5)
                continue
            iterator = reply.get("NextShardIterator") or ""
            records = [
                StreamRecord(
                    r["SequenceNumber"], r["PartitionKey"], r["Data"], r["ApproximateArrivalTimestamp"].timestamp()
                )
                for r in reply["Records"]
            ]
            if records:
                after = records[-1].sequence_number
                self._busy[key] = True
            batcher.add(records, time.monotonic())
            delivered = False
            while batch := batcher.take(time.monotonic()):
                delivered = True
                if not delivery.deliver(batch):
                    return
                if written is not None:
                    written.announce()
                statistics.add(records=len(batch))
            if not records:
                self._busy[key] = batcher.waiting > 0
                if not delivered and window:
                    self._stopping.wait(window / 4)
                elif not delivered:
                    seen = news.wait(seen, idle)

    def _iterator(self, kinesis: Any, mapping: EventSourceMapping, shard_id: str, after: str) -> str:
        arguments: dict[str, Any] = {"StreamName": mapping.stream_name, "ShardId": shard_id}
        if after:
            arguments |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        else:
            arguments |= {"ShardIteratorType": mapping.starting_position}
        return str(kinesis.get_shard_iterator(**arguments)["ShardIterator"])

    def _store_given_up(self, mapping: EventSourceMapping, shard_id: str, message: Mapping[str, Any]) -> None:
        if mapping.on_failure_bucket is None:
            return
        now = time.gmtime()
        name = (
            f"aws/lambda/{mapping.function_name}/{shard_id}/{time.strftime('%Y/%m/%d', now)}/"
            f"{time.strftime('%Y-%m-%dT%H.%M.%S', now)}-{uuid.uuid4()}"
        )
        with contextlib.closing(self._client("s3")) as s3:
            s3.put_object(Bucket=mapping.on_failure_bucket, Key=name, Body=json.dumps(message).encode())


def _invoke(functions: Any, name: str, event: Mapping[str, Any]) -> tuple[str | None, Any]:
    try:
        reply = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    except functions.exceptions.TooManyRequestsException as error:
        raise Throttled(str(error)) from error
    except Exception as error:
        return f"{type(error).__name__}: {error}", None
    body = reply["Payload"].read()
    try:
        response = json.loads(body) if body else None
    except ValueError:
        response = None
    if reply.get("FunctionError"):
        text = response.get("errorMessage", "") if isinstance(response, dict) else body.decode(errors="replace")
        return f"{reply['FunctionError']}: {text}", response
    return None, response
