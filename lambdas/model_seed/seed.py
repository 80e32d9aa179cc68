"""Makes the endpoint once, and leaves it alone ever after: the nightly state machine owns it.

CloudFormation would replace a model whose image has changed, hence the endpoint's configuration, and so put
the seed in the place of a promoted champion. Here an update does nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from botocore.exceptions import ClientError

from tickwire.model.base_rate import base_rate_archive
from tickwire.model.features import SCHEMA

CHAMPION, CHALLENGER = "champion", "challenger"
"""The endpoint's variants, for as long as it lives: scaling and alarms know them by these names."""

# 13 minutes of the 15 that the function has; what takes longer goes on when Lambda invokes it again.
_WAIT = {"Delay": 15, "MaxAttempts": 52}


class Seed(msgspec.Struct, frozen=True):
    """The environment of the function: the endpoint to make, and what it is made of.

    ``subnets`` and ``security_groups`` are separated by commas; ``archive`` is the key of the seed's
    ``model.tar.gz``, ``capture_prefix`` one of what is captured.
    """

    endpoint: str
    image: str
    serving_role: str
    model_bucket: str
    archive: str
    key: str
    instance_type: str
    instances: Annotated[int, msgspec.Meta(ge=1)]
    subnets: str
    security_groups: str
    capture_percent: Annotated[int, msgspec.Meta(ge=1, le=100)]
    capture_prefix: str
    package_group: str

    @property
    def name(self) -> str:
        """Of the seed's model and of the endpoint's first configuration."""
        return f"{self.endpoint}-seed"


def create(seed: Seed, *, sagemaker: Any, s3: Any) -> None:
    """Make the endpoint, or keep the one that is there, and wait until it serves.

    Every part that an earlier attempt has made is kept, so that this may be repeated.

    Raises
    ------
    botocore.exceptions.WaiterError
        If it does not serve within 13 minutes, or SageMaker gave up.
    """
    if not _exists(seed.endpoint, sagemaker):
        archive = base_rate_archive(SCHEMA)
        s3.put_object(Bucket=seed.model_bucket, Key=seed.archive, Body=archive, ContentType="application/gzip")
        with _unless_there():
            sagemaker.create_model(**_model(seed))
        with _unless_there():
            sagemaker.create_endpoint_config(**_configuration(seed))
        with _unless_there():
            sagemaker.create_endpoint(EndpointName=seed.endpoint, EndpointConfigName=seed.name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=seed.endpoint, WaiterConfig=_WAIT)


def delete(seed: Seed, *, sagemaker: Any) -> None:
    """Remove the endpoint with what it serves now, and the registered models, since their group must be empty to go.

    Configurations and models of earlier runs stay; they cost nothing.
    """
    if not _exists(seed.endpoint, sagemaker):
        return
    name = sagemaker.describe_endpoint(EndpointName=seed.endpoint)["EndpointConfigName"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
    sagemaker.delete_endpoint(EndpointName=seed.endpoint)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=seed.endpoint, WaiterConfig=_WAIT)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    for model in sorted({variant["ModelName"] for variant in variants}):
        sagemaker.delete_model(ModelName=model)
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=seed.package_group)
    for package in [item for page in pages for item in page["ModelPackageSummaryList"]]:
        sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])


def _exists(endpoint: str, sagemaker: Any) -> bool:
    try:
        sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if "Could not find endpoint" in error.response["Error"]["Message"]:
            return False
        raise
    return True


@contextmanager
def _unless_there() -> Iterator[None]:
    """Make a part unless an earlier attempt has made it: SageMaker says so in words only."""
    try:
        yield
    except ClientError as error:
        if "already exist" not in error.response["Error"]["Message"]:
            raise


def _model(seed: Seed) -> dict[str, Any]:
    return {
        "ModelName": seed.name,
        "ExecutionRoleArn": seed.serving_role,
        "PrimaryContainer": {"Image": seed.image, "ModelDataUrl": f"s3://{seed.model_bucket}/{seed.archive}"},
        "VpcConfig": {"SecurityGroupIds": seed.security_groups.split(","), "Subnets": seed.subnets.split(",")},
        "EnableNetworkIsolation": True,
    }


def _configuration(seed: Seed) -> dict[str, Any]:
    return {
        "EndpointConfigName": seed.name,
        "KmsKeyId": seed.key,
        "ProductionVariants": [
            {
                "VariantName": variant,
                "ModelName": seed.name,
                "InstanceType": seed.instance_type,
                "InitialInstanceCount": seed.instances,
                "InitialVariantWeight": weight,
            }
            for variant, weight in ((CHAMPION, 1.0), (CHALLENGER, 0.0))
        ],
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": seed.capture_percent,
            "DestinationS3Uri": f"s3://{seed.model_bucket}/{seed.capture_prefix}",
            "KmsKeyId": seed.key,
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {
                "JsonContentTypes": ["application/json"],
                "CsvContentTypes": ["text/csv"],
            },
        },
    }
