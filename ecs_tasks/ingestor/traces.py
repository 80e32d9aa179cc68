"""Begins a trace at one record in many, and tells X-Ray once Kinesis has accepted it.

What X-Ray does not take is dropped: trades never wait for a picture of their way.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec

from ecs_tasks.ingestor.aws_errors import CALL_ERRORS, error_code
from ecs_tasks.ingestor.logs import log
from tickwire.records import Record
from tickwire.trace import Trace, begin_trace

STAGE = "ingestor"
MAX_DOCUMENTS = 50
"""Segments in one call, as X-Ray's own daemon sends them; no more wait for it, and older ones are dropped."""
SEND_SECONDS = 1.0
LOG_EVERY_SECONDS = 300.0

SendSegments = Callable[[Sequence[str]], None]
"""Sends segment documents; may block, and raise any of ``CALL_ERRORS``."""


class RecordTraces:
    """Samples records of trades.

    Parameters
    ----------
    every : one record of trades in so many is traced
    """

    def __init__(
        self, *, every: int, send: SendSegments, unique: Callable[[], bytes] = lambda: secrets.token_bytes(12)
    ) -> None:
        self._every = every
        self._send = send
        self._unique = unique
        self._seen = 0
        self._waiting: deque[str] = deque(maxlen=MAX_DOCUMENTS)
        # Not asyncio's own threads: while X-Ray does not answer, this one waits for it.
        self._thread = ThreadPoolExecutor(1, "traces")
        self._logged = float("-inf")

    def sample(self, record: Record) -> Record:
        """Give a record back, with a trace in its head if it is one of those to follow."""
        if not len(record.trades):
            return record
        self._seen += 1
        if self._seen % self._every:
            return record
        trace = begin_trace(time=record.header.created, unique=self._unique()).after(STAGE)
        return replace(record, header=msgspec.structs.replace(record.header, trace=trace))

    def accepted(self, record: Record, *, put: tuple[int, int]) -> None:
        """Take note that Kinesis accepted a record; ``put`` is when it was made and when accepted, ns UTC."""
        trace = record.header.trace
        if trace is None or not len(record.trades):
            return
        received = int(record.trades.receive_time.min())
        annotations: dict[str, str | int] = {
            "partition": record.header.partition,
            "venue": record.trades.instruments[0].venue,
            "trades": len(record.trades),
        }
        document = Trace(trace.id, b"").segment(STAGE, work=(received, put[1]), put=put, annotations=annotations)
        self._waiting.append(document.decode())

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await asyncio.sleep(SEND_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Send what waits, once."""
        if not self._waiting:
            return
        documents = list(self._waiting)
        self._waiting.clear()
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._send, documents)
        except CALL_ERRORS as error:
            now = time.monotonic()
            if now - self._logged >= LOG_EVERY_SECONDS:
                self._logged = now
                log(logging.WARNING, "traces were not accepted and are dropped", code=error_code(error))


def xray_segments(client: Any) -> SendSegments:
    """Give what sends documents by PutTraceSegments."""

    def send(documents: Sequence[str]) -> None:
        client.put_trace_segments(TraceSegmentDocuments=list(documents))

    return send
