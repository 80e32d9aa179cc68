"""Every night: train a candidate, judge it on later days, let a better one take the champion's place step by step.

    find the champion ▶ dataset ▶ gate ▶ train ▶ evaluate ▶ register ▶ better? ── no ──▶ rejected, the champion stays
                                    │ shut                                │ yes
                                    ▼                                     ▼
                              notice, failure       challenger at 0 ▶ 10 ▶ 25 ▶ 50 ▶ 100 % ▶ champion, approved
                                                          │ an alarm, an error, or too little traffic, at any step
                                                          ▼
                                          challenger at 0 again ▶ rejected ▶ notice, failure

Decisions are made by ``tickwire/model`` in the function ``model_rollout``; each is put into the audit prefix with what
it rests on. The endpoint has the variants ``champion`` and ``challenger`` for ever, so that scaling and alarms stay
with them; a promotion puts the candidate's model under the champion's name.
"""

from dataclasses import dataclass
from typing import Any

from cdk.state_machines.states import (
    ATHENA,
    LAMBDA,
    NOTICE,
    PROCESSING,
    PUT_OBJECT,
    REPEAT,
    TRAINING,
    Catch,
    State,
    assign,
    choice,
    expression,
    fail,
    sdk,
    succeed,
    task,
    wait,
)

# Below the day after which the next run begins.
TIMEOUT_SECONDS = 20 * 3600
_JOB_SECONDS = 2 * 3600
_QUERY_SECONDS = 3600
_VOLUME_GIB = 30
# Longest text that the registry takes as a reason.
_MAX_REASON = 1024

_FAILED: Catch = {
    "ErrorEquals": ["States.ALL"],
    "Assign": {"failure": expression("$string($states.errorOutput)")},
    "Next": "NotifyOfFailure",
}
"""While the champion still has all the traffic."""

_TAKEN_BACK: Catch = {
    "ErrorEquals": ["States.ALL"],
    "Assign": {"decision": {"verdict": "roll_back", "reasons": [expression("$string($states.errorOutput)")]}},
    "Next": "TakeBack",
}
"""From the first step on: whoever cannot look must not go on."""

