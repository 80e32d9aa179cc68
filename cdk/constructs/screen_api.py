"""The WebSocket API that screens and other clients connect to."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as restapi
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.constructs.access_log import AccessLog
from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm
from cdk.constructs.rest_api import apigateway_host
from cdk.settings import StageSettings

STAGE_NAME = "live"
ACTIONS = ("subscribe", "unsubscribe", "ping")

_LOGGED = (
    "requestId",
    "connectionId",
    "eventType",
    "routeKey",
    "status",
    "authorizer.principalId",
    "authorizer.error",
    "integrationErrorMessage",
)


class ScreenApi(Construct):
    """The API and its one stage; the routes come with :meth:`route_to`."""

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, log_key: kms.IKey) -> None:
        super().__init__(scope, id_)
        self.api = apigateway.WebSocketApi(
            self,
            "Api",
            description=f"Tickwire {settings.stage}: live market data",
            route_selection_expression="$request.body.action",
        )
        self.stage = apigateway.WebSocketStage(
            self,
            "Stage",
            web_socket_api=self.api,
            stage_name=STAGE_NAME,
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=1000, burst_limit=500),
            access_log_settings=AccessLog(self, "AccessLog", settings=settings, log_key=log_key, fields=_LOGGED),
        )
        self.stage.node.add_dependency(self._allow_logs())
        self.errors = new_alarm(
            self,
            "IntegrationErrors",
            cloudwatch.Metric(
                namespace="AWS/ApiGateway",
                metric_name="IntegrationError",
                dimensions_map={"ApiId": self.api.api_id, "Stage": STAGE_NAME},
                period=Duration.minutes(1),
                statistic="Sum",
            ),
            runbook="websocket-errors",
            says="Clients get errors from the WebSocket function",
            threshold=5,
        )

    def _allow_logs(self) -> restapi.CfnAccount:
        """Let API Gateway write logs, without which it refuses a WebSocket stage that asks for one.

        The setting is one for the account and region, so it stays when the stack goes: another stage's
        API may live by it.
        """
        role = iam.Role(
            self,
            "LogRole",
            description="API Gateway writes its logs to CloudWatch",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonAPIGatewayPushToCloudWatchLogs")
            ],
        )
        acknowledge(role, {"AwsSolutions-IAM4…": "API Gateway checks its role against this very policy"})
        account = restapi.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        for resource in (role, account):
            resource.apply_removal_policy(RemovalPolicy.RETAIN)
        return account

    @property
    def management_endpoint(self) -> str:
        """Where messages to connections are posted, in the form of ``TICKWIRE_WEBSOCKET_ENDPOINT``."""
        return self.stage.callback_url

    def route_to(self, function: lambda_.IFunction, *, authorizer: lambda_.IFunction) -> None:
        """Send every route to one function: connect, once the authorizer lets it, disconnect, the actions, all else."""
        # Without a source of identity, since there are two and either will do: a ticket in the address, a token in a
        # header. API Gateway asks for authorization at $connect alone, for the whole connection.
        asked = authorizers.WebSocketLambdaAuthorizer("Authorizer", authorizer, identity_source=[])
        for route in ("$connect", "$disconnect", "$default", *ACTIONS):
            name = route.removeprefix("$").capitalize()
            made = self.api.add_route(
                route,
                integration=integrations.WebSocketLambdaIntegration(f"{name}Integration", function),
                authorizer=asked if route == "$connect" else None,
            )
            if route != "$connect":
                acknowledge(
                    made, {"AwsSolutions-APIG4": "A connection is authorized at $connect, for as long as it is"}
                )

    @property
    def host(self) -> str:
        """The API's own host name."""
        return apigateway_host(self.api)

    def grant_post(self, grantee: iam.IRole) -> None:
        """Let a role post to and close the connections of this stage, and of no other API."""
        arn = Stack.of(self).format_arn(
            service="execute-api",
            resource=self.api.api_id,
            resource_name=f"{STAGE_NAME}/*/@connections/*",
        )
        iam.Grant.add_to_principal(
            grantee=grantee, actions=["execute-api:ManageConnections"], resource_arns=[arn]
        ).assert_success()
        acknowledge(
            grantee, {"AwsSolutions-IAM5[Resource::…/@connections/*]": "Connections come and go; the stage is named"}
        )
