"""Each function and task may do what its code and its set-up need, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from tests.infra.aws_calls import ReadsNothing, calls_of
from tests.infra.privileges import Unexplained, judged, programmes
from tests.infra.references import Address, References

STAGES = ("dev", "prod")


@pytest.mark.parametrize("stage", STAGES)
def test_every_programme_may_do_what_it_does_and_nothing_else(request: Any, stage: str) -> None:
    application = request.getfixturevalue(stage)
    references = References(application.templates)
    found = programmes(references, application.dockerfiles())
    assert {programme.module.split(".")[0] for programme in found} >= {"lambdas", "ecs_tasks"}
    faults = [fault for programme in found for fault in judged(references, programme)]
    assert not faults, "\n".join(faults)


# What the tests above rest on, shown on a programme and a template made for it.

_SOURCES = {
    "lambdas/__init__.py": "",
    "lambdas/clients.py": """
        import boto3

        def new_client(service, *, timeout):
            return boto3.client(service, config=timeout)
    """,
    "lambdas/shelf.py": """
        class Shelf:
            def __init__(self, client, bucket):
                self._client = client
                self._bucket = bucket

            def put(self, key, body):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=body)

            def take(self, key):
                return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

        class Table:
            def __init__(self, client):
                self._client = client

            def row(self, key):
                return self._call("get_item", Key=key)

            def forget(self, key):
                return self._call("delete_item", Key=key)

            def _call(self, operation, **arguments):
                return getattr(self._client, operation)(TableName="t", **arguments)
    """,
    "lambdas/keeper/__init__.py": "",
    "lambdas/keeper/handler.py": """
        from lambdas.clients import new_client
        from lambdas.shelf import Shelf, Table

        shelf = Shelf(new_client("s3", timeout=1), "bucket")
        table = Table(new_client("dynamodb", timeout=1))

        def handler(event, context):
            from lambdas.keeper import late
            late.tell(table.row(event))
            shelf.put("key", b"")
    """,
    "lambdas/keeper/late.py": """
        from lambdas.clients import new_client

        def tell(text):
            new_client("sqs", timeout=2).send_message(QueueUrl="q", MessageBody=text)

        def never_called():
            new_client("sqs", timeout=2).purge_queue(QueueUrl="q")
    """,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A programme: it puts an object, reads a row by the operation's name, and sends a message in a late import."""
    from textwrap import dedent

    for name, text in _SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return tmp_path


def test_calls_are_found_through_wrappers_by_name_and_in_late_imports(root: Path) -> None:
    calls = calls_of("lambdas.keeper.handler", "handler", root=root)
    assert calls.services == {"s3", "dynamodb", "sqs"}
    assert set(calls.rights) == {"s3:PutObject", "dynamodb:GetItem", "sqs:SendMessage"}
    assert calls.rights["s3:PutObject"] == {"lambdas/shelf.py:8"}


def test_a_method_that_nobody_names_is_not_taken_for_a_call(root: Path) -> None:
    rights = calls_of("lambdas.keeper.handler", "handler", root=root).rights
    assert not {"s3:GetObject", "dynamodb:DeleteItem", "sqs:PurgeQueue"} & set(rights)


def test_a_function_that_a_decorator_hands_on_is_called(root: Path) -> None:
    handler = root / "lambdas/keeper/handler.py"
    handler.write_text(handler.read_text() + "\n@app.get('/row')\ndef row():\n    table.forget('key')\n")
    assert "dynamodb:DeleteItem" in calls_of("lambdas.keeper.handler", "handler", root=root).rights


def test_a_method_is_told_from_another_of_its_name_by_its_arguments(root: Path) -> None:
    handler = root / "lambdas/keeper/handler.py"
    handler.write_text(handler.read_text() + "\ndef read(path):\n    return path.take()\n")
    assert "s3:GetObject" not in calls_of("lambdas.keeper.handler", "read", root=root).rights
    handler.write_text(handler.read_text() + "\ndef fetch(any_shelf):\n    return any_shelf.take('key')\n")
    assert "s3:GetObject" in calls_of("lambdas.keeper.handler", "fetch", root=root).rights


def test_a_client_of_a_service_that_only_a_run_can_tell_is_refused(root: Path) -> None:
    handler = root / "lambdas/keeper/handler.py"
    handler.write_text(handler.read_text() + "\nimport boto3, os\nboto3.client(os.environ['SERVICE'])\n")
    with pytest.raises(ReadsNothing, match=r"lambdas/keeper/handler\.py:\d+ makes a client of a service that only"):
        calls_of("lambdas.keeper.handler", "handler", root=root)


