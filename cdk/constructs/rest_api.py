"""The HTTP API that clients ask."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.constructs.access_log import AccessLog
from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm
from cdk.constructs.rest_routes import OPEN_ROUTES
from cdk.settings import StageSettings

_LOGGED = (
    "requestId",
    "identity.sourceIp",
    "routeKey",
    "status",
    "responseLatency",
    "integrationErrorMessage",
    "authorizer.error",
)
_REQUESTS_A_SECOND = 200


class RestApi(Construct):
    """The API and its stage; the routes come with :meth:`route_to`.

    No other origin may call it from a page: the page has the same origin, CloudFront's.
    """

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, log_key: kms.IKey) -> None:
        super().__init__(scope, id_)
        self.api = apigateway.HttpApi(
            self,
            "Api",
            description=f"Tickwire {settings.stage}: tickets, bars, completeness, predictions",
            create_default_stage=False,
        )
        self.stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            detailed_metrics_enabled=True,
            throttle=apigateway.ThrottleSettings(rate_limit=_REQUESTS_A_SECOND, burst_limit=_REQUESTS_A_SECOND),
            access_log_settings=AccessLog(self, "AccessLog", settings=settings, log_key=log_key, fields=_LOGGED),
        )
        self.errors = new_alarm(
            self,
            "ServerErrors",
            self.api.metric_server_error(period=Duration.minutes(1), statistic="Sum"),
            runbook="rest-api-errors",
            says="Clients get errors from the REST API",
            threshold=5,
            periods=5,
            datapoints=3,
        )

    @property
    def host(self) -> str:
        """The API's own host name."""
        return apigateway_host(self.api)

    def verify(self, *, issuer: str, clients: Sequence[str]) -> None:
        """Have API Gateway verify the tokens of all routes but the open ones.

        Parameters
        ----------
        issuer, clients
            The user pool's address, and the ids of the app clients whose tokens are taken.
        """
        self._users = authorizers.HttpJwtAuthorizer("Users", issuer, jwt_audience=list(clients))

    def route_to(self, function: lambda_.IFunction, routes: Sequence[str], *, name: str = "Function") -> None:
        """Send routes (``GET /v1/bars``) to a function, ``name`` in the template; after :meth:`verify`."""
        integration = integrations.HttpLambdaIntegration(name, function)
        for route in routes:
            method, path = route.split(" ")
            methods = [apigateway.HttpMethod[method]]
            if route not in OPEN_ROUTES:
                self.api.add_routes(path=path, methods=methods, integration=integration, authorizer=self._users)
                continue
            for made in self.api.add_routes(path=path, methods=methods, integration=integration):
                acknowledge(
                    made, {"AwsSolutions-APIG4": "Says whether the API works and nothing else; watchers have no login"}
                )


def apigateway_host(api: apigateway.IApi) -> str:
    """Give the host name that API Gateway serves an API at."""
    return f"{api.api_id}.execute-api.{api.env.region}.amazonaws.com"
