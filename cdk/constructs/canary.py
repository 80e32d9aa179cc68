"""A client of ours that comes every minute."""

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from cdk.constructs.alarm import Comparison, Missing, new_alarm
from cdk.constructs.service_function import ServiceFunction
from cdk.dashboards.metrics import CANARY, own_metric
from cdk.stacks.identity import IdentityStack

REQUIREMENTS = ("aws-lambda-powertools", "aiohttp", "boto3", "msgspec")


class Canary(ServiceFunction):
    """Connects to the WebSocket API as a screen does, and measures how old a trade is when it gets there.

    A function of ours, since the canaries of CloudWatch Synthetics know browsers and HTTP alone.

    Parameters
    ----------
    url
        Of the WebSocket API.
    symbols
        To watch, as clients write them.
    identity
        Whose tickets it issues to itself. It is no user of the pool, which would have a password to keep.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        url: str,
        symbols: tuple[str, ...],
        identity: IdentityStack,
        **function: Any,
    ) -> None:
        super().__init__(
            scope,
            id_,
            name=CANARY,
            requirements=REQUIREMENTS,
            environment={
                "TICKWIRE_WEBSOCKET_URL": url,
                "TICKWIRE_SYMBOLS": ",".join(symbols),
                "TICKWIRE_TICKETS_TABLE": identity.tickets.table_name,
            },
            **function,
        )
        identity.grant_issuing(self.role)
        events.Rule(
            self,
            "EveryMinute",
            description="Tickwire: visit the WebSocket API as a client",
            schedule=events.Schedule.rate(Duration.minutes(1)),
            # A visit that could not start is followed by the next one.
            targets=[targets.LambdaFunction(self.function, retry_attempts=0, max_event_age=Duration.minutes(1))],
        )
        self.failing = new_alarm(
            self,
            "Failing",
            own_metric("CanarySuccess", CANARY, statistic="Average"),
            runbook="canary-failing",
            says="A client that connects and subscribes gets no live trade",
            threshold=1,
            comparison=Comparison.LESS_THAN_THRESHOLD,
            periods=5,
            datapoints=3,
            # No visits are no news of how clients fare.
            missing=Missing.BREACHING,
        )
