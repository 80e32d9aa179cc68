"""trades-clean → market-events."""

from typing import Annotated, Any

import msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer

from lambdas.delivery.aws import aws_client
from lambdas.delivery.event import BatchResponse, answer
from lambdas.delivery.output import OutputStream
from lambdas.delivery.retrying import CLIENT_CONFIG
from lambdas.delivery.settings import read_settings
from lambdas.delivery.stage_metrics import NAMESPACE, publish
from lambdas.delivery.state import PartitionStates, connect
from lambdas.delivery.stream_stage import StreamStage
from tickwire.records import RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.signals_state import SignalsState


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment."""

    partitions: Annotated[int, msgspec.Meta(ge=1)]
    events_stream: str
    state_url: str


logger = Logger()
metrics = Metrics(namespace=NAMESPACE)
tracer = Tracer(patch_modules=["botocore"])


def new_runner(settings: FunctionSettings) -> StreamStage[SignalsState]:
    """Put the stage between its stream and store."""
    stage = SignalsStage(SignalsSettings())
    return StreamStage(
        stage,
        input_kind=RecordKind.CLEAN,
        states=PartitionStates(connect(settings.state_url), stage),
        output=OutputStream(
            aws_client("kinesis", config=CLIENT_CONFIG), stream=settings.events_stream, partitions=settings.partitions
        ),
    )


runner = new_runner(read_settings(FunctionSettings))


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> BatchResponse:
    """Derive the events of the records of a trades-clean event."""
    response, counts = runner.run(event, remaining=lambda: context.get_remaining_time_in_millis() / 1000)
    publish(metrics, counts)
    return answer(event, response)
