"""trades-clean → market-events; the model's endpoint is asked once a minute for all symbols of a partition."""

from typing import Annotated, Any

import msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer

from lambdas.delivery.aws import aws_client
from lambdas.delivery.event import BatchResponse, answer
from lambdas.delivery.minute_store import MinuteStore
from lambdas.delivery.output import OutputStream
from lambdas.delivery.retrying import CLIENT_CONFIG
from lambdas.delivery.settings import read_settings
from lambdas.delivery.stage_metrics import NAMESPACE, publish
from lambdas.delivery.state import PartitionStates, connect
from lambdas.delivery.stream_stage import StreamStage
from lambdas.signals.forecast_metrics import ForecastCounts, publish_forecasts
from tickwire.forecast.endpoint import CLIENT_CONFIG as ENDPOINT_CONFIG
from tickwire.forecast.endpoint import EndpointForecaster
from tickwire.forecast.trading_signals import Costs
from tickwire.model.features import SCHEMA
from tickwire.records import RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.signals_state import SignalsState


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment.

    ``model_endpoint`` names the endpoint that predicts; without it there are no predictions. ``fee_bps`` and
    ``slippage_bps`` are what one side of a trade costs, in basis points.
    """

    partitions: Annotated[int, msgspec.Meta(ge=1)]
    events_stream: str
    state_url: str
    model_endpoint: str = ""
    fee_bps: Annotated[float, msgspec.Meta(ge=0, le=1_000)] = 1e4 * Costs().fee
    slippage_bps: Annotated[float, msgspec.Meta(ge=0, le=1_000)] = 1e4 * Costs().slippage


logger = Logger()
metrics = Metrics(namespace=NAMESPACE)
tracer = Tracer(patch_modules=["botocore"])


def new_forecaster(settings: FunctionSettings) -> EndpointForecaster | None:
    """Make the client of the endpoint; None where none is named."""
    if not settings.model_endpoint:
        return None
    client = aws_client("sagemaker-runtime", config=ENDPOINT_CONFIG)
    return EndpointForecaster(client, endpoint=settings.model_endpoint, schema=SCHEMA)


def new_runner(
    settings: FunctionSettings, forecaster: EndpointForecaster | None, counts: ForecastCounts
) -> StreamStage[SignalsState]:
    """Put the stage between its stream, stores and endpoint."""
    costs = Costs(fee=settings.fee_bps / 1e4, slippage=settings.slippage_bps / 1e4)
    client = connect(settings.state_url)
    stage = SignalsStage(SignalsSettings(costs=costs), history=MinuteStore(client), forecaster=forecaster)
    return StreamStage(
        stage,
        input_kind=RecordKind.CLEAN,
        states=PartitionStates(client, stage),
        output=OutputStream(
            aws_client("kinesis", config=CLIENT_CONFIG), stream=settings.events_stream, partitions=settings.partitions
        ),
        saved=counts.add,
    )


_settings = read_settings(FunctionSettings)
forecaster = new_forecaster(_settings)
forecasts = ForecastCounts()
runner = new_runner(_settings, forecaster, forecasts)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> BatchResponse:
    """Derive the events of the records of a trades-clean event."""
    response, counts = runner.run(event, remaining=lambda: context.get_remaining_time_in_millis() / 1000)
    publish(metrics, counts)
    if forecaster is not None:
        publish_forecasts(metrics, forecasts.take(), forecaster)
    return answer(event, response)
