"""What a programme may do by its template, and what it needs: by its code, and by how it is set up."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.aws_calls import PROJECT, calls_of
from tests.infra.encryption import key_of
from tests.infra.references import Address, References, as_list, at

_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
_TRACING = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
# As in AWSLambdaVPCAccessExecutionRole.
_NETWORK = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
# What Lambda does in the function's name with a source of its events ("Using AWS Lambda with Amazon Kinesis",
# "… with Amazon SQS", Lambda developer guide).
_SOURCES = {
    "AWS::Kinesis::Stream": (
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamConsumer",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:ListStreams",
        "kinesis:SubscribeToShard",
    ),
    "AWS::Kinesis::StreamConsumer": ("kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"),
    "AWS::SQS::Queue": ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
    "AWS::DynamoDB::Table": (
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    ),
}
# Where Lambda leaves what a function could not take.
_DESTINATIONS = {
    "AWS::S3::Bucket": ("s3:ListBucket", "s3:PutObject"),
    "AWS::SQS::Queue": ("sqs:SendMessage",),
    "AWS::SNS::Topic": ("sns:Publish",),
}
# By the beginning of its logical id: the function that copies the page's files, which the CDK brings.
_CDK_COPIER = "CustomCDKBucketDeployment"
# What a right to use something encrypted needs of its key. Kinesis, SQS, SNS and S3: "How … uses AWS KMS" of
# each; for a bucket also to write in parts, which it reads back. DynamoDB calls KMS in the caller's name and
# asks for the whole family ("DynamoDB encryption at rest usage notes", authorising use of a key).
_KEY_RIGHTS: Sequence[tuple[str, frozenset[str]]] = (
    (r"kinesis:Put.*", frozenset({"kms:GenerateDataKey"})),
    (r"kinesis:(GetRecords|SubscribeToShard)", frozenset({"kms:Decrypt"})),
    (r"sqs:SendMessage|sns:Publish", frozenset({"kms:Decrypt", "kms:GenerateDataKey"})),
    (r"sqs:ReceiveMessage", frozenset({"kms:Decrypt"})),
    (r"s3:PutObject", frozenset({"kms:GenerateDataKey"})),
    (r"s3:GetObject", frozenset({"kms:Decrypt"})),
    (r"s3:AbortMultipartUpload", frozenset({"kms:Decrypt"})),
    (
        r"dynamodb:(?!Describe|List).*",
        frozenset({"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"}),
    ),
    (r"secretsmanager:GetSecretValue", frozenset({"kms:Decrypt"})),
)
# What a call needs of a key that it names, and that no resource of a template is encrypted with: SageMaker hands it
# to EC2 for the volumes of an endpoint's instances ("KmsKeyId" of CreateEndpointConfig, API reference).
_NAMED_KEY_RIGHTS = {"sagemaker:CreateEndpoint": frozenset({"kms:CreateGrant", "kms:DescribeKey"})}


class Unexplained(ValueError):
    """A template holds a programme that cannot be judged; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that allows something: its rights, and the resources of ours that it names."""

    actions: tuple[str, ...]
    resources: frozenset[Address]
    text: str


@dataclass(frozen=True, slots=True)
class Programme:
    """A function or a task: where it stands, its role, what it runs and what it is told."""

    address: Address
    role: Address
    module: str
    entry: str | None
    environment: Any

    def __str__(self) -> str:
        return f"{self.address} ({self.module})"


def programmes(
    references: References, dockerfiles: Mapping[str, str] | None = None, *, root: Path = PROJECT
) -> list[Programme]:
    """Give every function and task that runs code of ours.

    Parameters
    ----------
    dockerfiles
        Hash of an image, as in its tag → the Dockerfile that it is built by, from the root of the project.

    Raises
    ------
    Unexplained
        If one runs what is neither ours nor the CDK's own.
    """
    return [*_functions(references), *_tasks(references, dockerfiles or {}, root)]


def statements(references: References, role: Address) -> list[Statement]:
    """Give what the policies of a role allow, wherever they stand."""
    documents: list[tuple[str, Any]] = []
    for address, policy in references.all("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        if role in references.targets(address.stack, policy["Properties"].get("Roles", [])):
            documents.append((address.stack, policy["Properties"]["PolicyDocument"]))
    properties = references.properties(role)
    documents += [(role.stack, inline["PolicyDocument"]) for inline in properties.get("Policies", [])]
    for managed in properties.get("ManagedPolicyArns", []):
        owned = references.target(role.stack, managed)
        if owned is None or references.type(owned) != "AWS::IAM::ManagedPolicy":
            raise Unexplained(
                f"{role} takes the managed policy {json.dumps(managed)}, which gives more than any programme uses;"
                " grant what it uses by name"
            )
        documents.append((owned.stack, references.properties(owned)["PolicyDocument"]))
    return [
        Statement(
            tuple(as_list(statement["Action"])),
            frozenset(references.targets(stack, statement["Resource"])),
            json.dumps(statement["Resource"], sort_keys=True),
        )
        for stack, document in documents
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
    ]


def judged(references: References, programme: Programme, *, root: Path = PROJECT) -> list[str]:
    """Give what is wrong with a programme's rights, one sentence each; none if it has what it uses and no more."""
    granted = statements(references, programme.role)
    needed = dict(_needed(references, programme, root))
    have = {action for statement in granted for action in statement.actions if not action.startswith("kms:")}
    faults = [
        f"{programme} may {action} and never does: take the grant away, or grant by name what it does"
        for action in sorted(have - set(needed))
    ]
    faults += [
        f"{programme} needs {action} ({needed[action]}) and has no grant: grant it in the stack"
        for action in sorted(set(needed) - have)
    ]
    return [*faults, *_judged_keys(references, programme, granted), *_strangers(references, programme, granted)]


