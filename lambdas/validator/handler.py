"""trades-raw → trades-clean; rows that break a rule and unreadable records → trades-dlq."""

from typing import Annotated, Any

import msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer

from lambdas.delivery.aws import aws_client
from lambdas.delivery.dead_letters import DeadLetterQueue
from lambdas.delivery.event import BatchResponse, answer
from lambdas.delivery.letter_bodies import LetterBodies
from lambdas.delivery.output import OutputStream
from lambdas.delivery.retrying import CLIENT_CONFIG
from lambdas.delivery.settings import read_settings
from lambdas.delivery.stage_metrics import NAMESPACE, publish
from lambdas.delivery.state import PartitionStates, connect
from lambdas.delivery.stream_stage import StreamStage
from tickwire.records import RecordKind
from tickwire.stages.validator import ValidatorSettings, ValidatorStage
from tickwire.validation.state import ValidatorState


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment; ages in seconds, as in :class:`ValidatorSettings`.

    ``dead_letter_bucket`` takes records too large for a dead letter; without it they are cut short.
    """

    partitions: Annotated[int, msgspec.Meta(ge=1)]
    clean_stream: str
    trades_dlq_url: str
    state_url: str
    dead_letter_bucket: str = ""
    max_age_seconds: Annotated[float, msgspec.Meta(gt=0)] = ValidatorSettings().max_age_seconds
    max_ahead_seconds: Annotated[float, msgspec.Meta(gt=0)] = ValidatorSettings().max_ahead_seconds


logger = Logger()
metrics = Metrics(namespace=NAMESPACE)
tracer = Tracer(patch_modules=["botocore"])


def new_runner(settings: FunctionSettings) -> StreamStage[ValidatorState]:
    """Put the stage between its stream, store and queue."""
    stage = ValidatorStage(
        ValidatorSettings(max_age_seconds=settings.max_age_seconds, max_ahead_seconds=settings.max_ahead_seconds)
    )
    bodies = None
    if settings.dead_letter_bucket:
        bodies = LetterBodies(aws_client("s3", config=CLIENT_CONFIG), bucket=settings.dead_letter_bucket)
    return StreamStage(
        stage,
        input_kind=RecordKind.RAW,
        states=PartitionStates(connect(settings.state_url), stage),
        output=OutputStream(
            aws_client("kinesis", config=CLIENT_CONFIG), stream=settings.clean_stream, partitions=settings.partitions
        ),
        dead_letters=DeadLetterQueue(
            aws_client("sqs", config=CLIENT_CONFIG),
            queue_url=settings.trades_dlq_url,
            store=bodies.store if bodies is not None else None,
        ),
    )


runner = new_runner(read_settings(FunctionSettings))


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> BatchResponse:
    """Validate the records of a trades-raw event."""
    response, counts = runner.run(event, remaining=lambda: context.get_remaining_time_in_millis() / 1000)
    publish(metrics, counts)
    return answer(event, response)