_REASONS = "$join($decision.reasons, '; ')"


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyTraining:
    """The names that the state machine works with.

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

    def definition(self) -> dict[str, Any]:
        """Give the state machine in Amazon States Language."""
        return {
            "Comment": "Trains a candidate, judges it on later days, and lets a better one take the champion's place",
            "QueryLanguage": "JSONata",
            "StartAt": "ListRuns",
            "TimeoutSeconds": TIMEOUT_SECONDS,
            "States": {
                **self._find_the_champion(),
                **self._make_the_dataset(),
                **self._make_the_candidate(),
                **self._stage_the_challenger(),
                **self._await_the_endpoint(),
                **self._grow_the_traffic(),
                **self._promote(),
                **self._take_back(),
                **self._fail(),
            },
        }

    def _find_the_champion(self) -> dict[str, State]:
        return {
            "ListRuns": task(
                sdk("sfn", "listExecutions"),
                {"StateMachineArn": expression("$states.context.StateMachine.Id"), "StatusFilter": "RUNNING"},
                assign={"running": expression("$count($states.result.Executions)")},
                catch=_FAILED,
                then="IsAlone",
                comment="Two runs at once would move the same weights",
            ),
            "IsAlone": choice(("$running > 1", "AnotherRunIsUnderWay"), otherwise="Plan"),
            "AnotherRunIsUnderWay": fail("AnotherRunIsUnderWay", "Start this run again when the other has ended"),
            "Plan": self._ask(
                {
                    "question": "plan",
                    "execution": expression("$states.context.Execution.Id"),
                    "started": expression("$states.context.Execution.StartTime"),
                },
                into="plan",
                catch=_FAILED,
                then="DescribeEndpoint",
            ),
            "DescribeEndpoint": task(
                sdk("sagemaker", "describeEndpoint"),
                {"EndpointName": self.endpoint},
                assign={
                    "status": expression("$states.result.EndpointStatus"),
                    "config": expression("$states.result.EndpointConfigName"),
                    "left": expression("$states.result.ProductionVariants[VariantName = 'challenger'].CurrentWeight"),
                },
                catch=_FAILED,
                then="IsEndpointInService",
            ),
            "IsEndpointInService": choice(
                ("$status = 'InService'", "DescribeConfiguration"), otherwise="EndpointIsNotReady"
            ),
            "EndpointIsNotReady": assign(
                {"failure": expression("'The endpoint is ' & $status & ', and a run needs it InService'")},
                then="NotifyOfFailure",
            ),
            "DescribeConfiguration": task(
                sdk("sagemaker", "describeEndpointConfig"),
                {"EndpointConfigName": expression("$config")},
                assign={
                    "champion": expression("$states.result.ProductionVariants[VariantName = 'champion'].ModelName")
                },
                catch=_FAILED,
                then="DescribeChampion",
            ),
            "DescribeChampion": task(
                sdk("sagemaker", "describeModel"),
                {"ModelName": expression("$champion")},
                assign={"champion_archive": expression("$states.result.PrimaryContainer.ModelDataUrl")},
                catch=_FAILED,
                then="WasARunCutShort",
            ),
            "WasARunCutShort": choice(
                ("$left > 0", "Settle"),
                otherwise="BuildDataset",
                comment="Somebody stopped a run while its challenger had traffic",
            ),
            "Settle": task(
                sdk("sagemaker", "updateEndpointWeightsAndCapacities"),
                self._weights(1, 0),
                assign={"expected": expression("$config"), "after": "BuildDataset"},
                catch=_FAILED,
                then="AwaitEndpoint",
            ),
        }

    def _make_the_dataset(self) -> dict[str, State]:
        dataset = [expression("$plan.train"), expression("$plan.holdout")]
        return {
            "BuildDataset": task(
                ATHENA,
                {"QueryString": expression("$plan.query"), "WorkGroup": self.workgroup},
                repeat=None,  # what a failed query has left would be in the way of a second
                timeout_seconds=_QUERY_SECONDS,
                catch=_FAILED,
                then="JudgeDataset",
            ),
            "JudgeDataset": self._ask(
                {"question": "dataset", "plan": expression("$plan")}, catch=_FAILED, then="RecordDataset"
            ),
            "RecordDataset": self._record(
                "'/1-dataset.json'", {"dataset": dataset}, catch=_FAILED, then="IsDatasetGood"
            ),
            "IsDatasetGood": choice(("$decision.verdict = 'accept'", "Train"), otherwise="RefuseDataset"),
            "RefuseDataset": assign(
                {"failure": expression(f"'The dataset is refused: ' & {_REASONS}")}, then="NotifyOfFailure"
            ),
        }

    def _make_the_candidate(self) -> dict[str, State]:
        cluster = {
            "InstanceCount": 1,
            "InstanceType": self.training_instance_type,
            "VolumeSizeInGB": _VOLUME_GIB,
            "VolumeKmsKeyId": self.key,
        }
        train = {"S3DataType": "S3Prefix", "S3Uri": expression("$plan.train")}
        report = {"S3Uri": expression("$plan.evaluation"), "LocalPath": "/opt/ml/processing/output"}
        statistics = {"ContentType": "application/json", "S3Uri": expression(f"'s3://{self.bucket}/' & $plan.report")}
        return {
            "Train": task(
                TRAINING,
                {
                    "TrainingJobName": expression("$plan.job"),
                    "RoleArn": self.job_role,
                    "AlgorithmSpecification": {"TrainingImage": self.training_image, "TrainingInputMode": "File"},
                    "HyperParameters": {"version": expression("$plan.run")},
                    "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": train}}],
                    "OutputDataConfig": {"S3OutputPath": expression("$plan.candidates"), "KmsKeyId": self.key},
                    "ResourceConfig": cluster,
                    "StoppingCondition": {"MaxRuntimeInSeconds": _JOB_SECONDS},
                    "VpcConfig": self._network,
                    "EnableNetworkIsolation": True,
                },
                assign={"candidate": expression("$states.result.ModelArtifacts.S3ModelArtifacts")},
                repeat=None,
                catch=_FAILED,
                then="Evaluate",
            ),
            "Evaluate": task(
                PROCESSING,
                {
                    "ProcessingJobName": expression("$plan.job"),
                    "RoleArn": self.job_role,
                    "AppSpecification": {
                        "ImageUri": self.training_image,
                        "ContainerEntrypoint": ["python", "/opt/tickwire/evaluate.py"],
                    },
                    "ProcessingInputs": [
                        _processing_input("train", "$plan.train"),
                        _processing_input("holdout", "$plan.holdout"),
                        _processing_input("candidate", "$candidate"),
                        _processing_input("champion", "$champion_archive"),
                    ],
                    "ProcessingOutputConfig": {
                        "KmsKeyId": self.key,
                        "Outputs": [{"OutputName": "report", "S3Output": {**report, "S3UploadMode": "EndOfJob"}}],
                    },
                    "ProcessingResources": {"ClusterConfig": cluster},
                    "NetworkConfig": {"EnableNetworkIsolation": True, "VpcConfig": self._network},
                    "StoppingCondition": {"MaxRuntimeInSeconds": _JOB_SECONDS},
                },
                repeat=None,
                catch=_FAILED,
                then="Register",
                comment="On the newest days, which training did not get",
            ),
            "Register": task(
                sdk("sagemaker", "createModelPackage"),
                {
                    "ModelPackageGroupName": self.package_group,
                    "ModelPackageDescription": expression("'Candidate of run ' & $plan.run"),
                    "ModelApprovalStatus": "PendingManualApproval",
                    "InferenceSpecification": {
                        "Containers": [{"Image": self.serving_image, "ModelDataUrl": expression("$candidate")}],
                        "SupportedContentTypes": ["application/json", "text/csv"],
                        "SupportedResponseMIMETypes": ["application/json"],
                        "SupportedRealtimeInferenceInstanceTypes": [self.instance_type],
                    },
                    "ModelMetrics": {"ModelQuality": {"Statistics": statistics}},
                },
                assign={"package": expression("$states.result.ModelPackageArn")},
                repeat=None,
                catch=_FAILED,
                then="JudgeCandidate",
            ),
            "JudgeCandidate": self._ask(
                {"question": "candidate", "plan": expression("$plan")}, catch=_FAILED, then="RecordCandidate"
            ),
            "RecordCandidate": self._record(
                "'/2-candidate.json'",
                {"champion": expression("$champion"), "package": expression("$package")},
                catch=_FAILED,
                then="IsCandidateBetter",
            ),
            "IsCandidateBetter": choice(("$decision.verdict = 'accept'", "CreateModel"), otherwise="RejectCandidate"),
            "RejectCandidate": self._reject(then="ChampionStays"),
            "ChampionStays": succeed(),
        }

    def _stage_the_challenger(self) -> dict[str, State]:
        return {
            "CreateModel": task(
                sdk("sagemaker", "createModel"),
                {
                    "ModelName": expression("$plan.job"),
                    "ExecutionRoleArn": self.serving_role,
                    "PrimaryContainer": {"Image": self.serving_image, "ModelDataUrl": expression("$candidate")},
                    "VpcConfig": self._network,
                    "EnableNetworkIsolation": True,
                },
                repeat=None,
                catch=_FAILED,
                then="CreateChallenge",
            ),
            "CreateChallenge": task(
                sdk("sagemaker", "createEndpointConfig"),
                self._configuration("$plan.challenge", champion="$champion", challenger="$plan.job"),
                repeat=None,
                catch=_FAILED,
                then="StageChallenger",
            ),
            "StageChallenger": task(
                sdk("sagemaker", "updateEndpoint"),
                self._update("$plan.challenge"),
                assign={**_await("$plan.challenge", "LookAtAlarm"), **_begin_share("0")},
                repeat=None,
                catch=_FAILED,
                then="AwaitEndpoint",
                comment="Beside the champion, and without traffic",
            ),
        }

    def _await_the_endpoint(self) -> dict[str, State]:
        """One loop for every change of the endpoint; the variable ``after`` says what follows."""
        after = ("BuildDataset", "LookAtAlarm", "Approve")
        return {
            "AwaitEndpoint": wait(15, then="LookAtEndpoint"),
            "LookAtEndpoint": task(
                sdk("sagemaker", "describeEndpoint"),
                {"EndpointName": self.endpoint},
                assign={
                    "status": expression("$states.result.EndpointStatus"),
                    "config": expression("$states.result.EndpointConfigName"),
                },
                repeat={**REPEAT, "MaxAttempts": 10, "MaxDelaySeconds": 60},
                catch=_FAILED,
                then="IsEndpointReady",
            ),
            "IsEndpointReady": choice(
                ("$status in ['Updating', 'SystemUpdating', 'RollingBack']", "AwaitEndpoint"),
                ("$status != 'InService'", "EndpointIsBroken"),
                ("$config != $expected", "UpdateWasUndone"),
                *((f"$after = '{state}'", state) for state in after),
                otherwise="RecordRollBack",
            ),
            "EndpointIsBroken": assign(
                {"failure": expression("'The endpoint is ' & $status & ' in the middle of a run'")},
                then="NotifyOfFailure",
            ),
            "UpdateWasUndone": assign(
                {
                    "decision": {
                        "verdict": "roll_back",
                        "reasons": [expression("'SageMaker went back from ' & $expected & ' to ' & $config")],
                    }
                },
                then="TakeBack",
            ),
        }

    def _grow_the_traffic(self) -> dict[str, State]:
        challenger = [
            {"Name": "EndpointName", "Value": self.endpoint},
            {"Name": "VariantName", "Value": "challenger"},
        ]
        watch = {
            "share": expression("$share"),
            "seconds": expression("$baked"),
            "alarm": expression("$alarm"),
            "invocations": expression("$invocations"),
        }
        return {
            "LookAtAlarm": task(
                sdk("cloudwatch", "describeAlarms"),
                {"AlarmNames": [self.alarm], "AlarmTypes": ["CompositeAlarm"]},
                assign={"alarm": expression("$states.result.CompositeAlarms[0].StateValue")},
                catch=_TAKEN_BACK,
                then="CountInvocations",
            ),
            "CountInvocations": task(
                sdk("cloudwatch", "getMetricStatistics"),
                {
                    "Namespace": "AWS/SageMaker",
                    "MetricName": "Invocations",
                    "Dimensions": challenger,
                    "StartTime": expression("$since"),
                    "EndTime": expression("$now()"),
                    "Period": 60,
                    "Statistics": ["Sum"],
                },
                assign={
                    "invocations": expression(
                        "$count($states.result.Datapoints) = 0 ? 0 : $sum($states.result.Datapoints.Sum)"
                    )
                },
                catch=_TAKEN_BACK,
                then="AskForStep",
            ),
            "AskForStep": self._ask({"question": "step", "watch": watch}, catch=_TAKEN_BACK, then="WhatNow"),
            "WhatNow": choice(
                ("$decision.verdict = 'wait'", "Bake"),
                ("$decision.verdict in ['shift', 'promote']", "RecordStep"),
                otherwise="TakeBack",
            ),
            "Bake": wait(
                self.look_seconds,
                assign={"baked": expression(f"$baked + {self.look_seconds}")},
                then="LookAtAlarm",
            ),
            "RecordStep": self._record(
                "'/3-after-' & $string($share) & '-percent.json'", {}, catch=_TAKEN_BACK, then="IsLastStep"
            ),
            "IsLastStep": choice(("$decision.verdict = 'promote'", "CreatePromotion"), otherwise="ShiftTraffic"),
            "ShiftTraffic": task(
                sdk("sagemaker", "updateEndpointWeightsAndCapacities"),
                self._weights(expression("100 - $decision.share"), expression("$decision.share")),
                assign={**_await("$plan.challenge", "LookAtAlarm"), **_begin_share("$decision.share")},
                catch=_TAKEN_BACK,
                then="AwaitEndpoint",
            ),
        }

    def _promote(self) -> dict[str, State]:
        return {
            "CreatePromotion": task(
                sdk("sagemaker", "createEndpointConfig"),
                self._configuration("$plan.promotion", champion="$plan.job", challenger="$champion"),
                repeat=None,
                catch=_TAKEN_BACK,
                then="Promote",
            ),
            "Promote": task(
                sdk("sagemaker", "updateEndpoint"),
                self._update("$plan.promotion"),
                assign=_await("$plan.promotion", "Approve"),
                repeat=None,
                catch=_TAKEN_BACK,
                then="AwaitEndpoint",
                comment="The old champion stays beside it, without traffic",
            ),
            "Approve": task(
                sdk("sagemaker", "updateModelPackage"),
                {
                    "ModelPackageArn": expression("$package"),
                    "ModelApprovalStatus": "Approved",
                    "ApprovalDescription": expression("'Promoted by run ' & $plan.run"),
                },
                catch=_FAILED,
                then="Promoted",
            ),
            "Promoted": succeed(),
        }

    def _take_back(self) -> dict[str, State]:
        return {
            "TakeBack": task(
                sdk("sagemaker", "updateEndpointWeightsAndCapacities"),
                self._weights(1, 0),
                assign={"expected": expression("$config"), "after": "RecordRollBack"},
                # Until the endpoint lets it: a change that is under way may take a quarter of an hour.
                repeat={**REPEAT, "MaxAttempts": 30, "MaxDelaySeconds": 60},
                catch=_FAILED,
                then="AwaitEndpoint",
                comment="Before anything is written down",
            ),
            "RecordRollBack": self._record(
                "'/4-taken-back.json'", {"share": expression("$share")}, catch=_FAILED, then="RejectChallenger"
            ),
            "RejectChallenger": self._reject(then="NotifyOfRollBack"),
            "NotifyOfRollBack": self._notify(
                "a challenger was taken back",
                f"'Run ' & $plan.run & ' at ' & $string($share) & ' %: ' & {_REASONS}",
                then="ChallengerTakenBack",
            ),
            "ChallengerTakenBack": fail("ChallengerTakenBack", expression(_REASONS)),
        }

    def _fail(self) -> dict[str, State]:
        return {
            "NotifyOfFailure": self._notify(
                "the nightly training failed", "$states.context.Execution.Id & ': ' & $failure", then="Failed"
            ),
            "Failed": fail("NightlyTrainingFailed", expression("$failure")),
        }

    @property
    def _network(self) -> dict[str, Any]:
        return {"SecurityGroupIds": [self.security_group], "Subnets": list(self.subnets)}

    def _ask(self, question: dict[str, Any], *, catch: Catch, then: str, into: str = "decision") -> State:
        return task(
            LAMBDA,
            {"FunctionName": self.rollout_function, "Payload": question},
            assign={into: expression("$states.result.Payload")},
            catch=catch,
            then=then,
        )

    def _record(self, name: str, facts: dict[str, Any], *, catch: Catch, then: str) -> State:
        decided = {"run": expression("$plan.run"), **facts, "decision": expression("$decision")}
        key = expression(f"$plan.audit & {name}")
        return task(
            PUT_OBJECT,
            {"Bucket": self.bucket, "Key": key, "ContentType": "application/json", "Body": decided},
            catch=catch,
            then=then,
        )

    def _reject(self, *, then: str) -> State:
        return task(
            sdk("sagemaker", "updateModelPackage"),
            {
                "ModelPackageArn": expression("$package"),
                "ModelApprovalStatus": "Rejected",
                "ApprovalDescription": expression(f"$substring({_REASONS}, 0, {_MAX_REASON})"),
            },
            catch=_FAILED,
            then=then,
        )

    def _notify(self, subject: str, message: str, *, then: str) -> State:
        arguments = {"TopicArn": self.topic, "Subject": f"Tickwire: {subject}", "Message": expression(message)}
        return task(NOTICE, arguments, catch=None, then=then)

    def _weights(self, champion: int | str, challenger: int | str) -> dict[str, Any]:
        weights = {"champion": champion, "challenger": challenger}
        return {
            "EndpointName": self.endpoint,
            "DesiredWeightsAndCapacities": [
                {"VariantName": variant, "DesiredWeight": weight} for variant, weight in weights.items()
            ],
        }

    def _update(self, configuration: str) -> dict[str, Any]:
        return {
            "EndpointName": self.endpoint,
            "EndpointConfigName": expression(configuration),
            # Scaling has decided how many instances there are; only the weights are this machine's.
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
        }

    def _configuration(self, name: str, *, champion: str, challenger: str) -> dict[str, Any]:
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


def _await(configuration: str, after: str) -> dict[str, str]:
    return {"expected": expression(configuration), "after": after}


def _begin_share(share: str) -> dict[str, Any]:
    return {"share": expression(share), "baked": 0, "since": expression("$now()")}


def _processing_input(name: str, address: str) -> dict[str, Any]:
    source = {"S3Uri": expression(address), "LocalPath": f"/opt/ml/processing/input/{name}"}
    return {"InputName": name, "S3Input": {**source, "S3DataType": "S3Prefix", "S3InputMode": "File"}}
