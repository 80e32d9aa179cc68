"""From the events to the screens: the WebSocket API, its function and the broadcaster."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.constructs.alarm import new_alarm
from cdk.constructs.function_code import FunctionSource
from cdk.constructs.screen_api import STAGE_NAME, ScreenApi
from cdk.constructs.service_function import ServiceFunction
from cdk.constructs.stream_function import StreamFunction
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.streams import StreamsStack

_REQUIREMENTS = ("aws-lambda-powertools[tracer]", "boto3", "msgspec", "numpy", "pcodec")


class DeliveryStack(Stack):
    """Stateless. Its functions stay outside the network, where ``@connections`` can be reached."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        source: FunctionSource,
        foundation: FoundationStack,
        streams: StreamsStack,
        data: DataStack,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        self.screens = screens = ScreenApi(self, "Screens", settings=settings, log_key=foundation.log_key)
        shared: dict[str, Any] = {
            "settings": settings,
            "source": source,
            "log_key": foundation.log_key,
            "requirements": _REQUIREMENTS,
            "environment": {
                "TICKWIRE_CONNECTIONS_TABLE": data.connections.table_name,
                "TICKWIRE_SUBSCRIPTIONS_TABLE": data.subscriptions.table_name,
                "TICKWIRE_LAST_VALUES_TABLE": data.last_values.table_name,
                "TICKWIRE_WEBSOCKET_ENDPOINT": screens.management_endpoint,
            },
        }
        self.websocket = websocket = ServiceFunction(self, "Websocket", name="websocket", **shared)
        self.broadcaster = broadcaster = StreamFunction(
            self,
            "Broadcaster",
            name="broadcaster",
            stream=streams.market_events,
            failures=streams.failures,
            **shared,
        )
        self._alarm_on_failed_broadcasts()
        screens.route_to(websocket.function)
        for function in (websocket, broadcaster):
            data.connections.grant_read_write_data(function.function)
            data.subscriptions.grant_read_write_data(function.function)
            screens.grant_post(function.function)
        data.last_values.grant_read_data(websocket.function)
        data.last_values.grant_read_write_data(broadcaster.function)

        CfnOutput(self, "WebSocketApiId", value=screens.api.api_id)
        CfnOutput(self, "WebSocketStage", value=STAGE_NAME)
        CfnOutput(self, "WebSocketUrl", value=screens.stage.url)
        CfnOutput(self, "WebsocketFunction", value=websocket.function.function_name)
        CfnOutput(self, "BroadcasterFunction", value=broadcaster.function.function_name)

    def _alarm_on_failed_broadcasts(self) -> None:
        """Watch what Lambda cannot see: the broadcaster takes a batch as done even when it failed."""
        new_alarm(
            self,
            "BroadcastsFailed",
            cloudwatch.Metric(
                namespace="Tickwire",
                metric_name="BroadcastsFailed",
                dimensions_map={"service": "broadcaster"},
                period=Duration.minutes(1),
                statistic="Sum",
            ),
            runbook="broadcasts-failed",
            says="Screens miss updates: the broadcaster fails at what is in a record",
            threshold=0,
            periods=1,
        )
