"""market-events → market-events: the mood of the market, whales over several venues, prices that disagree."""

from typing import Annotated, Any

import msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer

from lambdas.delivery.aws import aws_client
from lambdas.delivery.event import BatchResponse, answer
from lambdas.delivery.output import OutputStream
from lambdas.delivery.retrying import CLIENT_CONFIG
from lambdas.delivery.settings import read_settings
from lambdas.delivery.stage_metrics import NAMESPACE, publish
from lambdas.delivery.state import connect
from lambdas.market.market_function import MarketFunction


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment."""

    partitions: Annotated[int, msgspec.Meta(ge=1)]
    events_stream: str
    state_url: str


logger = Logger()
metrics = Metrics(namespace=NAMESPACE)
tracer = Tracer(patch_modules=["botocore"])


def new_function(settings: FunctionSettings) -> MarketFunction:
    """Put the function between its stream and store."""
    output = OutputStream(
        aws_client("kinesis", config=CLIENT_CONFIG), stream=settings.events_stream, partitions=settings.partitions
    )
    return MarketFunction(connect(settings.state_url), output, partitions=settings.partitions)


function = new_function(read_settings(FunctionSettings))


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> BatchResponse:
    """Conclude what the records of a market-events event make complete."""
    response, counts = function.run(event, remaining=lambda: context.get_remaining_time_in_millis() / 1000)
    publish(metrics, counts)
    return answer(event, response)
