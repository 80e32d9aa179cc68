"""A visit to the WebSocket API, and what it came to as metrics."""

import asyncio
import time
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from lambdas.canary.visit import VisitFailed, visit
from lambdas.delivery.aws import aws_client
from lambdas.delivery.settings import read_settings
from lambdas.identity.tickets import Tickets
from lambdas.identity.user import Role, User

LIFE_SECONDS = 300
"""For how long the user of a visit is known: longer than any visit takes."""

logger = Logger()
metrics = Metrics(namespace="Tickwire")


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment.

    Attributes
    ----------
    websocket_url : where clients connect
    symbols : what to watch, ``venue:SYMBOL`` with commas between
    tickets_table : where the REST API leaves tickets
    """

    websocket_url: str
    symbols: str
    tickets_table: str


_settings = read_settings(FunctionSettings)
tickets = Tickets(aws_client("dynamodb", config=Config(connect_timeout=1, read_timeout=3)), _settings.tickets_table)


def address() -> str:
    """Give where to connect, with a ticket of our own."""
    ticket = tickets.issue(User("canary", (Role.VIEWER,), int(time.time()) + LIFE_SECONDS))
    return f"{_settings.websocket_url}?ticket={ticket}"


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Visit once; a visit that fails is a result, not an error of this function."""
    try:
        done = asyncio.run(visit(address(), symbols=_settings.symbols.split(",")))
    except VisitFailed as failure:
        logger.error("visit failed", step=failure.step, reason=failure.reason)
        metrics.add_metric(name="CanarySuccess", unit=MetricUnit.Count, value=0)
        return {"succeeded": False, "step": failure.step, "reason": failure.reason}
    metrics.add_metric(name="CanarySuccess", unit=MetricUnit.Count, value=1)
    for name, value in {
        "CanaryConnect": done.connect,
        "CanaryUpdate": done.update,
        "CanaryLatency": done.latency,
    }.items():
        metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=value)
    return {"succeeded": True, "latency_ms": done.latency}
