"""The WebSocket API that screens and other clients connect to."""

import json

import jsii
from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as restapi
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.alarm import new_alarm
from cdk.constructs.log_retention import retention_of
from cdk.settings import StageSettings

STAGE_NAME = "live"
ACTIONS = ("subscribe", "unsubscribe", "ping")


@jsii.implements(apigateway.IAccessLogSettings)
class _AccessLog:
    def __init__(self, log_group: logs.ILogGroup) -> None:
        self._log_group = log_group

    @property
    def destination(self) -> apigateway.IAccessLogDestination:
        return apigateway.LogGroupLogDestination(self._log_group)

    @property
    def format(self) -> restapi.AccessLogFormat:
        """Who, what and how it went, without the body: a message may hold what a client watches."""
        fields = ("requestId", "connectionId", "eventType", "routeKey", "status", "integrationErrorMessage")
        return restapi.AccessLogFormat.custom(json.dumps({name: f"$context.{name}" for name in fields}))


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
        access_log = logs.LogGroup(
            self,
            "AccessLog",
            retention=retention_of(settings.log_retention_days),
            encryption_key=log_key,
            removal_policy=RemovalPolicy.RETAIN if settings.protected else RemovalPolicy.DESTROY,
        )
        self.stage = apigateway.WebSocketStage(
            self,
            "Stage",
            web_socket_api=self.api,
            stage_name=STAGE_NAME,
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=1000, burst_limit=500),
            access_log_settings=_AccessLog(access_log),
        )
        self.stage.node.add_dependency(self._allow_logs())
        new_alarm(
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
        account = restapi.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        for resource in (role, account):
            resource.apply_removal_policy(RemovalPolicy.RETAIN)
        return account

    @property
    def management_endpoint(self) -> str:
        """Where messages to connections are posted, in the form of ``TICKWIRE_WEBSOCKET_ENDPOINT``."""
        return self.stage.callback_url

    def route_to(self, function: lambda_.IFunction) -> None:
        """Send every route to one function: connect, disconnect, the actions and all else."""
        for route in ("$connect", "$disconnect", "$default", *ACTIONS):
            name = route.removeprefix("$").capitalize()
            self.api.add_route(
                route, integration=integrations.WebSocketLambdaIntegration(f"{name}Integration", function)
            )

    def grant_post(self, grantee: iam.IGrantable) -> None:
        """Let a role post to and close the connections of this stage, and of no other API."""
        arn = Stack.of(self).format_arn(
            service="execute-api",
            resource=self.api.api_id,
            resource_name=f"{STAGE_NAME}/*/@connections/*",
        )
        iam.Grant.add_to_principal(
            grantee=grantee, actions=["execute-api:ManageConnections"], resource_arns=[arn]
        ).assert_success()
