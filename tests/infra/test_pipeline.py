"""The pipeline deploys the very stacks that the command line deploys, in an order that lets nothing slip through."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdk.settings import InvalidSettings, settings_of
from cdk.settings.pipeline import pipeline_settings
from tests.infra.conftest import Application, as_list

ACCOUNT = "111111111111"
CONNECTION = f"arn:aws:codeconnections:eu-west-1:{ACCOUNT}:connection/01234567-89ab-cdef-0123-456789abcdef"
STAGE = f'region = "eu-west-1"\naccount = "{ACCOUNT}"\nalarms.addresses = ["alarms@example.com"]\n'
PIPELINE = f'[pipeline]\nconnection_arn = "{CONNECTION}"\nrepository = "example/tickwire"\n'
ENOUGH = f"[dev]\n{STAGE}[prod]\n{STAGE}{PIPELINE}"
# Actions that know no resource, and what asks for them.
UNSCOPED = {
    "ec2:DescribeAvailabilityZones": "the synthesis may look zones up",
    "ecr:GetAuthorizationToken": "a token is for the registry",
    "cloudformation:DescribeStacks": "CDK Pipelines looks whether it has to change itself",
    **dict.fromkeys(
        ("codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"),
        "CDK Pipelines makes the roles that publish assets before the projects that they start",
    ),
    "s3:ListBucket": "the same, whether the bootstrap's bucket is there",
    "sts:GetCallerIdentity": "whoever asks, asks about itself",
    **dict.fromkeys(
        ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"),
        "the CDK knows no name of a key that it makes in another region for the artefacts there",
    ),
}
# The CDK names these by the whole path of what they refer to, or by their content.
NAMED_BY_PATH = {
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
}


class Pipeline:
    """The pipeline's own template, and the applications of the stages inside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template: dict[str, Any] = json.loads((folder / "Tickwire-Pipeline.template.json").read_text())

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Give the resources of a type, by their logical ids."""
        return {name: whole for name, whole in self.template["Resources"].items() if whole["Type"] == kind}

    def stages(self) -> list[dict[str, Any]]:
        """Give the stages of the pipeline, in order."""
        (pipeline,) = self.resources("AWS::CodePipeline::Pipeline").values()
        return list(pipeline["Properties"]["Stages"])

    def actions(self, stage: str) -> list[str]:
        """Give the names of a stage's actions in the order in which they run."""
        (found,) = [item for item in self.stages() if item["Name"] == stage]
        return [action["Name"] for action in sorted(found["Actions"], key=lambda action: action["RunOrder"])]

    def platform(self, stage: str) -> Application:
        """Give the application of a stage."""
        return Application(self.folder / f"assembly-Tickwire-Pipeline-Tickwire-{stage}")

    def statements(self) -> Iterator[dict[str, Any]]:
        """Give all that the pipeline's roles may do."""
        for policy in self.resources("AWS::IAM::Policy").values():
            yield from policy["Properties"]["PolicyDocument"]["Statement"]


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    if shutil.which("node") is None:
        pytest.skip("the AWS CDK needs Node.js to synthesise")
    from cdk.pipeline_app import build_pipeline_app

    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "settings.toml").write_text(ENOUGH)
    context = {"aws:cdk:bundling-stacks": []}
    app = build_pipeline_app(file=folder / "settings.toml", context=context, outdir=folder / "out")
    # What the rules say of the stages' own stacks is the subject of other tests.
    with contextlib.suppress(RuntimeError):
        app.synth()
    return Pipeline(folder / "out")


