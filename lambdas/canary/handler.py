"""A visit to the WebSocket API, and what it came to as metrics."""

import asyncio
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.canary.visit import VisitFailed, visit
from lambdas.delivery.settings import read_settings

logger = Logger()
metrics = Metrics(namespace="Tickwire")


class FunctionSettings(msgspec.Struct, frozen=True):
    """``websocket_url`` is where clients connect, ``symbols`` what to watch, ``venue:SYMBOL`` with commas between."""

    websocket_url: str
    symbols: str


_settings = read_settings(FunctionSettings)


def address() -> str:
    """Give where to connect, with all that a client must bring."""
    return _settings.websocket_url


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
