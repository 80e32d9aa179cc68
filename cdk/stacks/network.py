"""The network: public subnets for the sockets, isolated ones for the stores and what talks to them."""

from typing import Any

from aws_cdk import Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.log_retention import new_log_group
from cdk.settings import StageSettings

_ISOLATED = ec2.SubnetType.PRIVATE_ISOLATED
_HTTPS = ec2.Port.tcp(443)

# What the functions inside the network call, and what of it, each with who does: an interface endpoint costs
# by the hour and zone, so there is none that a stage could do without. What Lambda does in a function's name (its log,
# its traces, reading its queue or stream) goes another way, and logging in to the database by IAM needs no call.
_INTERFACES = {
    # Validator and signals hand records on.
    "Kinesis": (
        ec2.InterfaceVpcEndpointAwsService.KINESIS_STREAMS,
        "kinesis",
        ("kinesis:ListShards", "kinesis:PutRecord", "kinesis:PutRecords"),
    ),
    # The validator sends rows that break a rule to the dead letters.
    "Sqs": (
        ec2.InterfaceVpcEndpointAwsService.SQS,
        "sqs",
        ("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"),
    ),
    # Signals and the REST API ask the model.
    "SageMakerRuntime": (
        ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_RUNTIME,
        "sagemaker",
        ("sagemaker:InvokeEndpoint",),
    ),
    # The look for drift finds the champion, and starts a training.
    "SageMakerApi": (
        ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_API,
        "sagemaker",
        ("sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeModel"),
    ),
    "StepFunctions": (ec2.InterfaceVpcEndpointAwsService.STEP_FUNCTIONS, "states", ("states:StartExecution",)),
    # The migrations read the login of the database's owner.
    "SecretsManager": (
        ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
        "secretsmanager",
        ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
    ),
}
# Gateways cost nothing. Bodies of dead letters go to S3.
_S3_ACTIONS = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket", "s3:PutObject")
# For functions that need a table beside the database.
_DYNAMODB_ACTIONS = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)


class NetworkStack(Stack):
    """One VPC without NAT: nothing in it but the tasks opens a connection to the internet.

    A function is in it only if it needs a store that is. Who may reach whom is said by pairs of
    security groups, and no rule lets anything in from an address.
    """

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, log_key: kms.IKey, **stack: Any) -> None:
        super().__init__(scope, id_, **stack)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.40.0.0/16"),
            # Named one by one: a stack that is bound to no account would get two, however many are asked for.
            availability_zones=list(settings.zones)
            or [Fn.select(number, Fn.get_azs()) for number in range(settings.availability_zones)],
            nat_gateways=0,
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="sockets", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24),
                ec2.SubnetConfiguration(name="stores", subnet_type=_ISOLATED, cidr_mask=22),
            ],
        )
        self._log_flows(settings, log_key)
        self.function_group = ec2.SecurityGroup(
            self,
            "FunctionGroup",
            vpc=self.vpc,
            description="Functions that talk to the stores",
            allow_all_outbound=False,
        )
        inside = ec2.Peer.ipv4(self.vpc.vpc_cidr_block)
        # The stores say on their side whom they let in. S3's gateway has addresses of no group; there is no
        # route from the functions' subnets to any other outside.
        self.function_group.add_egress_rule(ec2.Peer.any_ipv4(), _HTTPS, "AWS APIs")
        self.function_group.add_egress_rule(inside, ec2.Port.tcp(5432), "Database")
        self.function_group.add_egress_rule(inside, ec2.Port.tcp(6379), "State store")
        self.endpoint_group = ec2.SecurityGroup(
            self, "EndpointGroup", vpc=self.vpc, description="Interface endpoints", allow_all_outbound=False
        )
        self.endpoint_group.add_ingress_rule(self.function_group, _HTTPS, "Functions")
        self._add_endpoints(settings)

    def open_endpoints_to(self, group: ec2.ISecurityGroup, description: str) -> None:
        """Let a later stack's security group reach the interface endpoints; the rule stands in that stack.

        Inside the network their services' names lead to the endpoints, for whoever asks.
        """
        self.endpoint_group.add_ingress_rule(group, _HTTPS, description, remote_rule=True)

    def _log_flows(self, settings: StageSettings, log_key: kms.IKey) -> None:
        """Log who talked to whom; connections here are few and long, so the log is small."""
        group = new_log_group(
            self,
            "FlowLogs",
            settings=settings,
            key=log_key,
        )
        self.vpc.add_flow_log(
            "Flows",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group),
            traffic_type=ec2.FlowLogTrafficType.ALL,
            max_aggregation_interval=ec2.FlowLogMaxAggregationInterval.TEN_MINUTES,
        )

    def _add_endpoints(self, settings: StageSettings) -> None:
        isolated = self.vpc.select_subnets(subnet_type=_ISOLATED).subnets
        for name, (service, resource, actions) in _INTERFACES.items():
            endpoint = self.vpc.add_interface_endpoint(
                name,
                service=service,
                subnets=ec2.SubnetSelection(subnets=isolated[: settings.endpoint_zones]),
                security_groups=[self.endpoint_group],
                open=False,
            )
            endpoint.add_to_policy(self._of_this_account(actions, [self.format_arn(service=resource, resource="*")]))
        # Not for the tasks' subnets: their images come from a bucket of AWS' own, by way of the internet, as do
        # their other calls to S3 and DynamoDB, which cost nothing within a region.
        for name, gateway, actions in (
            ("S3", ec2.GatewayVpcEndpointAwsService.S3, _S3_ACTIONS),
            ("DynamoDb", ec2.GatewayVpcEndpointAwsService.DYNAMODB, _DYNAMODB_ACTIONS),
        ):
            opened = self.vpc.add_gateway_endpoint(
                name, service=gateway, subnets=[ec2.SubnetSelection(subnet_type=_ISOLATED)]
            )
            opened.add_to_policy(self._of_this_account(actions, ["*"]))

    def _of_this_account(self, actions: tuple[str, ...], resources: list[str]) -> iam.PolicyStatement:
        """Allow actions by identities of this account on what it owns: data cannot leave through an endpoint."""
        return iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=list(actions),
            resources=resources,
            conditions={"StringEquals": {"aws:PrincipalAccount": self.account, "aws:ResourceAccount": self.account}},
        )
