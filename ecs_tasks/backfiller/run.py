"""Puts the task together from its settings, and runs it until it is told to stop."""

import asyncio
import secrets
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

from ecs_tasks.backfiller.budgets import NewBudget, common_budgets, own_budget
from ecs_tasks.backfiller.minutes import into
from ecs_tasks.backfiller.settings import BackfillerSettings
from ecs_tasks.backfiller.states import ValidatorStates
from ecs_tasks.backfiller.task import BackfillerTask, Companion, say
from ecs_tasks.ingestor.aws import KinesisPut, SqsSend, body_store, client
from ecs_tasks.ingestor.publisher import Put
from ecs_tasks.shared.leases import Leases
from lambdas.delivery.state import connect

THREADS = 32
"""For calls that block: a call to the table of budgets may take seconds, and the states must be read meanwhile."""


def new_task(settings: BackfillerSettings) -> BackfillerTask:
    """Give the task over AWS and Valkey; nothing is reached yet."""
    leases: Leases | None = None
    new_budget: NewBudget = own_budget
    if settings.coordination_table:
        dynamodb = client("dynamodb", connections=16)
        holder = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        leases = Leases(dynamodb, table=settings.coordination_table, holder=holder)
        new_budget = common_budgets(dynamodb, table=settings.coordination_table, address=settings.address)
    put = KinesisPut(
        client("kinesis", connections=8), stream=settings.raw_stream, partitions=settings.partitions, concurrency=8
    )
    bucket = settings.dead_letter_bucket
    return BackfillerTask(
        settings,
        states=ValidatorStates(connect(settings.state_url), partitions=settings.partitions),
        put=put,
        send=SqsSend(
            client("sqs", connections=4),
            queue_url=settings.frames_dlq_url,
            concurrency=4,
            store=body_store(client("s3", connections=4), bucket=bucket) if bucket else None,
        ),
        leases=leases,
        new_budget=new_budget,
        fill_minutes=into(connect(settings.minutes_url)) if settings.minutes_url else None,
        companion=_bar_repair(settings, put) if settings.repairs_bars else None,
    )


async def run_task(settings: BackfillerSettings) -> int:
    """Run the task until SIGTERM or SIGINT; gives the exit status, 1 if something was not sent on."""
    task = new_task(settings)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "backfiller"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.stop)
    drained = await task.run()
    say({"event": "stopped", "stats": task.stats_json()})
    return 0 if drained else 1


def _bar_repair(settings: BackfillerSettings, put: Put) -> Companion:
    # Imported only here: a task without bar repair spares the memory of PyArrow and PyIceberg.
    from ecs_tasks.backfiller.bar_repair import new_bar_repairs
    from lambdas.postgres.database import DatabaseSettings

    return new_bar_repairs(
        put,
        database=DatabaseSettings(database_url=settings.database_url, database_iam=settings.database_iam),
        lake_database=settings.lake_database,
        lake_bucket=settings.lake_bucket,
    )
