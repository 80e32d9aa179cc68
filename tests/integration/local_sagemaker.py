"""S3 on the emulator and the local SageMaker beside it, with a client of each service, for tests."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore.config import Config

from local.child_process import ChildProcess
from local.emulator import CREDENTIALS, Emulator
from tickwire.model.archive import pack
from tickwire.model.features import SCHEMA
from tickwire.model.onnx_graph import logistic_graph
from tickwire.model.schema import ModelDescription

BUCKET, ENDPOINT = "models", "tickwire-test"
ROLE = "arn:aws:iam::000000000000:role/serving"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/assets:serving"


class Platform:
    """S3 and SageMaker, with a client of each service."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self._emulator = emulator
        self._folder = folder
        self.child = self._new()
        self.s3 = self._client("s3", emulator.endpoint_url)
        self.connect()

    def _new(self) -> ChildProcess:
        environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": self._emulator.endpoint_url}
        child = ChildProcess(
            "sagemaker",
            ["local.sagemaker", "--folder", str(self._folder / "sagemaker")],
            environment=environment,
            log=self._folder / "sagemaker.log",
        )
        child.start()
        return child

    def connect(self) -> None:
        self.url = f"http://127.0.0.1:{self.child.wait_for('listening', seconds=60)['port']}"
        self.control = self._client("sagemaker", self.url)
        self.runtime = self._client("sagemaker-runtime", self.url)

    def restart(self) -> None:
        assert self.child.stop() == 0
        self.child = self._new()
        self.connect()

    def client(self, service: str) -> Any:
        return self._client(service, self._emulator.endpoint_url)

    def _client(self, service: str, url: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def wait(self, described: Callable[[], dict[str, Any]], key: str, *busy: str) -> dict[str, Any]:
        """Ask until the status is none of ``busy``: the calls of a service tell in no other way."""
        pause = threading.Event()
        while (answer := described())[key] in busy:
            pause.wait(0.05)
        return answer

    def endpoint(self) -> dict[str, Any]:
        return self.wait(
            lambda: self.control.describe_endpoint(EndpointName=ENDPOINT), "EndpointStatus", "Creating", "Updating"
        )

    def model(self, name: str, archive: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=archive)
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz"}
        self.control.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)

    def configuration(self, name: str, **models: tuple[str, float]) -> None:
        self.control.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {"VariantName": variant, "ModelName": model, "InitialVariantWeight": weight,
                 "InstanceType": "ml.c7g.large", "InitialInstanceCount": 1}
                for variant, (model, weight) in models.items()
            ],
            DataCaptureConfig={
                "EnableCapture": True,
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": f"s3://{BUCKET}/capture",
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
            },
        )  # fmt: skip


def rising(probability: float) -> bytes:
    """The archive of a model that gives every row this probability."""
    description = ModelDescription(name="constant", version="test", schema=SCHEMA, digest=SCHEMA.digest)
    bias = float(np.log(probability / (1 - probability)))
    return pack(logistic_graph([0.0] * (2 * len(SCHEMA.names)), bias, schema=SCHEMA), description)
