"""From the events to the screens."""

from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.constructs.screen_api import STAGE_NAME
from cdk.dashboards.metrics import BROADCASTER, CANARY, MINUTE, aws_metric, own_metric
from cdk.dashboards.widgets import Page, graph
from cdk.stacks.delivery import DeliveryStack


def delivery(stack: DeliveryStack, *, latency_milliseconds: float) -> Page:
    """Show what clients ask and get, and what does not reach them."""
    api = {"ApiId": stack.screens.api.api_id, "Stage": STAGE_NAME}

    def of_api(name: str, statistic: str, label: str) -> cloudwatch.Metric:
        return aws_metric("ApiGateway", name, api, statistic=statistic, label=label)

    def broadcast(name: str, label: str) -> cloudwatch.Metric:
        return own_metric(name, BROADCASTER, label=label)

    duration = stack.websocket.function.metric_duration(statistic="p99", period=MINUTE, label="function, p99")
    visits = [own_metric(f"Canary{part}", CANARY, statistic="Maximum", label=part.lower()) for part in _VISIT]
    return [
        [
            graph(
                "Socket to broadcast",
                *(own_metric("EndToEndLatency", BROADCASTER, statistic=name, label=name) for name in _PERCENTILES),
                unit="ms",
                limit=latency_milliseconds,
            ),
            graph("A client's visit every minute", *visits, unit="ms"),
            graph("Broadcaster behind its stream", stack.broadcaster.iterator_age().with_(label="age"), unit="ms"),
        ],
        [
            graph(
                "Connections",
                of_api("ConnectCount", "Sum", "opened"),
                own_metric("Disconnections", "websocket", label="closed"),
                broadcast("ConnectionsGone", "found gone"),
                unit="a minute",
            ),
            graph(
                "Messages",
                of_api("MessageCount", "Sum", "through the API"),
                broadcast("MessagesPosted", "posted by the broadcaster"),
                unit="a minute",
            ),
            graph(
                "Messages that did not arrive",
                broadcast("MessagesDropped", "dropped"),
                broadcast("PostsThrottled", "refused for the quota"),
                broadcast("BroadcastsFailed", "broadcasts failed"),
                broadcast("ReplayNotLogged", "rows not logged for replay"),
                unit="a minute",
            ),
        ],
        [
            graph("Time of an answer", of_api("IntegrationLatency", "p99", "API, p99"), duration, unit="ms"),
            graph("Errors of clients", of_api("ClientError", "Sum", "4xx"), unit="a minute"),
            graph(
                "Errors of ours",
                of_api("IntegrationError", "Sum", "integration"),
                of_api("ExecutionError", "Sum", "execution"),
                unit="a minute",
            ),
        ],
    ]


_PERCENTILES = ("p50", "p90", "p99")
_VISIT = ("Connect", "Update", "Latency")
