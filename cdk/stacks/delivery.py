"""From the events to the clients: the APIs, who may use them, and the page with CloudFront in front of all."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm
from cdk.constructs.database import OPERATOR, READER
from cdk.constructs.function_code import FunctionSource
from cdk.constructs.gradual_function import shift_gradually
from cdk.constructs.grants import grant_invoke_endpoint, grant_items, grant_put_records
from cdk.constructs.model_endpoint import endpoint_name
from cdk.constructs.rest_api import RestApi
from cdk.constructs.rest_routes import OPERATOR_ROUTES, READER_ROUTES
from cdk.constructs.screen_api import STAGE_NAME, ScreenApi
from cdk.constructs.service_function import ServiceFunction
from cdk.constructs.site import WEBSOCKET_PATH, Site
from cdk.constructs.stream_function import StreamFunction
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.edge import EdgeStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.identity import IdentityStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.streams import StreamsStack

_REQUIREMENTS = ("aws-lambda-powertools[tracer]", "boto3", "msgspec", "numpy", "pcodec")
_AUTHORIZER_REQUIREMENTS = ("aws-lambda-powertools[tracer]", "boto3", "msgspec", "pyjwt[crypto]")
_REST_REQUIREMENTS = (
    "aws-lambda-powertools[tracer]",
    "boto3",
    "msgspec",
    "nanoarrow",
    "numpy",
    "psycopg[binary]",
    "pydantic",
)
_OPERATOR_REQUIREMENTS = (
    "aws-lambda-powertools[tracer]",
    "boto3",
    "msgspec",
    "numpy",
    "pcodec",
    "psycopg[binary]",
    "pydantic",
)
# Where `make run` serves the page, if nobody asks for another port.
_LOCAL_PAGE = "http://127.0.0.1:8080"


class DeliveryStack(Stack):
    """Stateless, but for the log of who asked for what.

    Its functions stay outside the network, where ``@connections`` and the user pool can be reached; the REST API's
    stands inside, where the database is.

    ``edge`` is None on a laptop, which serves the page by itself.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        source: FunctionSource,
        foundation: FoundationStack,
        network: NetworkStack,
        streams: StreamsStack,
        data: DataStack,
        identity: IdentityStack,
        edge: EdgeStack | None,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        self._data = data
        self._identity = identity
        self._shared: dict[str, Any] = {"settings": settings, "source": source, "log_key": foundation.log_key}

        self.screens = screens = ScreenApi(self, "Screens", settings=settings, log_key=foundation.log_key)
        self.rest = rest = RestApi(self, "Rest", settings=settings, log_key=foundation.log_key)
        site = self._new_site(edge, screens, rest)
        page = self._new_page_client(_LOCAL_PAGE if site is None else site.url)
        clients = [page.user_pool_client_id, identity.programmes.user_pool_client_id]

        self.websocket, self.broadcaster = self._new_screen_functions(screens, streams)
        self.authorizer = self._new_authorizer(clients)
        self.answers = self._new_rest_function(network)
        self.operators = self._new_operator_function(network, streams)
        screens.route_to(shift_gradually(self.websocket, screens.errors), authorizer=shift_gradually(self.authorizer))
        rest.verify(issuer=identity.issuer, clients=clients)
        rest.route_to(shift_gradually(self.answers, rest.errors), READER_ROUTES)
        rest.route_to(shift_gradually(self.operators, rest.errors), OPERATOR_ROUTES, name="Operators")
        self._alarm_on_what_lambda_cannot_see()
        # Where clients connect: on a laptop to the API itself.
        self.websocket_url = screens.stage.url
        if site is not None:
            self.websocket_url = f"wss{site.url.removeprefix('https')}{WEBSOCKET_PATH}"
            login = {"url": identity.login_url, "clientId": page.user_pool_client_id}
            site.tell({"websocketUrl": WEBSOCKET_PATH, "login": login}, log_key=foundation.log_key)
            CfnOutput(self, "SiteUrl", value=site.url)

        CfnOutput(self, "WebSocketApiId", value=screens.api.api_id)
        CfnOutput(self, "WebSocketStage", value=STAGE_NAME)
        CfnOutput(self, "WebSocketUrl", value=screens.stage.url)
        CfnOutput(self, "RestApiId", value=rest.api.api_id)
        CfnOutput(self, "RestApiUrl", value=f"https://{rest.host}")
        CfnOutput(self, "PageClientId", value=page.user_pool_client_id)
        for function in (self.websocket, self.broadcaster, self.authorizer, self.answers, self.operators):
            CfnOutput(self, f"{function.node.id}Function", value=function.function.function_name)

    def _new_site(self, edge: EdgeStack | None, screens: ScreenApi, rest: RestApi) -> Site | None:
        if edge is None:
            return None
        return Site(
            self,
            "Site",
            settings=self._shared["settings"],
            rest_host=rest.host,
            websocket_host=screens.host,
            login_url=self._identity.login_url,
            firewall_arn=edge.firewall_arn,
            certificate=edge.certificate,
        )

    def _new_page_client(self, page_url: str) -> cognito.UserPoolClient:
        """Make the page's app client: a code for tokens, with PKCE, since a page keeps no secret."""
        client = cognito.UserPoolClient(
            self,
            "Page",
            user_pool=self._identity.users,
            generate_secret=False,
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID],
                callback_urls=[f"{page_url}/"],
                logout_urls=[f"{page_url}/"],
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            access_token_validity=Duration.hours(1),
            id_token_validity=Duration.hours(1),
            # A working day: after that people log in again.
            refresh_token_validity=Duration.hours(12),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
        )
        resource = client.node.default_child
        if not isinstance(resource, cognito.CfnUserPoolClient):
            raise TypeError("the app client is not made of what it was")
        # Whoever names no flow gets three; the page hands nobody's password on, so it needs none of them.
        resource.explicit_auth_flows = ["ALLOW_REFRESH_TOKEN_AUTH"]
        return client

    def _new_screen_functions(
        self, screens: ScreenApi, streams: StreamsStack
    ) -> tuple[ServiceFunction, StreamFunction]:
        data = self._data
        shared: dict[str, Any] = {
            **self._shared,
            "requirements": _REQUIREMENTS,
            "environment": {
                "TICKWIRE_CONNECTIONS_TABLE": data.connections.table_name,
                "TICKWIRE_SUBSCRIPTIONS_TABLE": data.subscriptions.table_name,
                "TICKWIRE_LAST_VALUES_TABLE": data.last_values.table_name,
                "TICKWIRE_REPLAY_TABLE": data.replay.table_name,
                "TICKWIRE_WEBSOCKET_ENDPOINT": screens.management_endpoint,
            },
        }
        websocket = ServiceFunction(self, "Websocket", name="websocket", **shared)
        posts_per_second = self._shared["settings"].posts_per_second()
        broadcaster = StreamFunction(
            self,
            "Broadcaster",
            name="broadcaster",
            stream=streams.market_events,
            failures=streams.failures,
            **shared
            | {
                "requirements": (*_REQUIREMENTS, "aiohttp"),
                "environment": {**shared["environment"], "TICKWIRE_POSTS_PER_SECOND": f"{posts_per_second:g}"},
            },
        )
        for function in (websocket, broadcaster):
            screens.grant_post(function.role)
        grant_items(websocket.role, data.connections, "GetItem", "PutItem", "UpdateItem", "DeleteItem")
        grant_items(websocket.role, data.subscriptions, "BatchWriteItem", "UpdateItem")
        grant_items(websocket.role, data.last_values, "GetItem", "Query")
        grant_items(websocket.role, data.replay, "GetItem", "Query")
        # It removes connections that are gone, with their subscriptions.
        grant_items(broadcaster.role, data.connections, "DeleteItem")
        grant_items(broadcaster.role, data.subscriptions, "GetItem", "Query", "BatchWriteItem", "UpdateItem")
        grant_items(broadcaster.role, data.last_values, "BatchGetItem", "BatchWriteItem", "UpdateItem")
        grant_items(broadcaster.role, data.replay, "GetItem", "Query", "BatchWriteItem")
        return websocket, broadcaster

    def _new_authorizer(self, clients: list[str]) -> ServiceFunction:
        issuer = self._identity.issuer
        authorizer = ServiceFunction(
            self,
            "Authorizer",
            name="authorizer",
            requirements=_AUTHORIZER_REQUIREMENTS,
            environment={
                "TICKWIRE_TICKETS_TABLE": self._identity.tickets.table_name,
                "TICKWIRE_TOKEN_ISSUER": issuer,
                "TICKWIRE_TOKEN_KEYS_URL": f"{issuer}/.well-known/jwks.json",
                "TICKWIRE_TOKEN_CLIENTS": ",".join(clients),
            },
            **self._shared,
        )
        self._identity.grant_redeeming(authorizer.role)
        return authorizer

    def _new_rest_function(self, network: NetworkStack) -> ServiceFunction:
        group = ec2.SecurityGroup(
            self, "RestGroup", vpc=network.vpc, description="REST API function", allow_all_outbound=False
        )
        # The gateway endpoint is a route and not an address; the subnets have no other way out.
        group.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "DynamoDB by its gateway, the model by its endpoint"
        )
        network.open_endpoints_to(group, "REST API")
        endpoint = endpoint_name(self._shared["settings"])
        function = ServiceFunction(
            self,
            "RestApi",
            name="rest_api",
            requirements=_REST_REQUIREMENTS,
            environment={
                "TICKWIRE_DATABASE_URL": self._data.database.proxy_url(READER),
                "TICKWIRE_DATABASE_IAM": "true",
                "TICKWIRE_TICKETS_TABLE": self._identity.tickets.table_name,
                "TICKWIRE_LAST_VALUES_TABLE": self._data.last_values.table_name,
                # By name: the model's stack comes later.
                "TICKWIRE_MODEL_ENDPOINT": endpoint,
            },
            vpc=network.vpc,
            security_groups=[group],
            **self._shared,
        )
        self._data.database.open_proxy_to(group, "REST API")
        self._data.database.grant_proxy_login(function.role, READER)
        self._identity.grant_issuing(function.role)
        grant_items(function.role, self._data.last_values, "GetItem")
        grant_invoke_endpoint(function.role, endpoint)
        return function

    def _new_operator_function(self, network: NetworkStack, streams: StreamsStack) -> ServiceFunction:
        """Make the function of what operators alone may do, by itself: readers' function cannot do any of it."""
        group = ec2.SecurityGroup(
            self, "OperatorGroup", vpc=network.vpc, description="Operator API function", allow_all_outbound=False
        )
        # S3's gateway endpoint is a route and not an address; the subnets have no other way out.
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "Kinesis, and S3 by the gateway endpoint")
        function = ServiceFunction(
            self,
            "OperatorApi",
            name="operator_api",
            requirements=_OPERATOR_REQUIREMENTS,
            environment={
                "TICKWIRE_DATABASE_URL": self._data.database.proxy_url(OPERATOR),
                "TICKWIRE_DATABASE_IAM": "true",
                "TICKWIRE_DEAD_LETTER_BUCKET": streams.dead_letters.bucket_name,
                "TICKWIRE_RAW_STREAM": streams.trades_raw.stream_name,
            },
            vpc=network.vpc,
            security_groups=[group],
            **self._shared,
        )
        network.open_endpoints_to(group, "Operator API")
        self._data.database.open_proxy_to(group, "Operator API")
        self._data.database.grant_proxy_login(function.role, OPERATOR)
        streams.dead_letters.grant_get_object(function.role)
        grant_put_records(function.role, streams.trades_raw)
        acknowledge(
            function, {"AwsSolutions-IAM5[Resource::…/*]": "Any letter may be looked at; the bucket holds nothing else"}
        )
        return function

    def _alarm_on_what_lambda_cannot_see(self) -> None:
        """Watch what the broadcaster counts: it takes a batch as done even when it failed."""
        for name, runbook, says, most in (
            (
                "BroadcastsFailed",
                "broadcasts-failed",
                "Screens miss updates: the broadcaster fails at what is in a record",
                0,
            ),
            (
                "ReplayNotLogged",
                "replay-not-logged",
                "Clients cannot be continued: the replay log does not take its rows",
                0,
            ),
            # The broadcasters slow down by themselves; so many in a minute, and the quota is not what they take it for.
            (
                "PostsThrottled",
                "posts-throttled",
                "API Gateway refuses messages to clients: the account's quota is used up",
                100,
            ),
        ):
            new_alarm(
                self,
                name,
                cloudwatch.Metric(
                    namespace="Tickwire",
                    metric_name=name,
                    dimensions_map={"service": "broadcaster"},
                    period=Duration.minutes(1),
                    statistic="Sum",
                ),
                runbook=runbook,
                says=says,
                threshold=most,
                periods=1,
            )
