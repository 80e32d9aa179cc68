"""What the custom resource ``Custom::ModelEndpoint`` does on AWS, for the model that the project ships."""

import gzip
import io
import tarfile
import time
from pathlib import Path
from typing import Any

import tickwire.model
from lambdas.model_seed.seed import CHALLENGER, CHAMPION
from tickwire.errors import TickwireError
from tickwire.model.base_rate import base_rate_archive
from tickwire.model.features import SCHEMA
from tickwire.model.schema import DESCRIPTION_FILE

SHIPPED = Path(tickwire.model.__file__).with_name("shipped")
ROLE = "arn:aws:iam::000000000000:role/local-serving"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/local:serving"
CAPTURE = "capture"

_POLL_SECONDS = 0.05


class NotServed(TickwireError):
    """The endpoint did not come into service; the message has SageMaker's reason."""


def shipped_archive(folder: Path = SHIPPED) -> bytes:
    """Give the ``model.tar.gz`` of a model's folder; of the base rate where there is no model in it."""
    if not (folder / DESCRIPTION_FILE).exists():
        return base_rate_archive(SCHEMA)
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            entry = tarfile.TarInfo(path.name)
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return packed.getvalue()


def begin(sagemaker: Any, s3: Any, *, endpoint: str, bucket: str) -> None:
    """Make model, configuration and endpoint, and register the model as the first approved version.

    The variants are those of a deployment; all requests are captured.
    """
    name = f"{endpoint}-seed"
    address = f"s3://{bucket}/seed/model.tar.gz"
    s3.put_object(Bucket=bucket, Key="seed/model.tar.gz", Body=shipped_archive(), ContentType="application/gzip")
    container = {"Image": IMAGE, "ModelDataUrl": address}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": variant,
                "ModelName": name,
                "InstanceType": "ml.c7g.large",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": weight,
            }
            for variant, weight in ((CHAMPION, 1.0), (CHALLENGER, 0.0))
        ],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{bucket}/{CAPTURE}",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"], "CsvContentTypes": ["text/csv"]},
        },
    )
    sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=name)
    sagemaker.create_model_package_group(ModelPackageGroupName=endpoint)
    sagemaker.create_model_package(
        ModelPackageGroupName=endpoint,
        ModelPackageDescription="The model that the project ships",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json", "text/csv"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )


def wait(sagemaker: Any, *, endpoint: str, seconds: float = 60.0) -> None:
    """Wait until an endpoint is in service.

    Raises
    ------
    NotServed
        If it fails, or takes longer.
    """
    deadline = time.monotonic() + seconds
    while True:
        described = sagemaker.describe_endpoint(EndpointName=endpoint)
        status = described["EndpointStatus"]
        if status == "InService":
            return
        if status == "Failed" or time.monotonic() > deadline:
            raise NotServed(f"the endpoint {endpoint} is {status}: {described.get('FailureReason', 'no reason yet')}")
        time.sleep(_POLL_SECONDS)