def _judged_keys(references: References, programme: Programme, granted: list[Statement]) -> Iterator[str]:
    needed: dict[Address, dict[str, str]] = {}
    have: dict[Address, set[str]] = {}
    told = references.targets(programme.address.stack, programme.environment)
    for statement in granted:
        for action in statement.actions:
            for right in _NAMED_KEY_RIGHTS.get(action, ()):
                for key in (one for one in told if references.type(one) == "AWS::KMS::Key"):
                    needed.setdefault(key, {})[right] = f"for {action}"
            for resource in statement.resources:
                if action.startswith("kms:"):
                    have.setdefault(resource, set()).add(action)
                    continue
                key = key_of(references, resource)
                if key is not None:
                    for right in _key_rights(action):
                        needed.setdefault(key, {})[right] = f"for {action} on {resource}"
    for key in sorted(set(needed) | set(have)):
        for right in sorted(have.get(key, set()) - set(needed.get(key, {}))):
            yield f"{programme} may {right} with {key}, and nothing that it may use is encrypted so: take it away"
        for right, reason in sorted(needed.get(key, {}).items()):
            if right not in have.get(key, set()):
                yield f"{programme} needs {right} with {key}, {reason}: grant it in the stack"


def _key_rights(action: str) -> frozenset[str]:
    return next((rights for pattern, rights in _KEY_RIGHTS if re.fullmatch(pattern, action)), frozenset())


def _strangers(references: References, programme: Programme, granted: list[Statement]) -> Iterator[str]:
    """Name what a programme may use, though nobody tells it that this exists."""
    known = references.targets(programme.address.stack, references.properties(programme.address))
    for mapping in _mappings(references, programme.address):
        known |= references.targets(*mapping)
    # A stack's own reference to a part stands for the whole: an attachment for its secret, a consumer for its stream.
    for address in list(known):
        known |= {
            other
            for other, _ in references.all()
            if references.type(other) == "AWS::SecretsManager::SecretTargetAttachment"
            and address in references.targets(other.stack, references.properties(other))
        }
        known |= references.targets(address.stack, references.properties(address))
    for statement in granted:
        if any(action.startswith("kms:") for action in statement.actions):
            continue
        for resource in sorted(statement.resources - known):
            yield (
                f"{programme} may {', '.join(statement.actions)} on {resource}, which neither its environment nor"
                " its event sources name: take the grant away, or tell it"
            )


# What is needed