def _template(*statements: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give a stack with the keeper's function, what it uses, and a role with these statements."""

    def arn(name: str) -> dict[str, Any]:
        return {"Fn::GetAtt": [name, "Arn"]}

    key = {"Type": "AWS::KMS::Key", "Properties": {}}
    encryption = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn("Key")}}
    bucket = {"BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]}}
    return {
        "Stack": {
            "Resources": {
                "Key": key,
                "Bucket": {"Type": "AWS::S3::Bucket", "Properties": bucket},
                "Other": {"Type": "AWS::S3::Bucket", "Properties": bucket},
                "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}},
                "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"KmsMasterKeyId": arn("Key")}},
                "Role": {"Type": "AWS::IAM::Role", "Properties": {}},
                "Policy": {
                    "Type": "AWS::IAM::Policy",
                    "Properties": {"Roles": [{"Ref": "Role"}], "PolicyDocument": {"Statement": list(statements)}},
                },
                "Function": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "Handler": "lambdas.keeper.handler.handler",
                        "Runtime": "python3.13",
                        "Role": arn("Role"),
                        "TracingConfig": {"Mode": "Active"},
                        "Environment": {"Variables": {name: {"Ref": name} for name in ("Bucket", "Table", "Queue")}},
                    },
                },
            }
        }
    }


def _allow(actions: str, resource: str) -> dict[str, Any]:
    named = "*" if resource == "*" else {"Fn::GetAtt": [resource, "Arn"]}
    return {"Effect": "Allow", "Action": actions.split(), "Resource": named}


_RIGHT = (
    _allow("s3:PutObject", "Bucket"),
    _allow("dynamodb:GetItem", "Table"),
    _allow("sqs:SendMessage", "Queue"),
    _allow("xray:PutTelemetryRecords xray:PutTraceSegments", "*"),
    _allow("kms:Decrypt kms:GenerateDataKey", "Key"),
)


def _faults(root: Path, *statements: dict[str, Any]) -> list[str]:
    references = References(_template(*statements))
    (programme,) = programmes(references, root=root)
    return judged(references, programme, root=root)


def test_rights_that_fit_are_right(root: Path) -> None:
    assert _faults(root, *_RIGHT) == []


@pytest.mark.parametrize("number", range(len(_RIGHT)))
def test_each_grant_that_is_taken_away_is_missed(root: Path, number: int) -> None:
    faults = _faults(root, *(grant for index, grant in enumerate(_RIGHT) if index != number))
    for action in _RIGHT[number]["Action"]:
        assert any(f"needs {action} " in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (_allow("s3:DeleteObject", "Bucket"), "may s3:DeleteObject and never does"),
        (_allow("s3:Get*", "Bucket"), r"may s3:Get* and never does"),
        (_allow("sqs:*", "Queue"), "may sqs:* and never does"),
        (_allow("kms:Encrypt", "Key"), "may kms:Encrypt with Stack/Key, and nothing that it may use"),
        (_allow("s3:PutObject", "Other"), "on Stack/Other, which neither its environment nor its event sources name"),
    ],
)
def test_each_grant_that_is_added_is_noticed(root: Path, added: dict[str, Any], said: str) -> None:
    (fault,) = _faults(root, *_RIGHT, added)
    assert said in fault


def test_a_managed_policy_is_refused_since_it_gives_more(root: Path) -> None:
    templates = _template(*_RIGHT)
    templates["Stack"]["Resources"]["Role"]["Properties"]["ManagedPolicyArns"] = [
        "arn:aws:iam::aws:policy/ReadOnlyAccess"
    ]
    references = References(templates)
    (programme,) = programmes(references, root=root)
    with pytest.raises(Unexplained, match="ReadOnlyAccess"):
        judged(references, programme, root=root)


def test_a_function_whose_code_is_not_ours_is_refused(root: Path) -> None:
    templates = _template(*_RIGHT)
    templates["Stack"]["Resources"]["Function"]["Properties"]["Handler"] = "index.handler"
    with pytest.raises(Unexplained, match=r"Stack/Function runs index\.handler, which is not in lambdas/"):
        programmes(References(templates), root=root)


def test_a_reference_leads_through_an_export_to_the_resource() -> None:
    templates = {
        "Streams": {
            "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
            "Outputs": {"Out": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}, "Export": {"Name": "Streams:Queue"}}},
        },
        "Processing": {"Resources": {}},
    }
    exported = {"Fn::Join": ["", [{"Fn::ImportValue": "Streams:Queue"}, "/*"]]}
    published = {"Fn::GetStackOutput": {"StackName": "Tickwire-dev-Streams", "OutputName": "Out"}}
    for value in (exported, published):
        assert References(templates).target("Processing", value) == Address("Streams", "Queue")
