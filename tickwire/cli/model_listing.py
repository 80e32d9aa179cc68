"""The registry's versions and the training jobs, as plain rows: by the SageMaker SDK, or by plain calls."""

from typing import Any, Protocol

from tickwire.cli.output import CommandError

_JOBS = 20


class Listing(Protocol):
    """Lists what SageMaker keeps."""

    def packages(self, group: str) -> list[dict[str, Any]]:
        """Give the versions of a group, newest first.

        ``version``, ``arn``, ``status``, ``reason``, ``description``, ``created`` (RFC 3339), ``archive`` and
        ``report``, ``s3://`` addresses or None.
        """

    def jobs(self, prefix: str) -> list[dict[str, Any]]:
        """Give the newest training jobs whose name contains ``prefix``: ``name``, ``status``, ``created``."""


class BotoListing:
    """By a client of SageMaker."""

    def __init__(self, sagemaker: Any) -> None:
        self._sagemaker = sagemaker

    def packages(self, group: str) -> list[dict[str, Any]]:
        """Give the versions of a group, newest first."""
        pages = self._sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
        arns = [item["ModelPackageArn"] for page in pages for item in page["ModelPackageSummaryList"]]
        found = [_row(self._sagemaker.describe_model_package(ModelPackageName=arn)) for arn in arns]
        return sorted(found, key=lambda row: -row["version"])

    def jobs(self, prefix: str) -> list[dict[str, Any]]:
        """Give the newest training jobs."""
        found = self._sagemaker.list_training_jobs(NameContains=prefix, SortOrder="Descending", MaxResults=_JOBS)
        return [
            {
                "name": job["TrainingJobName"],
                "status": job["TrainingJobStatus"],
                "created": job["CreationTime"].isoformat(timespec="seconds"),
            }
            for job in found["TrainingJobSummaries"]
        ]


class SdkListing:
    """By the resources of the SageMaker SDK, version 3 (``sagemaker.core.resources``)."""

    def __init__(self, region: str) -> None:
        try:
            from sagemaker.core import resources
        except ImportError as error:
            raise CommandError(
                "tickwire model needs the SageMaker SDK on AWS and cannot load it; install it with"
                f" `pip install 'tickwire[operator]'` ({error})"
            ) from error
        self._resources = resources
        self._region = region

    def packages(self, group: str) -> list[dict[str, Any]]:
        """Give the versions of a group, newest first."""
        kind = self._resources.ModelPackage
        found = []
        for summary in kind.get_all(model_package_group_name=group, region=self._region):
            package = kind.get(model_package_name=summary.model_package_arn, region=self._region)
            found.append(_row(_plain(package)))
        return sorted(found, key=lambda row: -row["version"])

    def jobs(self, prefix: str) -> list[dict[str, Any]]:
        """Give the newest training jobs."""
        listed = self._resources.TrainingJob.get_all(name_contains=prefix, sort_order="Descending", region=self._region)
        rows = []
        for job in listed:
            rows.append(
                {
                    "name": job.training_job_name,
                    "status": job.training_job_status,
                    "created": job.creation_time.isoformat(timespec="seconds"),
                }
            )
            if len(rows) == _JOBS:
                break
        return rows


def _row(package: dict[str, Any]) -> dict[str, Any]:
    containers = package.get("InferenceSpecification", {}).get("Containers", [{}])
    statistics = package.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    return {
        "version": package["ModelPackageVersion"],
        "arn": package["ModelPackageArn"],
        "status": package.get("ModelApprovalStatus", "PendingManualApproval"),
        "reason": package.get("ApprovalDescription"),
        "description": package.get("ModelPackageDescription"),
        "created": package["CreationTime"].isoformat(timespec="seconds"),
        "archive": containers[0].get("ModelDataUrl"),
        "report": statistics.get("S3Uri"),
    }


def _plain(resource: Any) -> Any:
    """Turn a resource of the SDK into what the service answered: names in capitals, nothing where nothing was told."""
    if hasattr(type(resource), "model_fields"):
        parts = {name: getattr(resource, name) for name in type(resource).model_fields}
        return {
            "".join(word.capitalize() for word in name.split("_")): _plain(value)
            for name, value in parts.items()
            if value is not None and type(value).__name__ != "Unassigned"
        }
    return [_plain(item) for item in resource] if isinstance(resource, list) else resource
