"""The task against AWS: its clients, its signals, its exit status."""

import asyncio
import json
import signal
import sys
from typing import Any

from ecs_tasks.ingestor.aws import KinesisPut, SqsSend, body_store, client
from ecs_tasks.ingestor.coordination import new_coordination
from ecs_tasks.ingestor.lease_calls import THREADS
from ecs_tasks.ingestor.settings import IngestorSettings
from ecs_tasks.ingestor.task import IngestorTask
from ecs_tasks.ingestor.traces import RecordTraces, xray_segments


async def run_task(settings: IngestorSettings) -> int:
    """Run the task until SIGTERM or SIGINT; gives the exit status, 1 if something was not accepted.

    Raises
    ------
    UnknownSymbol, ValueError
        If a venue cannot have a symbol, or so many.
    NoCoordinationTable
        If there is no such table.
    OSError
        If the port of ``/health`` is taken.
    """
    concurrency = settings.put_concurrency
    put = KinesisPut(
        client("kinesis", connections=concurrency),
        stream=settings.raw_stream,
        partitions=settings.partitions,
        concurrency=concurrency,
    )
    bucket = settings.dead_letter_bucket
    send = SqsSend(
        client("sqs", connections=4),
        queue_url=settings.frames_dlq_url,
        concurrency=4,
        store=body_store(client("s3", connections=4), bucket=bucket) if bucket else None,
    )
    # Answers within milliseconds or not at all, and leases run out meanwhile.
    dynamodb = client("dynamodb", connections=2 * THREADS, connect_timeout=1, read_timeout=2)
    task = IngestorTask(
        settings,
        put=put,
        send=send,
        coordination=new_coordination(settings, dynamodb),
        traces=_new_traces(settings),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.stop)
    drained = await task.run(listening=lambda port: _say({"event": "listening", "port": port}))
    _say({"event": "stopped", "stats": task.stats_json()})
    return 0 if drained else 1


def _new_traces(settings: IngestorSettings) -> RecordTraces | None:
    if not settings.trace_every:
        return None
    xray = client("xray", connections=1, connect_timeout=1, read_timeout=2)
    return RecordTraces(every=settings.trace_every, send=xray_segments(xray))


def _say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
