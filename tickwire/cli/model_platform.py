"""What `tickwire model` asks and changes: an endpoint with its registry, its state machine and its audit.

All names follow from the endpoint's: the registry's group has the same, the state machine is
``<endpoint>-nightly-training``, the alarm ``<endpoint>-health``, and the bucket is the one that captures go to.
"""

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from tickwire.cli.endpoints import Endpoints
from tickwire.cli.model_listing import BotoListing, Listing, SdkListing
from tickwire.cli.output import CommandError

CHAMPION, CHALLENGER = "champion", "challenger"
AUDIT = "audit/"
_CHANGE_SECONDS = 1800
_MAX_REPORT_BYTES = 8 * 1024 * 1024
_MAX_REASON = 1_024


@dataclass(frozen=True)
class ModelPlatform:
    """One endpoint. ``endpoints`` say whether it is the local platform's, ``name`` is the endpoint's."""

    endpoints: Endpoints
    name: str
    poll_seconds: float = 2.0
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Give the client of a service, at its local address where the platform is local."""
        if service not in self._clients:
            self._clients[service] = self.endpoints.aws_client(service)
        return self._clients[service]

    @cached_property
    def listing(self) -> Listing:
        """What lists versions and jobs: the SageMaker SDK's resources on AWS, plain calls on a laptop."""
        sagemaker = self.client("sagemaker")
        return BotoListing(sagemaker) if self.endpoints.local else SdkListing(sagemaker.meta.region_name)

    @cached_property
    def bucket(self) -> str:
        """Where candidates, reports and decisions lie.

        Raises
        ------
        CommandError
            If the endpoint captures nothing, so that it is not one of ours.
        """
        captured = self.configuration().get("DataCaptureConfig")
        if captured is None:
            raise CommandError(f"the endpoint {self.name} captures no requests: is it one of Tickwire's?")
        return str(captured["DestinationS3Uri"]).removeprefix("s3://").partition("/")[0]

    @cached_property
    def caller(self) -> dict[str, str]:
        """Who asks: ``Account`` and ``Arn``."""
        identity = self.client("sts").get_caller_identity()
        return {"Account": identity["Account"], "Arn": identity["Arn"]}

    @property
    def machine(self) -> str:
        """The ARN of the state machine."""
        region = self.client("stepfunctions").meta.region_name
        return f"arn:aws:states:{region}:{self.caller['Account']}:stateMachine:{self.name}-nightly-training"

    def endpoint(self) -> dict[str, Any]:
        """Describe the endpoint."""
        return dict(self.client("sagemaker").describe_endpoint(EndpointName=self.name))

    def configuration(self) -> dict[str, Any]:
        """Describe what the endpoint is configured with now."""
        name = self.endpoint()["EndpointConfigName"]
        return dict(self.client("sagemaker").describe_endpoint_config(EndpointConfigName=name))

    def served(self) -> dict[str, str]:
        """Give the model of each variant."""
        return {variant["VariantName"]: variant["ModelName"] for variant in self.configuration()["ProductionVariants"]}

    def archive(self, model: str) -> str:
        """Give the address of a model's archive."""
        described = self.client("sagemaker").describe_model(ModelName=model)
        return str(described["PrimaryContainer"]["ModelDataUrl"])

    def health(self) -> dict[str, Any]:
        """Give ``alarm`` and ``reasons``; on a laptop the variants' sums too, by what the endpoint has measured."""
        if self.endpoints.local:
            address = f"{self.endpoints.require('sagemaker_url')}/local/endpoints/{self.name}"
            with urllib.request.urlopen(address, timeout=5) as reply:  # noqa: S310 - http, by run.json
                return dict(json.load(reply))
        alarms = self.client("cloudwatch").describe_alarms(
            AlarmNames=[f"{self.name}-health"], AlarmTypes=["CompositeAlarm", "MetricAlarm"]
        )
        found = [*alarms.get("CompositeAlarms", []), *alarms.get("MetricAlarms", [])]
        if not found:
            return {"alarm": "MISSING", "reasons": [f"there is no alarm {self.name}-health"]}
        return {"alarm": found[0]["StateValue"], "reasons": [found[0].get("StateReason", "")]}

    def runs(self) -> list[dict[str, Any]]:
        """Give the executions of the state machine that are under way."""
        states = self.client("stepfunctions")
        found = states.list_executions(stateMachineArn=self.machine, statusFilter="RUNNING")["executions"]
        return list(found)

    def versions(self) -> list[dict[str, Any]]:
        """Give the registered versions, newest first; see :meth:`Listing.packages`."""
        return self.listing.packages(self.name)

    def version(self, number: int) -> dict[str, Any]:
        """Give one version.

        Raises
        ------
        CommandError
            If there is none of this number.
        """
        found = {version["version"]: version for version in self.versions()}
        if number not in found:
            known = ", ".join(map(str, sorted(found))) or "none"
            raise CommandError(f"there is no version {number} of {self.name}; there are: {known}")
        return found[number]

    def report(self, version: dict[str, Any]) -> dict[str, Any] | None:
        """Give a version's evaluation, ``evaluation.json``; None where it has none."""
        if version["report"] is None:
            return None
        bucket, _, key = version["report"].removeprefix("s3://").partition("/")
        found = self.client("s3").get_object(Bucket=bucket, Key=key)
        if found["ContentLength"] > _MAX_REPORT_BYTES:
            raise CommandError(f"{version['report']} has {found['ContentLength']:,} bytes: no report of an evaluation")
        return dict(json.loads(found["Body"].read()))

    def decisions(self, run: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give key and content of what was decided, by run and step; of one run if it is named."""
        s3 = self.client("s3")
        prefix = AUDIT if run is None else f"{AUDIT}{run}/"
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                if entry["Key"].endswith(".json") and entry["Size"] <= _MAX_REPORT_BYTES:
                    yield entry["Key"], json.loads(s3.get_object(Bucket=self.bucket, Key=entry["Key"])["Body"].read())

    def record(self, action: str, *, why: str, share: int = 0, **facts: Any) -> str:
        """Write down what an operator did, beside the decisions of the nightly runs; gives the key."""
        run = f"operator-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        key = f"{AUDIT}{run}/{action}.json"
        row = {
            "run": run,
            "who": self.caller["Arn"],
            **facts,
            "decision": {"verdict": action, "reasons": [why], "share": share},
        }
        self.client("s3").put_object(
            Bucket=self.bucket, Key=key, Body=json.dumps(row).encode(), ContentType="application/json"
        )
        return key

    def approve(self, number: int, *, why: str) -> None:
        """Approve a version in the registry."""
        self.client("sagemaker").update_model_package(
            ModelPackageArn=self.version(number)["arn"],
            ModelApprovalStatus="Approved",
            ApprovalDescription=why[:_MAX_REASON],
        )

    def stage(self, version: dict[str, Any]) -> str:
        """Put a version beside the champion without traffic, unless it is there; gives its model's name.

        Raises
        ------
        CommandError
            If it is the champion, was rejected, or does not come into service.
        """
        served = self.served()
        archives = {variant: self.archive(model) for variant, model in served.items()}
        if archives[CHAMPION] == version["archive"]:
            raise CommandError(f"version {version['version']} is the champion already")
        if version["status"] == "Rejected":
            raise CommandError(
                f"version {version['version']} was rejected ({version['reason'] or 'no reason given'});"
                f" approve it first: tickwire model approve {version['version']}"
            )
        if archives.get(CHALLENGER) == version["archive"]:
            return served[CHALLENGER]
        return self._put_beside(served[CHAMPION], version)

    def weights(self, challenger: int) -> None:
        """Give the challenger this percentage of the requests, and the champion all others."""
        shares = {CHAMPION: 100 - challenger, CHALLENGER: challenger}
        wanted = [{"VariantName": name, "DesiredWeight": share} for name, share in shares.items()]
        self.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=self.name, DesiredWeightsAndCapacities=wanted
        )
        self.wait()

    def start(self, given: dict[str, Any]) -> str:
        """Start a nightly run now; gives the execution's ARN."""
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=self.machine,
            name=f"operator-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}",
            input=json.dumps(given),
        )
        return str(started["executionArn"])

    def wait(self) -> None:
        """Wait until the endpoint has changed.

        Raises
        ------
        CommandError
            If it does not come into service within half an hour.
        """
        deadline = time.monotonic() + _CHANGE_SECONDS
        while (described := self.endpoint())["EndpointStatus"] not in ("InService", "Failed"):
            if time.monotonic() > deadline:
                raise CommandError(f"the endpoint {self.name} is still {described['EndpointStatus']}")
            time.sleep(self.poll_seconds)
        if described["EndpointStatus"] == "Failed":
            raise CommandError(f"the endpoint {self.name} failed: {described.get('FailureReason', 'no reason given')}")

    def _put_beside(self, champion: str, version: dict[str, Any]) -> str:
        sagemaker = self.client("sagemaker")
        now = self.configuration()
        model = f"{self.name}-operator-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        described = sagemaker.describe_model(ModelName=champion)
        kept = {name: described[name] for name in ("ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation")
                if name in described}  # fmt: skip
        container = {"Image": described["PrimaryContainer"]["Image"], "ModelDataUrl": version["archive"]}
        sagemaker.create_model(ModelName=model, PrimaryContainer=container, **kept)
        variants = {variant["VariantName"]: dict(variant) for variant in now["ProductionVariants"]}
        beside = variants.get(CHALLENGER, variants[CHAMPION])
        sagemaker.create_endpoint_config(
            EndpointConfigName=model,
            ProductionVariants=[
                {**variants[CHAMPION], "InitialVariantWeight": 1.0},
                {**beside, "VariantName": CHALLENGER, "ModelName": model, "InitialVariantWeight": 0.0},
            ],
            **{name: now[name] for name in ("DataCaptureConfig", "KmsKeyId") if name in now},
        )
        sagemaker.update_endpoint(EndpointName=self.name, EndpointConfigName=model)
        self.wait()
        if self.endpoint()["EndpointConfigName"] != model:
            reason = self.endpoint().get("FailureReason", "no reason given")
            raise CommandError(f"version {version['version']} did not come into service: {reason}")
        return model
