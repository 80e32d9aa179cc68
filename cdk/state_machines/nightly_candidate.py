"""From the champion to a candidate that has been judged, and registered either way."""

from typing import Any

from cdk.state_machines.nightly_names import FAILED, REASONS, Names
from cdk.state_machines.states import (
    ATHENA,
    PROCESSING,
    TRAINING,
    State,
    assign,
    choice,
    expression,
    fail,
    sdk,
    succeed,
    task,
)

# A network of a year of a dozen symbols takes an hour or two on two cores.
_JOB_SECONDS = 6 * 3600
_QUERY_SECONDS = 3600
_VOLUME_GIB = 30


def find_the_champion(names: Names) -> dict[str, State]:
    """Look at what is served, and put right what a run that was stopped has left."""
    return {
        "ListRuns": task(
            sdk("sfn", "listExecutions"),
            {"StateMachineArn": expression("$states.context.StateMachine.Id"), "StatusFilter": "RUNNING"},
            assign={"running": expression("$count($states.result.Executions)")},
            catch=FAILED,
            then="IsAlone",
            comment="Two runs at once would move the same weights",
        ),
        "IsAlone": choice(("$running > 1", "AnotherRunIsUnderWay"), otherwise="Plan"),
        "AnotherRunIsUnderWay": fail("AnotherRunIsUnderWay", "Start this run again when the other has ended"),
        "Plan": names.ask(
            {
                "question": "plan",
                "execution": expression("$states.context.Execution.Id"),
                "started": expression("$states.context.Execution.StartTime"),
            },
            into="plan",
            catch=FAILED,
            then="DescribeEndpoint",
        ),
        "DescribeEndpoint": task(
            sdk("sagemaker", "describeEndpoint"),
            {"EndpointName": names.endpoint},
            assign={
                "status": expression("$states.result.EndpointStatus"),
                "config": expression("$states.result.EndpointConfigName"),
                "left": expression("$states.result.ProductionVariants[VariantName = 'challenger'].CurrentWeight"),
            },
            catch=FAILED,
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
            assign={"champion": expression("$states.result.ProductionVariants[VariantName = 'champion'].ModelName")},
            catch=FAILED,
            then="DescribeChampion",
        ),
        "DescribeChampion": task(
            sdk("sagemaker", "describeModel"),
            {"ModelName": expression("$champion")},
            assign={"champion_archive": expression("$states.result.PrimaryContainer.ModelDataUrl")},
            catch=FAILED,
            then="WasARunCutShort",
        ),
        "WasARunCutShort": choice(
            ("$left > 0", "Settle"),
            otherwise="BuildDataset",
            comment="Somebody stopped a run while its challenger had traffic",
        ),
        "Settle": task(
            sdk("sagemaker", "updateEndpointWeightsAndCapacities"),
            names.weights(1, 0),
            assign={"expected": expression("$config"), "after": "BuildDataset"},
            catch=FAILED,
            then="AwaitEndpoint",
        ),
    }


def make_the_dataset(names: Names) -> dict[str, State]:
    """Write the bars of this run, and go on only if they may be learnt from."""
    dataset = [expression("$plan.train"), expression("$plan.holdout")]
    return {
        "BuildDataset": task(
            ATHENA,
            {"QueryString": expression("$plan.query"), "WorkGroup": names.workgroup},
            repeat=None,  # what a failed query has left would be in the way of a second
            timeout_seconds=_QUERY_SECONDS,
            catch=FAILED,
            then="JudgeDataset",
        ),
        "JudgeDataset": names.ask(
            {"question": "dataset", "plan": expression("$plan")}, catch=FAILED, then="RecordDataset"
        ),
        "RecordDataset": names.record("'/1-dataset.json'", {"dataset": dataset}, catch=FAILED, then="IsDatasetGood"),
        "IsDatasetGood": choice(("$decision.verdict = 'accept'", "Train"), otherwise="RefuseDataset"),
        "RefuseDataset": assign(
            {"failure": expression(f"'The dataset is refused: ' & {REASONS}")}, then="NotifyOfFailure"
        ),
    }


