"""Every route of the WebSocket API: $connect, $disconnect and a client's messages.

Powertools has no resolver for WebSocket routes; its event class reads the event.
"""

from concurrent.futures import ThreadPoolExecutor
from time import time
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes.api_gateway_websocket_event import APIGatewayWebSocketEvent
from botocore.config import Config

from lambdas.delivery.aws import aws_client
from lambdas.delivery.settings import read_settings
from lambdas.identity.user import User
from lambdas.websocket.connections import Connections
from lambdas.websocket.conversation import Conversation
from lambdas.websocket.posts import POST_CONFIG
from lambdas.websocket.rate_limit import RateLimit
from lambdas.websocket.replays import Replays
from lambdas.websocket.snapshots import Snapshots

THREADS = 8
_COUNTED_AS = {"CONNECT": "Connections", "DISCONNECT": "Disconnections"}


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment."""

    connections_table: str
    subscriptions_table: str
    last_values_table: str
    replay_table: str
    websocket_endpoint: str


logger = Logger()
metrics = Metrics(namespace="Tickwire")
tracer = Tracer(patch_modules=["botocore"])


def new_rate_limit(settings: FunctionSettings) -> RateLimit:
    """Put the limit of messages between the connections' table and the clients."""
    return RateLimit(
        aws_client("dynamodb", config=Config(connect_timeout=1, read_timeout=1)),
        settings.connections_table,
        posts=aws_client("apigatewaymanagementapi", config=POST_CONFIG, endpoint_url=settings.websocket_endpoint),
    )


def new_conversation(settings: FunctionSettings) -> Conversation:
    """Put the conversation between its tables and the clients."""
    pool = ThreadPoolExecutor(THREADS)
    dynamodb = aws_client(
        "dynamodb", config=Config(connect_timeout=1, read_timeout=3, max_pool_connections=THREADS + 1)
    )
    return Conversation(
        Connections(
            dynamodb,
            connections_table=settings.connections_table,
            subscriptions_table=settings.subscriptions_table,
            pool=pool,
        ),
        Snapshots(dynamodb, settings.last_values_table, pool=pool),
        Replays(dynamodb, settings.replay_table, pool=pool),
        posts=aws_client("apigatewaymanagementapi", config=POST_CONFIG, endpoint_url=settings.websocket_endpoint),
    )


settings = read_settings(FunctionSettings)
conversation = new_conversation(settings)
rate_limit = new_rate_limit(settings)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Answer one event of the WebSocket API; clients get their answers as messages."""
    request = APIGatewayWebSocketEvent(event).request_context
    connection_id = request.connection_id
    metrics.add_metric(name=_COUNTED_AS.get(request.event_type, "Messages"), unit=MetricUnit.Count, value=1)
    match request.event_type:
        case "CONNECT":
            conversation.open(connection_id, _user(event))
        case "DISCONNECT":
            conversation.close(connection_id)
        case _ if (user := _user(event)).expires <= time():
            metrics.add_metric(name="LoginsExpired", unit=MetricUnit.Count, value=1)
            conversation.end(connection_id)
        case _ if not rate_limit.admits(connection_id):
            metrics.add_metric(name="MessagesRefused", unit=MetricUnit.Count, value=1)
        case _:
            conversation.message(connection_id, event.get("body") or "", user)
    return {"statusCode": 200}


def _user(event: dict[str, Any]) -> User:
    """Read whose connection it is: API Gateway gives what the authorizer said of $connect with each of its events."""
    return User.from_context(event["requestContext"]["authorizer"])
