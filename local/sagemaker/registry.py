"""The registry: groups of model packages, and their versions."""

import time
from collections.abc import Callable
from typing import Any

from local.sagemaker.arguments import arn, page
from local.sagemaker.faults import invalid
from local.sagemaker.store import Row, Store


class Registry:
    """The registry's calls, each by the name of its operation."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateModelPackageGroup": self.create_group,
            "DescribeModelPackageGroup": self.describe_group,
            "ListModelPackageGroups": self.list_groups,
            "DeleteModelPackageGroup": self.delete_group,
            "CreateModelPackage": self.create_package,
            "DescribeModelPackage": self.describe_package,
            "UpdateModelPackage": self.update_package,
            "ListModelPackages": self.list_packages,
            "DeleteModelPackage": self.delete_package,
        }

    def create_group(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Make an empty group."""
        name = arguments["ModelPackageGroupName"]
        group_arn = arn("model-package-group", name)
        if name in self._store["groups"]:
            raise invalid(f"Model Package Group already exists: {group_arn}")
        row = {**arguments, "ModelPackageGroupArn": group_arn, "CreationTime": time.time()}
        self._store["groups"][name] = {**row, "ModelPackageGroupStatus": "Completed", "CreatedBy": {}, "Versions": 0}
        self._store.save()
        return row

    def describe_group(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give a group."""
        return self._group(arguments["ModelPackageGroupName"])

    def list_groups(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List groups."""
        found = list(self._store["groups"].values())
        return page(found, arguments, key="ModelPackageGroupSummaryList", time_key="CreationTime")

    def delete_group(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Remove a group that has no version."""
        name = self._group(arguments["ModelPackageGroupName"])["ModelPackageGroupName"]
        if any(row["ModelPackageGroupName"] == name for row in self._store["packages"].values()):
            raise invalid(f"Model Package Group cannot be deleted since it has model packages: {name}")
        del self._store["groups"][name]
        self._store.save()
        return {}

    def create_package(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Make the next version of a group."""
        if "ModelPackageGroupName" not in arguments:
            raise invalid("a model package here belongs to a group: ModelPackageGroupName is needed")
        group = self._group(arguments["ModelPackageGroupName"])
        group["Versions"] += 1
        package_arn = arn("model-package", f"{group['ModelPackageGroupName']}/{group['Versions']}")
        self._store["packages"][package_arn] = {
            "ModelApprovalStatus": "PendingManualApproval",
            **arguments,
            "ModelPackageName": group["ModelPackageGroupName"],
            "ModelPackageGroupName": group["ModelPackageGroupName"],
            "ModelPackageVersion": group["Versions"],
            "ModelPackageArn": package_arn,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "CreationTime": time.time(),
        }
        self._store.save()
        return {"ModelPackageArn": package_arn}

    def describe_package(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give a version by its ARN."""
        return self._package(arguments["ModelPackageName"])

    def update_package(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Approve or reject a version, or add to its own properties."""
        row = self._package(arguments["ModelPackageArn"])
        properties = {**row.get("CustomerMetadataProperties", {}), **arguments.get("CustomerMetadataProperties", {})}
        for name in arguments.get("CustomerMetadataPropertiesToRemove", []):
            properties.pop(name, None)
        for name in ("ModelApprovalStatus", "ApprovalDescription"):
            if name in arguments:
                row[name] = arguments[name]
        row.update(CustomerMetadataProperties=properties, LastModifiedTime=time.time())
        self._store.save()
        return {"ModelPackageArn": row["ModelPackageArn"]}

    def list_packages(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List versions."""
        group = arguments.get("ModelPackageGroupName")
        status = arguments.get("ModelApprovalStatus")
        name = None if group is None else self._group(group)["ModelPackageGroupName"]
        found = [
            row
            for row in self._store["packages"].values()
            if name in (None, row["ModelPackageGroupName"]) and status in (None, row["ModelApprovalStatus"])
        ]
        return page(found, arguments, key="ModelPackageSummaryList", time_key="CreationTime")

    def delete_package(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Remove a version; its number is not given again."""
        del self._store["packages"][self._package(arguments["ModelPackageName"])["ModelPackageArn"]]
        self._store.save()
        return {}

    def _group(self, name: str) -> Row:
        row = self._store["groups"].get(name.rpartition("/")[2])
        if row is None:
            raise invalid(f"ModelPackageGroup {arn('model-package-group', name)} does not exist.")
        return row

    def _package(self, name: str) -> Row:
        row = self._store["packages"].get(name)
        if row is None:
            raise invalid(f"ModelPackage {name} does not exist.")
        return row
