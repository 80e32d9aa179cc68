"""Creates synthesised stacks in an emulator: what ``cdk deploy`` does, without its command line."""

import contextlib
import hashlib
import io
import json
import os
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk.source import PROJECT, shipped_files
from local.shard_delivery import EventSourceMapping
from local.synthesis import Assembly, NodeMissing, SynthesisFailed, synthesise
from local.template_rewrite import CodeLocation, LeftOut, Rewritten, TakenMapping, rewrite
from tickwire.errors import TickwireError

__all__ = ["Assembly", "Deployment", "DeploymentFailed", "NodeMissing", "SynthesisFailed", "deploy", "synthesise"]

# Set on every function beside what the caller asks for: without AWS there is nobody to trace to.
_DEFAULT_OVERRIDES = {"POWERTOOLS_TRACE_DISABLED": "true", "AWS_XRAY_SDK_ENABLED": "false"}
_SOURCE_PACKAGES = ("tickwire", "lambdas")
_BUCKET = "tickwire-local-deployment"
_EXECUTE_API = "_aws/execute-api"
_MAPPING_OUTPUT = "LocalMapping"
# CloudFormation takes a template of this many bytes in the call itself, a larger one from S3.
_INLINE_TEMPLATE_BYTES = 51_200


class DeploymentFailed(TickwireError):
    """A stack could not be created; the message names the resources that failed, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What was created.

    ``outputs`` are those of all stacks together, as AWS would give them; ``websocket_url`` is where the
    emulator serves the screens, ``rest_url`` where it serves the REST API; ``functions`` gives the deployed name of
    each folder of ``lambdas/``; ``event_source_mappings`` are the Kinesis mappings that something else
    must run; ``left_out`` gives, by stack, what was not created.
    """

    outputs: Mapping[str, str]
    functions: Mapping[str, str]
    event_source_mappings: tuple[EventSourceMapping, ...]
    left_out: Mapping[str, tuple[LeftOut, ...]]
    websocket_url: str
    rest_url: str
    seconds: float


def deploy(assembly: Path, *, endpoint_url: str, overrides: Mapping[str, str] | None = None) -> Deployment:
    """Create every stack of an assembly in the emulator, in the order of their dependencies.

    Parameters
    ----------
    endpoint_url
        The emulator's address.
    overrides
        Environment variables set on every function, over its own.

    Raises
    ------
    DeploymentFailed
        If a stack is refused or one of its resources fails.
    """
    started = time.monotonic()
    clients = _Clients(endpoint_url)
    code = _upload_source(clients)
    outputs: dict[str, str] = {}
    left_out: dict[str, tuple[LeftOut, ...]] = {}
    mappings: list[EventSourceMapping] = []
    for stack in _stacks_in_order(assembly):
        template = json.loads((assembly / f"{stack}.template.json").read_text())
        rewritten = rewrite(
            template,
            code=code,
            overrides={**_DEFAULT_OVERRIDES, "AWS_ENDPOINT_URL": endpoint_url, **(overrides or {})},
            endpoint_url=endpoint_url,
        )
        if rewritten.left_out:
            left_out[stack] = rewritten.left_out
        if rewritten.is_empty:
            continue
        _add_mapping_outputs(rewritten)
        found = _create_stack(stack, rewritten.template, clients=clients)
        mappings.extend(_resolved(rewritten.mappings, found))
        outputs.update({name: value for name, value in found.items() if not name.startswith(_MAPPING_OUTPUT)})
    return Deployment(
        outputs=outputs,
        functions={_folder_name(name): value for name, value in outputs.items() if name.endswith("Function")},
        event_source_mappings=tuple(mappings),
        left_out=left_out,
        websocket_url=_websocket_url(endpoint_url, outputs),
        rest_url=f"{endpoint_url}/{_EXECUTE_API}/{outputs['RestApiId']}/$default",
        seconds=time.monotonic() - started,
    )


class _Clients:
    """The services that a deployment calls, at the emulator's address."""

    def __init__(self, endpoint_url: str) -> None:
        import boto3
        from botocore.config import Config

        session = boto3.Session(
            aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "test"),
            aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
            region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        )
        config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2, "mode": "standard"})
        self.region: str = session.region_name
        self.endpoint_url = endpoint_url
        self.s3 = session.client("s3", endpoint_url=endpoint_url, config=config)
        self.cloudformation = session.client("cloudformation", endpoint_url=endpoint_url, config=config)


