"""SageMaker, Athena, S3 and CloudWatch as far as the nightly state machine calls them, in the test's process.

Arguments are held against botocore's models of the services, training and evaluation run the containers' own
code on real files, and the function `model_rollout` is asked for real. Only the endpoint is made up: its
configurations, its weights, and the alarms that a scenario raises.
"""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import botocore.session
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.validate import ParamValidator

from lambdas.model_rollout.questions import RolloutSettings, answer
from tickwire.model import evaluation, paired_job, training
from tickwire.model.base_rate import base_rate_archive
from tickwire.model.features import SCHEMA

ENDPOINT, BUCKET, ALARM = "tickwire-test", "models", "tickwire-test-model-health"
SEED = f"{ENDPOINT}-seed"


class CallFailed(Exception):
    """An error as Step Functions tells it."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error, cause)
        self.error, self.cause = error, cause


class Objects(dict[str, bytes]):
    """The bucket, with the calls of an S3 client that `model_rollout` makes."""

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == BUCKET
        return {"Body": io.BytesIO(self[Key])}

    def get_paginator(self, name: str) -> "Objects":
        assert name == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == BUCKET
        return [{"Contents": [{"Key": key} for key in sorted(self) if key.startswith(Prefix)]}]


@dataclass
class StandIn:
    """The services of one run.

    ``bars`` are the dataset's two parts; ``alarm`` gives the alarm's state at a share of the traffic;
    ``refused`` names operations that fail, ``undone`` ends the name of a configuration that the endpoint
    goes back from. ``captured`` gives the lines that the endpoint has captured when a
    comparison begins. ``weights`` tells every change of the challenger's weight, and ``calls`` every operation.
    """

    settings: RolloutSettings
    bars: dict[str, pa.Table]
    alarm: Callable[[int], str] = lambda share: "OK"
    invocations: int = 1000
    refused: tuple[str, ...] = ()
    undone: str = "nothing"
    running: int = 1
    captured: Callable[["StandIn"], bytes] = lambda services: b""
    objects: Objects = field(default_factory=Objects)
    weights: list[float] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.objects["seed/model.tar.gz"] = base_rate_archive(SCHEMA)
        self.models = {SEED: f"s3://{BUCKET}/seed/model.tar.gz"}
        self.configurations = {SEED: {"champion": (SEED, 1.0), "challenger": (SEED, 0.0)}}
        self.config = SEED
        self.weight = {"champion": 1.0, "challenger": 0.0}
        self.updating = False
        self._session = botocore.session.get_session()

    @property
    def champion(self) -> str:
        """The model under the champion's name."""
        return self.configurations[self.config]["champion"][0]

    @property
    def audit(self) -> dict[str, Any]:
        """The decisions written down, by the name of their file."""
        return {Path(key).stem: json.loads(body) for key, body in self.objects.items() if key.startswith("audit/")}

    def call(self, resource: str, arguments: dict[str, Any]) -> Any:
        """Answer one task of the state machine.

        Raises
        ------
        CallFailed
            If the operation is one of those that fail, or its arguments are not what the service takes.
        """
        service, action = resource.removesuffix(".sync").split(":")[-2:]
        operation = action[0].upper() + action[1:]
        self.calls.append(operation)
        if operation in self.refused:
            raise CallFailed(f"Test.{operation}Failed", f"{operation} was to fail")
        if service == "lambda":
            assert arguments["FunctionName"] == "model_rollout"
            return {"Payload": answer(arguments["Payload"], settings=self.settings, s3=self.objects)}
        self._validate({"sfn": "stepfunctions"}.get(service, service), operation, arguments)
        handler: Callable[[dict[str, Any]], Any] = getattr(self, f"_{operation}")
        return handler(arguments)

    def _validate(self, service: str, operation: str, arguments: dict[str, Any]) -> None:
        model = self._session.get_service_model(service)
        names = {"StateMachineArn": "stateMachineArn", "StatusFilter": "statusFilter"}
        given = {names.get(name, name): value for name, value in arguments.items()}
        if operation == "PutObject":
            given["Body"] = json.dumps(given["Body"])
        report = ParamValidator().validate(given, model.operation_model(operation).input_shape)
        if report.has_errors():
            raise CallFailed("ValidationException", report.generate_report())

    def _ListExecutions(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        return {"Executions": [{}] * self.running}

    def _DescribeEndpoint(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        status = "Updating" if self.updating else "InService"
        self.updating = False
        variants = [{"VariantName": name, "CurrentWeight": weight} for name, weight in self.weight.items()]
        return {"EndpointStatus": status, "EndpointConfigName": self.config, "ProductionVariants": variants}

    def _DescribeEndpointConfig(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        variants = self.configurations[arguments["EndpointConfigName"]]
        return {
            "ProductionVariants": [{"VariantName": name, "ModelName": model} for name, (model, _) in variants.items()]
        }

    def _DescribeModel(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        return {"PrimaryContainer": {"ModelDataUrl": self.models[arguments["ModelName"]]}}

    def _StartQueryExecution(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        prefix = arguments["QueryString"].partition("TO 's3://models/")[2].partition("'")[0]
        for part, bars in self.bars.items():
            body = pa.BufferOutputStream()
            pq.write_table(bars, body)
            self.objects[f"{prefix}part={part}/20261127_0"] = body.getvalue().to_pybytes()

    def _CreateTrainingJob(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        with TemporaryDirectory() as name:
            root = Path(name)
            (channel,) = arguments["InputDataConfig"]
            self._download(channel["DataSource"]["S3DataSource"]["S3Uri"], root / "input/data" / channel["ChannelName"])
            (root / "input/config").mkdir()
            # The network takes minutes to learn; what is tested here is what becomes of a model.
            given = {"model": "logistic", **arguments["HyperParameters"]}
            (root / "input/config/hyperparameters.json").write_text(json.dumps(given))
            if training.run(root) != 0:
                raise CallFailed("SageMaker.JobFailed", (root / "output/failure").read_text())
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w:gz") as archive:
                for path in sorted((root / "model").iterdir()):
                    archive.add(path, path.name)
        output = arguments["OutputDataConfig"]["S3OutputPath"]
        address = f"{output}{arguments['TrainingJobName']}/output/model.tar.gz"
        self.objects[address.removeprefix(f"s3://{BUCKET}/")] = packed.getvalue()
        return {"ModelArtifacts": {"S3ModelArtifacts": address}}

    def _CreateProcessingJob(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        script = Path(arguments["AppSpecification"]["ContainerEntrypoint"][-1]).stem
        run = {"evaluate": evaluation.run, "score": paired_job.run}[script]
        if script == "score":
            self.objects[f"capture/{ENDPOINT}/champion/2026/11/27/00/1.jsonl"] = self.captured(self)
        with TemporaryDirectory() as name:
            root = Path(name)
            for given in arguments["ProcessingInputs"]:
                source = given["S3Input"]
                self._download(source["S3Uri"], root / Path(source["LocalPath"]).relative_to("/opt/ml"))
            self.jobs[arguments["ProcessingJobName"]] = "Completed" if run(root) == 0 else "Failed"
            if (root / "output/message").exists():
                # The state machine waits for the end of an evaluation, and looks at that of a comparison.
                if script == "score":
                    return {}
                raise CallFailed("SageMaker.JobFailed", (root / "output/message").read_text())
            (output,) = arguments["ProcessingOutputConfig"]["Outputs"]
            folder = root / Path(output["S3Output"]["LocalPath"]).relative_to("/opt/ml")
            for path in folder.iterdir():
                key = output["S3Output"]["S3Uri"].removeprefix(f"s3://{BUCKET}/") + path.name
                self.objects[key] = path.read_bytes()
        return {}

    def _DescribeProcessingJob(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        return {"ProcessingJobStatus": self.jobs[arguments["ProcessingJobName"]]}

    def _CreateModelPackage(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        arn = f"arn:aws:sagemaker:eu-west-1:000000000000:model-package/test/{len(self.packages) + 1}"
        self.packages[arn] = arguments["ModelApprovalStatus"]
        return {"ModelPackageArn": arn}

    def _UpdateModelPackage(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        self.packages[arguments["ModelPackageArn"]] = arguments["ModelApprovalStatus"]
        return {}

    def _CreateModel(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        self.models[arguments["ModelName"]] = arguments["PrimaryContainer"]["ModelDataUrl"]
        return {}

    def _CreateEndpointConfig(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        variants = arguments["ProductionVariants"]
        assert all(variant["ModelName"] in self.models for variant in variants)
        self.configurations[arguments["EndpointConfigName"]] = {
            variant["VariantName"]: (variant["ModelName"], variant["InitialVariantWeight"]) for variant in variants
        }
        return {}

    def _UpdateEndpoint(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        if arguments["EndpointConfigName"].endswith(self.undone):
            self.updating = True
            return {}
        self.config = arguments["EndpointConfigName"]
        self._set_weights({name: weight for name, (_, weight) in self.configurations[self.config].items()})
        return {}

    def _UpdateEndpointWeightsAndCapacities(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        changes = arguments["DesiredWeightsAndCapacities"]
        self._set_weights({change["VariantName"]: change["DesiredWeight"] for change in changes})
        return {}

    def _set_weights(self, weight: dict[str, float]) -> None:
        self.weight, self.updating = weight, True
        self.weights.append(100 * weight["challenger"] / sum(weight.values()))

    def _DescribeAlarms(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        assert arguments["AlarmNames"] == [ALARM]
        return {"CompositeAlarms": [{"StateValue": self.alarm(int(self.weights[-1]))}]}

    def _GetMetricStatistics(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        return {"Datapoints": [{"Sum": self.invocations}] if self.invocations else []}

    def _PutObject(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        assert arguments["Bucket"] == BUCKET
        self.objects[arguments["Key"]] = json.dumps(arguments["Body"]).encode()
        return {}

    def _Publish(self, arguments: dict[str, Any]) -> Any:  # noqa: N802
        self.notices.append(arguments["Message"])
        return {}

    def _download(self, address: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        prefix = address.removeprefix(f"s3://{BUCKET}/")
        for key in [key for key in self.objects if key.startswith(prefix)]:
            with (folder / Path(key).name).open("wb") as file:
                shutil.copyfileobj(io.BytesIO(self.objects[key]), file)