def test_the_stages_are_the_stacks_that_the_command_line_deploys(pipeline: Pipeline, dev: Any) -> None:
    deployed = pipeline.platform("dev")
    manifest = json.loads((deployed.folder / "manifest.json").read_text())
    names = {
        artifact["properties"]["stackName"]
        for artifact in manifest["artifacts"].values()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    assert names == {f"Tickwire-dev-{stack}" for stack in dev.templates}
    by_stack = {
        name.rpartition("dev")[2]: {(id_, whole["Type"]) for id_, whole in template["Resources"].items()}
        for name, template in _by_artifact(deployed).items()
    }
    for stack, template in dev.templates.items():
        (found,) = [ids for name, ids in by_stack.items() if name.startswith(stack)]
        expected = {(name, whole["Type"]) for name, whole in template["Resources"].items()}
        # A resource with another name would be made anew, and the old one deleted.
        assert {pair for pair in expected ^ found if pair[1] not in NAMED_BY_PATH} == set(), stack


def _by_artifact(application: Application) -> dict[str, dict[str, Any]]:
    return {path.name.removesuffix(".template.json"): json.loads(path.read_text()) for path in
            application.folder.glob("*.template.json")}  # fmt: skip


def test_nothing_is_deployed_before_the_tests_and_nothing_to_production_without_a_yes(pipeline: Pipeline) -> None:
    names = [stage["Name"] for stage in pipeline.stages()]
    assert names == ["Source", "Build", "UpdatePipeline", "Assets", "Tickwire-dev", "Tickwire-prod"]
    dev, prod = pipeline.actions("Tickwire-dev"), pipeline.actions("Tickwire-prod")
    assert (dev[0], dev[-1]) == ("Test", "Smoke")
    assert prod[0] == "Promote-prod"
    (approval,) = [
        action
        for action in pipeline.stages()[-1]["Actions"]
        if action["ActionTypeId"] == {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"}
    ]
    assert approval["RunOrder"] < min(a["RunOrder"] for a in pipeline.stages()[-1]["Actions"] if a is not approval)


def _build_specs(pipeline: Pipeline) -> Iterator[tuple[dict[str, Any], str]]:
    for project in pipeline.resources("AWS::CodeBuild::Project").values():
        yield project["Properties"], json.dumps(project["Properties"]["Source"].get("BuildSpec", ""))


def test_the_tests_are_those_of_ci(pipeline: Pipeline) -> None:
    commands = (Path(__file__).parents[2] / ".ci" / "run").read_text().splitlines()
    made = [line for line in commands if line.startswith("make ")]
    assert made
    (spec,) = [spec for _, spec in _build_specs(pipeline) if "make check" in spec]
    assert all(f'\\"{line}\\"' in spec for line in made)


def test_the_visit_is_the_canarys_and_must_have_seen_a_live_trade(pipeline: Pipeline) -> None:
    (spec,) = [spec for _, spec in _build_specs(pipeline) if "$CANARY" in spec]
    assert spec.count("succeeded") == 2
    (statement,) = [one for one in pipeline.statements() if "lambda:InvokeFunction" in as_list(one["Action"])]
    assert statement["Resource"] == f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:Tickwire-dev-*"


def test_images_are_built_on_arm_and_only_they_with_docker(pipeline: Pipeline) -> None:
    privileged = 0
    for properties, spec in _build_specs(pipeline):
        environment = properties["Environment"]
        assert environment["Type"] == "ARM_CONTAINER"
        assert "aarch64" in environment["Image"]
        if environment["PrivilegedMode"]:
            privileged += 1
            assert "DockerAsset" in spec
    assert privileged >= 1


def test_every_build_is_logged_with_a_key_and_for_a_time(pipeline: Pipeline) -> None:
    groups = pipeline.resources("AWS::Logs::LogGroup")
    for group in groups.values():
        assert "KmsKeyId" in group["Properties"]
        assert group["Properties"]["RetentionInDays"] == 14
    for properties, _ in _build_specs(pipeline):
        assert properties["LogsConfig"]["CloudWatchLogs"]["GroupName"]["Ref"] in groups


def test_artefacts_are_encrypted_with_keys_of_ours_in_every_region(pipeline: Pipeline) -> None:
    templates = [json.loads(path.read_text()) for path in pipeline.folder.glob("*.template.json")]
    buckets = [
        whole["Properties"]
        for template in templates
        for whole in template["Resources"].values()
        if whole["Type"] == "AWS::S3::Bucket"
    ]
    # Here, and where CloudFront's firewall stands.
    assert len(buckets) >= 2
    for bucket in buckets:
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert "KMSMasterKeyID" in rule["ServerSideEncryptionByDefault"]
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    keys = [
        whole["Properties"]
        for template in templates
        for whole in template["Resources"].values()
        if whole["Type"] == "AWS::KMS::Key"
    ]
    assert all(key["EnableKeyRotation"] is True for key in keys)


def test_no_role_may_do_everything_or_reach_everything(pipeline: Pipeline) -> None:
    for statement in pipeline.statements():
        actions = as_list(statement["Action"])
        assert "*" not in actions
        if "*" in as_list(statement["Resource"]):
            narrowed = "Condition" in statement
            assert narrowed or set(actions) <= set(UNSCOPED), statement


def test_a_run_that_fails_is_told_to_the_stages_alarms(pipeline: Pipeline) -> None:
    (rule,) = [
        rule["Properties"]
        for rule in pipeline.resources("AWS::Events::Rule").values()
        if "aws.codepipeline" in rule["Properties"]["EventPattern"]["source"]
    ]
    assert rule["EventPattern"]["detail"]["state"] == ["FAILED"]
    (target,) = rule["Targets"]
    assert target["Arn"] == f"arn:aws:sns:eu-west-1:{ACCOUNT}:tickwire-dev-alarms"
    names = {topic.properties["TopicName"] for topic in pipeline.platform("dev").resources("AWS::SNS::Topic")}
    assert "tickwire-dev-alarms" in names


def test_the_pipelines_own_resources_break_no_rule(pipeline: Pipeline) -> None:
    report = json.loads((pipeline.folder / "validation-report.json").read_text())
    broken = [
        (violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        if violation.get("severity") == "error"
        for construct in violation["violatingConstructs"]
        if "Tickwire-dev/" not in construct["constructPath"] and "Tickwire-prod/" not in construct["constructPath"]
    ]
    assert broken == []


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def test_a_pipeline_is_told_where_its_code_comes_from(written: Path) -> None:
    written.write_text(ENOUGH)
    settings = pipeline_settings(file=written)
    assert (settings.connection_arn, settings.repository, settings.branch) == (CONNECTION, "example/tickwire", "main")
    # A stage reads past it.
    assert settings_of("dev", file=written).account == ACCOUNT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", r"write in settings\.toml:\n  \[pipeline\]\n  connection_arn = "),
        ('[pipeline]\nrepository = "a/b"\n', "connection_arn: Field required"),
        (PIPELINE.replace(CONNECTION, "arn:aws:s3:::bucket"), "connection_arn: String should match"),
        (PIPELINE.replace("example/tickwire", "tickwire"), "repository: String should match"),
        (PIPELINE + "brunch = 1\n", "brunch: Extra inputs are not permitted"),
    ],
)
def test_a_pipeline_without_its_settings_is_refused_with_what_to_write(written: Path, text: str, reason: str) -> None:
    written.write_text(text)
    with pytest.raises(InvalidSettings, match=reason):
        pipeline_settings(file=written)


def test_a_pipeline_does_not_guess_its_accounts(written: Path) -> None:
    from cdk.pipeline_app import build_pipeline_app

    written.write_text(ENOUGH.replace(f'account = "{ACCOUNT}"\n', ""))
    with pytest.raises(InvalidSettings, match=r'write account = "…" in \[dev\]'):
        build_pipeline_app(file=written, rules=False)