def _needed(references: References, programme: Programme, root: Path) -> Iterator[tuple[str, str]]:
    calls = calls_of(programme.module, programme.entry, root=root)
    for right, places in calls.rights.items():
        yield right, f"called in {', '.join(sorted(places))}"
    properties = references.properties(programme.address)
    if references.type(programme.address) != "AWS::Lambda::Function":
        return
    if "LoggingConfig" in properties:
        yield from ((action, "it logs") for action in _LOG)
    if at(properties, "TracingConfig.Mode") == "Active":
        yield from ((action, "it is traced") for action in _TRACING)
    if "VpcConfig" in properties:
        yield from ((action, "it stands in the network") for action in _NETWORK)
    yield from _by_destination(references, programme.address.stack, at(properties, "DeadLetterConfig.TargetArn"))
    for stack, mapping in _mappings(references, programme.address):
        yield from _by_source(references, stack, mapping)
        yield from _by_destination(references, stack, at(mapping, "DestinationConfig.OnFailure.Destination"))


def _by_source(references: References, stack: str, mapping: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    source = references.target(stack, mapping["EventSourceArn"])
    if source is None:
        raise Unexplained(f"a mapping in {stack} reads {mapping['EventSourceArn']}, which no template holds")
    kinds = [references.type(source)]
    if kinds == ["AWS::Kinesis::StreamConsumer"]:
        # The consumer is its own resource, and Lambda asks the stream for its shards.
        kinds.append("AWS::Kinesis::Stream")
    for kind in kinds:
        if kind not in _SOURCES:
            raise Unexplained(f"write down in tests/infra/privileges.py what Lambda needs to read a {kind}")
        yield from ((action, f"Lambda reads {source} for it") for action in _SOURCES[kind])


def _by_destination(references: References, stack: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    target = references.target(stack, value)
    if target is None or references.type(target) not in _DESTINATIONS:
        raise Unexplained(f"write down in tests/infra/privileges.py what Lambda needs to leave batches at {value}")
    yield from ((action, f"Lambda leaves batches at {target}") for action in _DESTINATIONS[references.type(target)])


def _mappings(references: References, function: Address) -> Iterator[tuple[str, dict[str, Any]]]:
    for address, mapping in references.all("AWS::Lambda::EventSourceMapping"):
        if function == references.function(address.stack, mapping["Properties"]["FunctionName"]):
            yield address.stack, mapping["Properties"]


# What runs


def _functions(references: References) -> Iterator[Programme]:
    for address, function in references.own_functions():
        properties = function["Properties"]
        command = at(properties, "ImageConfig.Command")
        handler = command[0] if command else str(properties.get("Handler"))
        module, _, entry = handler.rpartition(".")
        if not module.startswith("lambdas."):
            raise Unexplained(f"{address} runs {handler}, which is not in lambdas/: who says what it calls?")
        role = references.target(address.stack, properties["Role"])
        assert role is not None
        yield Programme(address, role, module, entry, at(properties, "Environment.Variables"))


def _tasks(references: References, dockerfiles: Mapping[str, str], root: Path) -> Iterator[Programme]:
    for address, task in references.all("AWS::ECS::TaskDefinition"):
        for container in task["Properties"]["ContainerDefinitions"]:
            role = references.target(address.stack, task["Properties"].get("TaskRoleArn"))
            assert role is not None
            module = f"{_module(container, dockerfiles, root)}.__main__"
            yield Programme(address, role, module, None, container.get("Environment"))


def _module(container: Mapping[str, Any], dockerfiles: Mapping[str, str], root: Path) -> str:
    """Give what ``python -m`` runs: the container's command, or else that of its image."""
    command = container.get("Command")
    if not command:
        named = re.search(r"[0-9a-f]{64}", json.dumps(container["Image"]))
        dockerfile = root / dockerfiles.get(named.group(0) if named else "", "")
        found = re.search(r"^CMD (\[.*\])$", dockerfile.read_text(), re.MULTILINE) if dockerfile.is_file() else None
        if found is None:
            raise Unexplained(f"container {container['Name']} has no command, and its image none in exec form")
        command = json.loads(found.group(1))
    if command[:2] != ["python", "-m"]:
        raise Unexplained(f"container {container['Name']} runs {command}: which module is it?")
    return str(command[2])
