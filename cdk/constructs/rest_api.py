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
from cdk.settings import StageSettings

# As lambdas/rest_api/handler.py has them; a path that is not here never reaches the function.
ROUTES = {
    "/ws-tickets": apigateway.HttpMethod.POST,
    "/v1/bars": apigateway.HttpMethod.GET,
    "/v1/continuity": apigateway.HttpMethod.GET,
    "/v1/predictions": apigateway.HttpMethod.GET,
    "/v1/signals": apigateway.HttpMethod.GET,
    "/v1/sentiment": apigateway.HttpMethod.GET,
}
OPEN_ROUTES = {"/v1/health": apigateway.HttpMethod.GET}

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

    def route_to(self, function: lambda_.IFunction, *, issuer: str, clients: Sequence[str]) -> None:
        """Send the routes to a function; all but the open ones after API Gateway has verified a token.

        Parameters
        ----------
        issuer, clients
            The user pool's address, and the ids of the app clients whose tokens are taken.
        """
        integration = integrations.HttpLambdaIntegration("Function", function)
        users = authorizers.HttpJwtAuthorizer("Users", issuer, jwt_audience=list(clients))
        for path, method in ROUTES.items():
            self.api.add_routes(path=path, methods=[method], integration=integration, authorizer=users)
        for path, method in OPEN_ROUTES.items():
            for route in self.api.add_routes(path=path, methods=[method], integration=integration):
                acknowledge(
                    route, {"AwsSolutions-APIG4": "Says whether the API works and nothing else; watchers have no login"}
                )


def apigateway_host(api: apigateway.IApi) -> str:
    """Give the host name that API Gateway serves an API at."""
    return f"{api.api_id}.execute-api.{api.env.region}.amazonaws.com"
