"""The network: public subnets for the sockets, isolated ones for the stores and what talks to them."""

from typing import Any

from aws_cdk import Fn, Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from cdk.settings import StageSettings

# What the functions inside the network call; everything else they reach is inside it too.
_ENDPOINTS = {
    "Kinesis": ec2.InterfaceVpcEndpointAwsService.KINESIS_STREAMS,
    "Sqs": ec2.InterfaceVpcEndpointAwsService.SQS,
    "SecretsManager": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
}


class NetworkStack(Stack):
    """One VPC without NAT: nothing in it but the tasks opens a connection to the internet."""

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, **stack: Any) -> None:
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
                ec2.SubnetConfiguration(name="stores", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=22),
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
        )
        self.endpoint_group = ec2.SecurityGroup(
            self, "EndpointGroup", vpc=self.vpc, description="Interface endpoints", allow_all_outbound=False
        )
        self.endpoint_group.add_ingress_rule(
            ec2.Peer.ipv4(self.vpc.vpc_cidr_block), ec2.Port.tcp(443), "AWS APIs from inside the network"
        )
        for name, service in _ENDPOINTS.items():
            self.vpc.add_interface_endpoint(
                name,
                service=service,
                subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
                security_groups=[self.endpoint_group],
                open=False,
            )
        self.function_group = ec2.SecurityGroup(
            self, "FunctionGroup", vpc=self.vpc, description="Functions that talk to the stores"
        )
