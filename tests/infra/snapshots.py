"""The templates as a reviewer reads them: ``make snapshots`` writes them, ``test_snapshots.py`` compares.

What changes with every change of a function's source is masked (hashes of assets, published versions), and
what says nothing is left out (the CDK's metadata, the tags that everything carries). Joins are written as
``!Sub`` and exports by what they export.
"""

import difflib
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "snapshots"
STAGES = ("dev", "prod")
MAX_BYTES = 70_000
"""The most that a reviewer is asked to read of one stack."""

_ASSET = re.compile(r"\b[0-9a-f]{64}\b")
# The CDK names a published version by a hash of the function.
_VERSION = re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}")
_EXPORT = re.compile(r"Tickwire-\w+-(\w+):ExportsOutput(?:FnGetAtt|Ref)(\w+?)(?:[0-9A-F]{8})?")
_TAGS = {"application", "stage"}
# A dashboard's body, say: its beginning tells what it is, and a digest that it is the same.
_MAX_TEXT = 1_500


def snapshot(template: Mapping[str, Any]) -> str:
    """Write one template as a snapshot; equal templates give equal text."""
    work = json.loads(_VERSION.sub(r"\1", _ASSET.sub("<asset>", json.dumps(template))))
    work.pop("Rules", None)
    work.get("Parameters", {}).pop("BootstrapVersion", None)
    for name, resource in list(work["Resources"].items()):
        if resource["Type"] == "AWS::CDK::Metadata":
            del work["Resources"][name]
        resource.pop("Metadata", None)
        _drop_tags(resource.get("Properties", {}))
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "MetricName" in resource["Properties"]:
            resource["Properties"] = _sentence(resource["Properties"])
            continue
        if resource["Type"] == "AWS::IAM::Role":
            _shorten_role(resource["Properties"])
    filled = {name: part for name, part in work.items() if part}
    return yaml.dump(_short(filled), Dumper=_Dumper, width=120, sort_keys=False, default_flow_style=None)


def folder_of(stage: str) -> Path:
    """Give where the snapshots of a stage lie, one a stack."""
    return FOLDER / stage


def difference(stored: str, made: str, name: str, *, lines: int = 60) -> str:
    """Give what changed, in the form that reviewers know, cut after ``lines``."""
    found = list(
        difflib.unified_diff(
            stored.splitlines(), made.splitlines(), f"{name} as stored", f"{name} as synthesised", lineterm=""
        )
    )
    rest = [f"… and {len(found) - lines} lines more"] if len(found) > lines else []
    return "\n".join([*found[:lines], *rest])


class _Tagged(str):
    """Text under a tag of CloudFormation's short form."""

    tag: str

    def __new__(cls, tag: str, text: str) -> "_Tagged":
        made = super().__new__(cls, text)
        made.tag = tag
        return made


class _Dumper(yaml.SafeDumper):
    """Writes short forms, and each value out even if it stands in two places."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(_Tagged, lambda dumper, value: dumper.represent_scalar(f"!{value.tag}", str(value)))


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(part) for part in value]
    if isinstance(value, str):
        return value if len(value) <= _MAX_TEXT else _abridged(value)
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, argument),) = value.items()
        if name == "Fn::GetStackOutput":
            return _Tagged("GetStackOutput", f"{argument['StackName'].rpartition('-')[2]}:{argument['OutputName']}")
        if name in ("Ref", "Fn::ImportValue") and isinstance(argument, str):
            return _Tagged(name.removeprefix("Fn::"), _EXPORT.sub(r"\1:\2", argument))
        if name == "Fn::Sub" and isinstance(argument, str):
            return _Tagged("Sub", argument)
        if name == "Fn::GetAtt" and isinstance(argument, list):
            return _Tagged("GetAtt", ".".join(argument))
        if name == "Fn::Join" and argument[0] == "" and isinstance(argument[1], list):
            parts = [part if isinstance(part, str) else _short(part) for part in argument[1]]
            text = "".join(f"${{{part}}}" if isinstance(part, _Tagged) else str(part) for part in parts)
            return _Tagged("Sub", text if len(text) <= _MAX_TEXT else _abridged(text))
    # A resource is read by its type first.
    return {name: _short(value[name]) for name in sorted(value, key=lambda name: (name != "Type", name))}


def _shorten_role(role: dict[str, Any]) -> None:
    """Leave out the boundary, which every role has, and name the one service that may take the role."""
    role.pop("PermissionsBoundary", None)
    (statement, *more) = role["AssumeRolePolicyDocument"]["Statement"]
    service = statement.get("Principal", {}).get("Service")
    if not more and statement == {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": service}}:
        role["AssumeRolePolicyDocument"] = service


def _sentence(alarm: Mapping[str, Any]) -> str:
    """Write an alarm on one metric on one line: they are many, and differ in little."""
    rest = dict(alarm)
    dimensions = ", ".join(f"{part['Name']} {_text(part['Value'])}" for part in rest.pop("Dimensions", []))
    periods, seconds = rest.pop("EvaluationPeriods"), rest.pop("Period")
    told = {_text(arn).rpartition(":")[2] for arn in (*rest.pop("AlarmActions", ()), *rest.pop("OKActions", ()))}
    statistic = rest.pop("Statistic", None) or rest.pop("ExtendedStatistic")
    metric = f"{statistic} of {rest.pop('Namespace')} {rest.pop('MetricName')} [{dimensions}]"
    bound = f"{rest.pop('ComparisonOperator')} {rest.pop('Threshold')}"
    how_often = f"{rest.pop('DatapointsToAlarm', periods)} of {periods}, missing {rest.pop('TreatMissingData')}"
    says = _text(rest.pop("AlarmDescription"))
    more = f" {_short(rest)}" if rest else ""
    return f"{metric} over {seconds} s {bound}, {how_often}, to {', '.join(sorted(told))}: {says}{more}"


def _text(value: Any) -> str:
    short = _short(value)
    return f"!{short.tag} {short}" if isinstance(short, _Tagged) else str(short)


def _abridged(text: str) -> str:
    return f"{text[:200]}… ({len(text)} characters, SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:16]})"


def _drop_tags(properties: dict[str, Any]) -> None:
    tags = properties.get("Tags")
    if isinstance(tags, list):
        properties["Tags"] = [tag for tag in tags if tag.get("Key") not in _TAGS]
    elif isinstance(tags, dict):
        properties["Tags"] = {name: tag for name, tag in tags.items() if name not in _TAGS}
    if not properties.get("Tags", True):
        del properties["Tags"]


def _write() -> None:
    from cdk.app_factory import build_app

    for stage in STAGES:
        print(f"snapshots of stage {stage}", file=sys.stderr)
        folder = folder_of(stage)
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.yaml"):
            old.unlink()
        with tempfile.TemporaryDirectory() as assembly:
            build_app(stage, context={"bundle": "false"}, outdir=assembly, rules=False).synth()
            for path in sorted(Path(assembly).glob("*.template.json")):
                stack = path.name.removesuffix(".template.json").rpartition("-")[2]
                (folder / f"{stack}.yaml").write_text(snapshot(json.loads(path.read_text())))


if __name__ == "__main__":
    _write()