def _stacks_in_order(assembly: Path) -> Iterator[str]:
    """Give the stacks of an assembly, each after those that it depends on."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    stacks = {name for name, artifact in artifacts.items() if artifact["type"] == "aws:cloudformation:stack"}
    done: set[str] = set()
    while len(done) < len(stacks):
        ready = [
            name
            for name in sorted(stacks - done)
            if done.issuperset(stacks.intersection(artifacts[name].get("dependencies", [])))
        ]
        if not ready:
            raise DeploymentFailed(f"the stacks {', '.join(sorted(stacks - done))} depend on each other in a circle")
        yield from ready
        done.update(ready)


def _upload_source(clients: _Clients) -> CodeLocation:
    """Put a zip of the project's source, as the functions' assets hold it, where Lambda finds it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for package in _SOURCE_PACKAGES:
            for path in shipped_files(PROJECT / package):
                archive.write(path, path.relative_to(PROJECT))
    body = buffer.getvalue()
    code = CodeLocation(_BUCKET, f"source-{hashlib.sha256(body).hexdigest()[:16]}.zip")
    owned = (clients.s3.exceptions.BucketAlreadyOwnedByYou, clients.s3.exceptions.BucketAlreadyExists)
    with contextlib.suppress(*owned):
        clients.s3.create_bucket(Bucket=code.bucket)
    clients.s3.put_object(Bucket=code.bucket, Key=code.key, Body=body)
    return code


def _add_mapping_outputs(rewritten: Rewritten) -> None:
    """Have the emulator resolve what a taken mapping refers to, by asking for it as outputs."""
    for number, mapping in enumerate(rewritten.mappings):
        parts = {"Function": mapping.function, "Stream": mapping.stream_arn, "Failures": mapping.on_failure_arn}
        for part, expression in parts.items():
            if expression is not None:
                rewritten.template.setdefault("Outputs", {})[f"{_MAPPING_OUTPUT}{number}{part}"] = {"Value": expression}


def _resolved(mappings: tuple[TakenMapping, ...], outputs: Mapping[str, str]) -> Iterator[EventSourceMapping]:
    for number, mapping in enumerate(mappings):
        failures = outputs.get(f"{_MAPPING_OUTPUT}{number}Failures")
        yield EventSourceMapping(
            function_name=outputs[f"{_MAPPING_OUTPUT}{number}Function"],
            stream_name=outputs[f"{_MAPPING_OUTPUT}{number}Stream"].rpartition("/")[2],
            batch_size=mapping.batch_size,
            maximum_batching_window_seconds=mapping.maximum_batching_window_seconds,
            bisect=mapping.bisect,
            maximum_retry_attempts=mapping.maximum_retry_attempts,
            maximum_record_age_seconds=mapping.maximum_record_age_seconds,
            report_batch_item_failures=mapping.report_batch_item_failures,
            on_failure_bucket=None if failures is None else failures.rpartition(":")[2],
            starting_position=mapping.starting_position,
        )


def _create_stack(
    stack: str, template: Mapping[str, Any], *, clients: _Clients, seconds: float = 120.0
) -> dict[str, str]:
    """Create one stack, wait for it and give its outputs."""
    from botocore.exceptions import ClientError

    body = json.dumps(template, separators=(",", ":"))
    argument = {"TemplateBody": body}
    if len(body) > _INLINE_TEMPLATE_BYTES:
        key = f"{stack}.template.json"
        clients.s3.put_object(Bucket=_BUCKET, Key=key, Body=body.encode())
        argument = {"TemplateURL": f"{clients.endpoint_url}/{_BUCKET}/{key}"}
    try:
        clients.cloudformation.create_stack(
            StackName=stack, Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"], **argument
        )
        deadline = time.monotonic() + seconds
        while True:
            described = clients.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            if not described["StackStatus"].endswith("IN_PROGRESS"):
                break
            if time.monotonic() > deadline:
                raise DeploymentFailed(f"stack {stack} was not ready within {seconds:.0f} s")
            time.sleep(0.02)
    except ClientError as error:
        raise DeploymentFailed(f"stack {stack} was refused: {error}") from error
    if described["StackStatus"] != "CREATE_COMPLETE":
        raise DeploymentFailed(_failure(stack, described, clients))
    # What the CDK exports from one stack to another is named by it and is nobody else's business.
    return {
        output["OutputKey"]: output["OutputValue"]
        for output in described.get("Outputs", [])
        if "ExportName" not in output
    }


def _failure(stack: str, described: Mapping[str, Any], clients: _Clients) -> str:
    events = clients.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [
        f"  {event['LogicalResourceId']} ({event['ResourceType']}): "
        f"{event.get('ResourceStatusReason', 'no reason given')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED")
    ]
    reason = described.get("StackStatusReason", "")
    return "\n".join([f"stack {stack} ended as {described['StackStatus']}. {reason}".rstrip(), *failed])


def _websocket_url(endpoint_url: str, outputs: Mapping[str, str]) -> str:
    host = endpoint_url.removeprefix("http://")
    return f"ws://{host}/{_EXECUTE_API}/{outputs['WebSocketApiId']}/{outputs['WebSocketStage']}"


def _folder_name(output: str) -> str:
    """Turn an output's name, ``LakeWriterFunction``, into the function's folder, ``lake_writer``."""
    name = output.removesuffix("Function")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