def make_the_candidate(names: Names) -> dict[str, State]:
    """Train, evaluate, register, and compare with the champion."""
    train = {"S3DataType": "S3Prefix", "S3Uri": expression("$plan.train")}
    statistics = {"ContentType": "application/json", "S3Uri": expression(f"'s3://{names.bucket}/' & $plan.report")}
    return {
        "Train": task(
            TRAINING,
            {
                "TrainingJobName": expression("$plan.job"),
                "RoleArn": names.job_role,
                "AlgorithmSpecification": {"TrainingImage": names.training_image, "TrainingInputMode": "File"},
                "HyperParameters": {"version": expression("$plan.run")},
                "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": train}}],
                "OutputDataConfig": {"S3OutputPath": expression("$plan.candidates"), "KmsKeyId": names.key},
                "ResourceConfig": _cluster(names),
                "StoppingCondition": {"MaxRuntimeInSeconds": _JOB_SECONDS},
                "VpcConfig": names.network,
                "EnableNetworkIsolation": True,
            },
            assign={"candidate": expression("$states.result.ModelArtifacts.S3ModelArtifacts")},
            repeat=None,
            catch=FAILED,
            then="Evaluate",
        ),
        "Evaluate": task(
            PROCESSING,
            processing_job(
                names,
                job="$plan.job",
                script="evaluate.py",
                inputs={
                    "train": expression("$plan.train"),
                    "holdout": expression("$plan.holdout"),
                    "candidate": expression("$candidate"),
                    "champion": expression("$champion_archive"),
                },
                output="$plan.evaluation",
                seconds=_JOB_SECONDS,
            ),
            repeat=None,
            catch=FAILED,
            then="Register",
            comment="On the newest days, which training did not get",
        ),
        "Register": task(
            sdk("sagemaker", "createModelPackage"),
            {
                "ModelPackageGroupName": names.package_group,
                "ModelPackageDescription": expression("'Candidate of run ' & $plan.run"),
                "ModelApprovalStatus": "PendingManualApproval",
                "InferenceSpecification": {
                    "Containers": [{"Image": names.serving_image, "ModelDataUrl": expression("$candidate")}],
                    "SupportedContentTypes": ["application/json", "text/csv"],
                    "SupportedResponseMIMETypes": ["application/json"],
                    "SupportedRealtimeInferenceInstanceTypes": [names.instance_type],
                },
                "ModelMetrics": {"ModelQuality": {"Statistics": statistics}},
            },
            assign={"package": expression("$states.result.ModelPackageArn")},
            repeat=None,
            catch=FAILED,
            then="JudgeCandidate",
        ),
        "JudgeCandidate": names.ask(
            {"question": "candidate", "plan": expression("$plan")}, catch=FAILED, then="RecordCandidate"
        ),
        "RecordCandidate": names.record(
            "'/2-candidate.json'",
            {"champion": expression("$champion"), "package": expression("$package")},
            catch=FAILED,
            then="IsCandidateBetter",
        ),
        "IsCandidateBetter": choice(("$decision.verdict = 'accept'", "CreateModel"), otherwise="RejectCandidate"),
        "RejectCandidate": names.reject(then="ChampionStays"),
        "ChampionStays": succeed(),
    }


def processing_job(
    names: Names, *, job: str, script: str, inputs: dict[str, str], output: str, seconds: int
) -> dict[str, Any]:
    """Give the arguments of a processing job of the training image.

    ``job`` and ``output`` are variables of JSONata; ``inputs`` are ``s3://`` prefixes by the name of their folder.
    """
    written = {"S3Uri": expression(output), "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    return {
        "ProcessingJobName": expression(job),
        "RoleArn": names.job_role,
        "AppSpecification": {
            "ImageUri": names.training_image,
            "ContainerEntrypoint": ["python", f"/opt/tickwire/{script}"],
        },
        "ProcessingInputs": [_processing_input(name, address) for name, address in inputs.items()],
        "ProcessingOutputConfig": {
            "KmsKeyId": names.key,
            "Outputs": [{"OutputName": "report", "S3Output": written}],
        },
        "ProcessingResources": {"ClusterConfig": _cluster(names)},
        "NetworkConfig": {"EnableNetworkIsolation": True, "VpcConfig": names.network},
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
    }


def _cluster(names: Names) -> dict[str, Any]:
    return {
        "InstanceCount": 1,
        "InstanceType": names.training_instance_type,
        "VolumeSizeInGB": _VOLUME_GIB,
        "VolumeKmsKeyId": names.key,
    }


def _processing_input(name: str, address: str) -> dict[str, Any]:
    source = {"S3Uri": address, "LocalPath": f"/opt/ml/processing/input/{name}"}
    return {"InputName": name, "S3Input": {**source, "S3DataType": "S3Prefix", "S3InputMode": "File"}}
