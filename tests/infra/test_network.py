"""The network: its zones, its flows, and that the functions inside reach what they call, and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

# What a role inside the network may do that its function does not do by itself, and who does.
ELSEWHERE = {
    "ec2": "Lambda makes the function's network interfaces",
    "kms": "the service that stores decrypts and encrypts, in the caller's name",
    "logs": "Lambda carries the log",
    "memorydb": "a login by IAM is a signature, made without a call",
    "rds-db": "as above",
    "xray": "X-Ray's daemon runs with Lambda, beside the function",
}
POLLED = {
    "kinesis:DescribeStream": "Lambda reads the stream",
    "kinesis:DescribeStreamConsumer": "as above",
    "kinesis:DescribeStreamSummary": "as above",
    "kinesis:GetRecords": "as above",
    "kinesis:GetShardIterator": "as above",
    "kinesis:ListStreams": "as above",
    "kinesis:SubscribeToShard": "as above",
    "sqs:ChangeMessageVisibility": "Lambda reads the queue",
    "sqs:DeleteMessage": "as above",
    "sqs:ReceiveMessage": "as above",
}
# By the end of an endpoint's service name.
SERVICES = {"kinesis-streams": "kinesis", "runtime": "sagemaker", "api": "sagemaker"}


def functions_inside(application: Any) -> Iterator[tuple[str, set[str]]]:
    """Give the name of each function in the network, and what it may do."""
    for function in application.resources("AWS::Lambda::Function"):
        if "VpcConfig" in function.properties:
            role = function.properties["Role"]["Fn::GetAtt"][0]
            yield f"{function.stack}/{function.name}", application.actions(function.stack, role)


def endpoints(application: Any) -> dict[str, dict[str, Any]]:
    """Give the endpoints of the network by the end of their services' names."""
    found = {}
    for endpoint in application.resources("AWS::EC2::VPCEndpoint"):
        name = json.dumps(endpoint.properties["ServiceName"]).rstrip('"]}').rpartition(".")[2]
        found[name] = endpoint.properties
    return found


def ways(application: Any) -> dict[str, set[str]]:
    """Give the actions that endpoints let through, by their prefix."""
    found: dict[str, set[str]] = {}
    for name, endpoint in endpoints(application).items():
        found.setdefault(SERVICES.get(name, name), set()).update(allowed(endpoint))
    return found


def allowed(endpoint: dict[str, Any]) -> set[str]:
    return {action for one in endpoint["PolicyDocument"]["Statement"] for action in _as_list(one["Action"])}


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_what_functions_inside_call_has_an_endpoint_that_lets_it_through(request: Any, stage: str) -> None:
    application = request.getfixturevalue(stage)
    opened = ways(application)
    calls = {
        (name, action)
        for name, actions in functions_inside(application)
        for action in actions
        if action.partition(":")[0] not in ELSEWHERE and action not in POLLED
    }
    assert calls
    stuck = {(name, action) for name, action in calls if action.partition(":")[0] not in opened}
    assert not stuck, "no endpoint in cdk/stacks/network.py"
    refused = {(name, action) for name, action in calls if action not in opened[action.partition(":")[0]]}
    assert not refused, "the endpoint's policy in cdk/stacks/network.py does not name it"


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_no_endpoint_is_paid_for_that_nothing_calls(request: Any, stage: str) -> None:
    application = request.getfixturevalue(stage)
    called = {action.partition(":")[0] for _, actions in functions_inside(application) for action in actions}
    interfaces = {
        SERVICES.get(name, name)
        for name, one in endpoints(application).items()
        if one["VpcEndpointType"] == "Interface"
    }
    assert interfaces <= called


def test_what_tasks_call_by_an_endpoint_is_let_through(prod: Any) -> None:
    # Inside the network the services' names lead to the interface endpoints, for the tasks too.
    for name, endpoint in endpoints(prod).items():
        if endpoint["VpcEndpointType"] == "Interface":
            for task in ("ingestor-kraken", "backfiller"):
                service = SERVICES.get(name, name)
                calls = {action for action in prod.actions_of_task(task) if action.partition(":")[0] == service}
                assert calls <= allowed(endpoint)


def test_an_endpoint_carries_only_what_this_account_asks_of_its_own(prod: Any) -> None:
    account = {"Ref": "AWS::AccountId"}
    for endpoint in endpoints(prod).values():
        for statement in endpoint["PolicyDocument"]["Statement"]:
            assert statement["Condition"]["StringEquals"] == {
                "aws:PrincipalAccount": account,
                "aws:ResourceAccount": account,
            }
            assert not [action for action in _as_list(statement["Action"]) if "*" in action]


def test_a_tasks_image_does_not_come_through_an_endpoint_that_would_refuse_it(prod: Any) -> None:
    # Layers of images lie in a bucket of AWS' own, so the subnets of the tasks must not lead to S3 by the gateway.
    public = {
        association.properties["RouteTableId"]["Ref"]
        for association in prod.resources("AWS::EC2::SubnetRouteTableAssociation")
        for subnet in prod.resources("AWS::EC2::Subnet")
        if association.properties["SubnetId"] == {"Ref": subnet.name} and subnet.properties["MapPublicIpOnLaunch"]
    }
    assert len(public) == 3
    for endpoint in endpoints(prod).values():
        if endpoint["VpcEndpointType"] == "Gateway":
            assert not public & {table["Ref"] for table in endpoint["RouteTableIds"]}


@pytest.mark.parametrize(("stage", "zones"), [("dev", 1), ("prod", 3)])
def test_endpoints_stand_in_as_many_zones_as_the_settings_pay_for(request: Any, stage: str, zones: int) -> None:
    interfaces = [one for one in endpoints(request.getfixturevalue(stage)).values() if "SubnetIds" in one]
    assert len(interfaces) == 6
    assert {len(one["SubnetIds"]) for one in interfaces} == {zones}
    assert all(one["PrivateDnsEnabled"] for one in interfaces)


def test_flows_are_logged_with_the_logs_key(prod: Any) -> None:
    (flows,) = prod.resources("AWS::EC2::FlowLog")
    assert flows.properties["TrafficType"] == "ALL"
    (group,) = [
        item for item in prod.resources("AWS::Logs::LogGroup") if {"Ref": item.name} == flows.properties["LogGroupName"]
    ]
    assert "LogKey" in json.dumps(group.properties["KmsKeyId"])
    assert group.properties["RetentionInDays"] == 90


def test_nothing_lets_in_an_address_and_functions_leave_by_the_ports_that_they_use(prod: Any) -> None:
    groups = [item for item in prod.resources("AWS::EC2::SecurityGroup") if item.stack == "Network"]
    assert all("SecurityGroupIngress" not in group.properties for group in groups)
    rules = [rule for rule in prod.resources("AWS::EC2::SecurityGroupIngress") if rule.stack == "Network"]
    assert rules
    assert all("SourceSecurityGroupId" in rule.properties for rule in rules)
    (functions,) = [group for group in groups if "Functions" in group.properties["GroupDescription"]]
    leaving = functions.properties["SecurityGroupEgress"]
    assert {(rule["FromPort"], rule["ToPort"]) for rule in leaving} == {(443, 443), (5432, 5432), (6379, 6379)}
    assert prod.resources("AWS::EC2::NatGateway") == []


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
