"""The names that the nightly state machine works with, and the calls that it makes in several places."""

from dataclasses import dataclass
from typing import Any

from cdk.state_machines.states import LAMBDA, NOTICE, PUT_OBJECT, Catch, State, expression, sdk, task

# Longest text that the registry takes as a reason.
_MAX_REASON = 1024

FAILED: Catch = {
    "ErrorEquals": ["States.ALL"],
    "Assign": {"failure": expression("$string($states.errorOutput)")},
    "Next": "NotifyOfFailure",
}
"""While the champion still has all the traffic."""

TAKEN_BACK: Catch = {
    "ErrorEquals": ["States.ALL"],
    "Assign": {"decision": {"verdict": "roll_back", "reasons": [expression("$string($states.errorOutput)")]}},
    "Next": "TakeBack",
}
"""From the first step on: whoever cannot look must not go on."""

REASONS = "$join($decision.reasons, '; ')"
"""JSONata: why it was decided so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the state machine is told of its stage.

    ``alarm`` is the composite alarm that takes a challenger back; ``look_seconds`` is how often it is looked at.
    ``capture_percent`` of the requests and answers go below ``capture_prefix`` of the bucket.
    """

    endpoint: str
    instance_type: str
    instances: int
    serving_image: str
    serving_role: str
    training_image: str
    training_instance_type: str
    job_role: str
    bucket: str
    capture_prefix: str
    capture_percent: int
    key: str
    security_group: str
    subnets: tuple[str, ...]
    package_group: str
    workgroup: str
    rollout_function: str
    alarm: str
    look_seconds: int
    topic: str

    @property
    def network(self) -> dict[str, Any]:
        """Where SageMaker's containers stand."""
        return {"SecurityGroupIds": [self.security_group], "Subnets": list(self.subnets)}

    def ask(self, question: dict[str, Any], *, catch: Catch, then: str, into: str = "decision") -> State:
        """Ask the function ``model_rollout``; its answer goes into a variable."""
        return task(
            LAMBDA,
            {"FunctionName": self.rollout_function, "Payload": question},
            assign={into: expression("$states.result.Payload")},
            catch=catch,
            then=then,
        )

    def record(self, name: str, facts: dict[str, Any], *, catch: Catch, then: str) -> State:
        """Put the decision with ``facts`` into the audit; ``name`` is JSONata of what follows the run's prefix."""
        decided = {"run": expression("$plan.run"), **facts, "decision": expression("$decision")}
        key = expression(f"$plan.audit & {name}")
        return task(
            PUT_OBJECT,
            {"Bucket": self.bucket, "Key": key, "ContentType": "application/json", "Body": decided},
            catch=catch,
            then=then,
        )

    def reject(self, *, then: str) -> State:
        """Reject the candidate in the registry, for the decision's reasons."""
        return task(
            sdk("sagemaker", "updateModelPackage"),
            {
                "ModelPackageArn": expression("$package"),
                "ModelApprovalStatus": "Rejected",
                "ApprovalDescription": expression(f"$substring({REASONS}, 0, {_MAX_REASON})"),
            },
            catch=FAILED,
            then=then,
        )

    def notify(self, subject: str, message: str, *, then: str) -> State:
        """Tell the alarm topic; ``message`` is JSONata."""
        arguments = {"TopicArn": self.topic, "Subject": f"Tickwire: {subject}", "Message": expression(message)}
        return task(NOTICE, arguments, catch=None, then=then)

    def weights(self, champion: int | str, challenger: int | str) -> dict[str, Any]:
        """Give the arguments that set both variants' weights."""
        weights = {"champion": champion, "challenger": challenger}
        return {
            "EndpointName": self.endpoint,
            "DesiredWeightsAndCapacities": [
                {"VariantName": variant, "DesiredWeight": weight} for variant, weight in weights.items()
            ],
        }

    def update(self, configuration: str) -> dict[str, Any]:
        """Give the arguments that put a configuration, a variable of JSONata, on the endpoint."""
        return {
            "EndpointName": self.endpoint,
            "EndpointConfigName": expression(configuration),
            # Scaling has decided how many instances there are; only the weights are this machine's.
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
        }

    def configuration(self, name: str, *, champion: str, challenger: str) -> dict[str, Any]:
        """Give the arguments that make a configuration; names and models are variables of JSONata."""
        return {
            "EndpointConfigName": expression(name),
            "KmsKeyId": self.key,
            "ProductionVariants": [
                {
                    "VariantName": variant,
                    "ModelName": expression(model),
                    "InstanceType": self.instance_type,
                    "InitialInstanceCount": self.instances,
                    "InitialVariantWeight": weight,
                }
                for variant, model, weight in (("champion", champion, 1), ("challenger", challenger, 0))
            ],
            "DataCaptureConfig": {
                "EnableCapture": True,
                "InitialSamplingPercentage": self.capture_percent,
                "DestinationS3Uri": f"s3://{self.bucket}/{self.capture_prefix}",
                "KmsKeyId": self.key,
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {
                    "JsonContentTypes": ["application/json"],
                    "CsvContentTypes": ["text/csv"],
                },
            },
        }
