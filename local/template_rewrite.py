"""Turns a synthesised CloudFormation template into one that the emulator can create.

Pure functions over the template. What a laptop has no use for is left out with a reason, the rest
is deployed as it would be in AWS:

- Every function, image or zip, becomes one zip of the project's source, which the emulator runs in
  the project's own interpreter. So a change of the source needs no new synthesis.
- Kinesis event-source mappings are taken out and handed back, for ``local.event_source`` to run:
  MiniStack's own counts a partial failure as success, and so loses records.
- References to what was left out become the text ``local-<logical id>``.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Expression = Any
"""A value of a template: text, or an intrinsic such as ``{"Ref": …}``."""

# What is created in the emulator; everything else is left out.
KEPT_TYPES = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::Cognito::UserPool",
        "AWS::Cognito::UserPoolClient",
        "AWS::Cognito::UserPoolDomain",
        "AWS::Cognito::UserPoolGroup",
        "AWS::DynamoDB::Table",
        "AWS::Glue::Database",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
        "AWS::Kinesis::Stream",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::StepFunctions::StateMachine",
    }
)

# What the local run has in another form or has no use for, by the beginning of the type's name; the first that
# fits. tests/integration/test_left_out.py asks the emulator about each.
LEFT_OUT = {
    "AWS::RDS::": "PostgreSQL runs beside the emulator",
    "AWS::MemoryDB::": "Valkey runs beside the emulator",
    "AWS::ECS::": "the tasks run as processes",
    "AWS::SNS::": "whoever runs it sees what is wrong on the page",
    "AWS::IAM::ManagedPolicy": "whoever operates a laptop needs no leave",
    "AWS::EC2::": "a laptop needs no network of its own",
    "AWS::Kinesis::StreamConsumer": "the local event source reads the stream itself",
    "AWS::CodeDeploy::": "a laptop has no version to go back to",
    "AWS::ApiGateway::Account": "the emulator needs no leave to write logs",
    "AWS::Athena::": "DuckDB reads the lake",
    "AWS::CloudWatch::CompositeAlarm": "the emulator has no alarms over alarms",
    "AWS::SageMaker::": "local/sagemaker stands in for it",
    "AWS::Scheduler::": "a laptop keeps no hours: nothing is trained, compacted or swept by the clock",
    "AWS::Logs::MetricFilter": "whoever runs it reads the log",
    "AWS::CDK::Metadata": "says nothing about a resource",
    "Custom::": "the local run does what it would have done",
}
UNJUDGED = "nobody has said what becomes of it on a laptop"
"""The reason against a type that is neither kept nor in ``LEFT_OUT``: a run goes on without it, a test does not."""

# Any Python will do for MiniStack, which runs its own.
_RUNTIME = "python3.13"
_ENDPOINT_VARIABLE = "TICKWIRE_WEBSOCKET_ENDPOINT"
_ISSUER_VARIABLE = "TICKWIRE_TOKEN_ISSUER"
_KEYS_VARIABLE = "TICKWIRE_TOKEN_KEYS_URL"
_EXECUTE_API = "/_aws/execute-api"
_SUBSTITUTION = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z0-9.]+)?\}")


class UnknownTemplate(ValueError):
    """A template holds something that the rewrite does not know how to read."""


@dataclass(frozen=True, slots=True)
class CodeLocation:
    """Where the zip of the project's source lies in the emulator's S3."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A resource that is not created locally, and why."""

    logical_id: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenMapping:
    """A Kinesis mapping taken out of a template, in the units of CloudFormation.

    ``function``, ``stream_arn`` and ``on_failure_arn`` are expressions that only a deployment
    resolves. Attempts and age are -1 for no limit.
    """

    function: Expression
    stream_arn: Expression
    on_failure_arn: Expression | None
    batch_size: int
    maximum_batching_window_seconds: int
    bisect: bool
    maximum_retry_attempts: int
    maximum_record_age_seconds: int
    parallelization: int
    report_batch_item_failures: bool
    starting_position: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """What became of one template.

    A template with ``is_empty`` has nothing to create.
    """

    template: dict[str, Any]
    left_out: tuple[LeftOut, ...]
    mappings: tuple[TakenMapping, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no resource is left."""
        return not self.template["Resources"]


def rewrite(
    template: Mapping[str, Any],
    *,
    code: CodeLocation,
    overrides: Mapping[str, str] | None = None,
    endpoint_url: str | None = None,
) -> Rewritten:
    """Rewrite one template; the argument is not changed.

    Parameters
    ----------
    code
        What every function runs.
    overrides
        Environment variables set on every function, over its own.
    endpoint_url
        The emulator's address: a function that posts to WebSocket connections, or reads the keys of the user
        pool, is pointed there. None leaves AWS' own addresses.

    Raises
    ------
    UnknownTemplate
        If an image function has no command, so that its handler is unknown, or if one posts to a WebSocket API
        that the template has not.
    """
    work = copy.deepcopy(dict(template))
    resources: dict[str, dict[str, Any]] = work.get("Resources", {})
    mappings = tuple(_take_mappings(resources))
    left_out = tuple(_leave_out(resources))
    for resource in resources.values():
        if resource["Type"] == "AWS::Lambda::Function":
            _rewrite_function(resource["Properties"], code)
            _point_to(resource["Properties"], resources, endpoint_url)
            _override(resource["Properties"], overrides or {})
    # The check of the bootstrap stack's version; the emulator has none.
    work.pop("Rules", None)
    work.get("Parameters", {}).pop("BootstrapVersion", None)

    missing = {item.logical_id for item in left_out}
    rewritten: dict[str, Any] = _without(work, missing)
    for resource in rewritten["Resources"].values():
        _drop_dependencies(resource, missing)
        resource.pop("Metadata", None)
    return Rewritten(
        template=rewritten,
        left_out=left_out,
        mappings=tuple(
            TakenMapping(**{name: _without(getattr(mapping, name), missing) for name in TakenMapping.__slots__})
            for mapping in mappings
        ),
    )


def _take_mappings(resources: dict[str, dict[str, Any]]) -> Iterator[TakenMapping]:
    consumers = {
        name: resource["Properties"]["StreamARN"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Kinesis::StreamConsumer"
    }
    for name, resource in list(resources.items()):
        if resource["Type"] != "AWS::Lambda::EventSourceMapping":
            continue
        properties = resource["Properties"]
        # Of all sources that Tickwire reads, only streams have a starting position.
        if "StartingPosition" not in properties:
            continue
        del resources[name]
        yield _taken(properties, consumers)


def _taken(properties: Mapping[str, Any], consumers: Mapping[str, Expression]) -> TakenMapping:
    source = properties["EventSourceArn"]
    target = _target(source)
    destination = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    return TakenMapping(
        function=properties["FunctionName"],
        stream_arn=consumers.get(target, source) if target is not None else source,
        on_failure_arn=destination,
        batch_size=int(properties.get("BatchSize", 100)),
        maximum_batching_window_seconds=int(properties.get("MaximumBatchingWindowInSeconds", 0)),
        bisect=bool(properties.get("BisectBatchOnFunctionError", False)),
        maximum_retry_attempts=int(properties.get("MaximumRetryAttempts", -1)),
        maximum_record_age_seconds=int(properties.get("MaximumRecordAgeInSeconds", -1)),
        parallelization=int(properties.get("ParallelizationFactor", 1)),
        report_batch_item_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
        starting_position=str(properties["StartingPosition"]),
    )


def _leave_out(resources: dict[str, dict[str, Any]]) -> Iterator[LeftOut]:
    for name, resource in list(resources.items()):
        reason = _reason_against(resource)
        if reason is not None:
            del resources[name]
            yield LeftOut(name, resource["Type"], reason)


def _reason_against(resource: Mapping[str, Any]) -> str | None:
    kind = str(resource["Type"])
    properties = resource.get("Properties", {})
    if kind == "AWS::CloudWatch::Alarm" and "Metrics" in properties:
        return "the emulator has no alarms over metric math"
    if kind == "AWS::Lambda::Function" and not _runs_python(properties):
        return "it serves a custom resource, which the local run has no use for"
    if kind in KEPT_TYPES:
        return None
    return next((reason for prefix, reason in LEFT_OUT.items() if kind.startswith(prefix)), UNJUDGED)


def _runs_python(properties: Mapping[str, Any]) -> bool:
    return properties.get("PackageType") == "Image" or str(properties.get("Runtime", "")).startswith("python")


def _rewrite_function(properties: dict[str, Any], code: CodeLocation) -> None:
    properties.pop("VpcConfig", None)
    properties.pop("Layers", None)
    properties["Code"] = {"S3Bucket": code.bucket, "S3Key": code.key}
    if properties.get("PackageType") != "Image":
        return
    command = properties.pop("ImageConfig", {}).get("Command")
    if not command:
        raise UnknownTemplate("an image function without a command: which handler is it?")
    properties["PackageType"] = "Zip"
    properties["Handler"] = command[0]
    properties["Runtime"] = _RUNTIME


def _point_to(
    properties: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]], endpoint_url: str | None
) -> None:
    variables = properties.get("Environment", {}).get("Variables", {})
    if endpoint_url is None:
        return
    if _ENDPOINT_VARIABLE in variables:
        variables[_ENDPOINT_VARIABLE] = _websocket_endpoint(resources, endpoint_url)
    if _KEYS_VARIABLE in variables:
        # The pool's id is the last part of the issuer's address.
        pool = {"Fn::Select": [3, {"Fn::Split": ["/", variables[_ISSUER_VARIABLE]]}]}
        variables[_KEYS_VARIABLE] = {"Fn::Join": ["/", [endpoint_url, pool, ".well-known/jwks.json"]]}


def _websocket_endpoint(resources: Mapping[str, Mapping[str, Any]], endpoint_url: str) -> Expression:
    for resource in resources.values():
        if resource["Type"] != "AWS::ApiGatewayV2::Stage":
            continue
        properties = resource["Properties"]
        api = resources[_target(properties["ApiId"]) or ""]
        if api["Properties"]["ProtocolType"] == "WEBSOCKET":
            return {"Fn::Join": ["/", [endpoint_url + _EXECUTE_API, properties["ApiId"], properties["StageName"]]]}
    raise UnknownTemplate("a function posts to a WebSocket API that its template has not")


def _override(properties: dict[str, Any], overrides: Mapping[str, str]) -> None:
    properties.setdefault("Environment", {}).setdefault("Variables", {}).update(overrides)


def _target(expression: Expression) -> str | None:
    """Give the logical id that a ``Ref`` or ``Fn::GetAtt`` points at, or None for anything else."""
    if not isinstance(expression, dict) or len(expression) != 1:
        return None
    if "Ref" in expression:
        return str(expression["Ref"])
    if "Fn::GetAtt" in expression:
        path = expression["Fn::GetAtt"]
        return str(path[0] if isinstance(path, list) else path.split(".")[0])
    return None


def _without(value: Any, missing: set[str]) -> Any:
    """Copy a part of a template with every reference to the missing resources turned into text."""
    target = _target(value)
    if target is not None:
        return f"local-{target}" if target in missing else value
    if isinstance(value, dict):
        if "Fn::Sub" in value:
            return {**value, "Fn::Sub": _without_in_sub(value["Fn::Sub"], missing)}
        return {name: _without(part, missing) for name, part in value.items()}
    if isinstance(value, list):
        return [_without(part, missing) for part in value]
    return value


def _without_in_sub(argument: Any, missing: set[str]) -> Any:
    def replaced(match: re.Match[str]) -> str:
        return f"local-{match.group(1)}" if match.group(1) in missing else match.group(0)

    if isinstance(argument, str):
        return _SUBSTITUTION.sub(replaced, argument)
    text, variables = argument
    return [_SUBSTITUTION.sub(replaced, text), _without(variables, missing)]


def _drop_dependencies(resource: dict[str, Any], missing: set[str]) -> None:
    named = resource.pop("DependsOn", [])
    kept = [name for name in ([named] if isinstance(named, str) else named) if name not in missing]
    if kept:
        resource["DependsOn"] = kept
