"""From a candidate that is better to the champion, or back."""

from typing import Any

from cdk.state_machines.nightly_candidate import processing_job
from cdk.state_machines.nightly_names import FAILED, REASONS, TAKEN_BACK, Names
from cdk.state_machines.states import ATHENA, REPEAT, State, assign, choice, expression, fail, sdk, succeed, task, wait

_QUERY_SECONDS = 600
_SCORE_SECONDS = 3600


def stage_the_challenger(names: Names) -> dict[str, State]:
    """Put the candidate beside the champion, without traffic."""
    return {
        "CreateModel": task(
            sdk("sagemaker", "createModel"),
            {
                "ModelName": expression("$plan.job"),
                "ExecutionRoleArn": names.serving_role,
                "PrimaryContainer": {"Image": names.serving_image, "ModelDataUrl": expression("$candidate")},
                "VpcConfig": names.network,
                "EnableNetworkIsolation": True,
            },
            repeat=None,
            catch=FAILED,
            then="CreateChallenge",
        ),
        "CreateChallenge": task(
            sdk("sagemaker", "createEndpointConfig"),
            names.configuration("$plan.challenge", champion="$champion", challenger="$plan.job"),
            repeat=None,
            catch=FAILED,
            then="StageChallenger",
        ),
        "StageChallenger": task(
            sdk("sagemaker", "updateEndpoint"),
            names.update("$plan.challenge"),
            assign={**_await("$plan.challenge", "LookAtAlarm"), **_begin_share("0")},
            repeat=None,
            catch=FAILED,
            then="AwaitEndpoint",
            comment="Beside the champion, and without traffic",
        ),
    }


def await_the_endpoint(names: Names) -> dict[str, State]:
    """One loop for every change of the endpoint; the variable ``after`` says what follows."""
    after = ("BuildDataset", "LookAtAlarm", "Approve")
    return {
        "AwaitEndpoint": wait(15, then="LookAtEndpoint"),
        "LookAtEndpoint": task(
            sdk("sagemaker", "describeEndpoint"),
            {"EndpointName": names.endpoint},
            assign={
                "status": expression("$states.result.EndpointStatus"),
                "config": expression("$states.result.EndpointConfigName"),
            },
            repeat={**REPEAT, "MaxAttempts": 10, "MaxDelaySeconds": 60},
            catch=FAILED,
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


def grow_the_traffic(names: Names) -> dict[str, State]:
    """Watch the challenger, ask what becomes of it, and shift traffic to it."""
    challenger = [
        {"Name": "EndpointName", "Value": names.endpoint},
        {"Name": "VariantName", "Value": "challenger"},
    ]
    watch = {
        "share": expression("$share"),
        "seconds": expression("$baked"),
        "alarm": expression("$alarm"),
        "invocations": expression("$invocations"),
        "scoring": expression("$scoring"),
        "scored": expression("$scored"),
    }
    return {
        "LookAtAlarm": task(
            sdk("cloudwatch", "describeAlarms"),
            {"AlarmNames": [names.alarm], "AlarmTypes": ["CompositeAlarm"]},
            assign={"alarm": expression("$states.result.CompositeAlarms[0].StateValue")},
            catch=TAKEN_BACK,
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
            catch=TAKEN_BACK,
            then="IsBeingScored",
        ),
        "IsBeingScored": choice(("$scoring = ''", "AskForStep"), otherwise="LookAtScore"),
        "LookAtScore": task(
            sdk("sagemaker", "describeProcessingJob"),
            {"ProcessingJobName": expression("$score.job")},
            assign={"scoring": expression("$states.result.ProcessingJobStatus")},
            catch=TAKEN_BACK,
            then="AskForStep",
        ),
        "AskForStep": names.ask(
            {"question": "step", "watch": watch, "report": expression("$score.report")},
            catch=TAKEN_BACK,
            then="WhatNow",
        ),
        "WhatNow": choice(
            ("$decision.verdict = 'wait'", "Bake"),
            ("$decision.verdict = 'score'", "PlanScore"),
            ("$decision.verdict in ['shift', 'promote']", "RecordStep"),
            otherwise="TakeBack",
        ),
        "Bake": wait(
            names.look_seconds,
            assign={"baked": expression(f"$baked + {names.look_seconds}")},
            then="LookAtAlarm",
        ),
        "RecordStep": names.record(
            "'/3-after-' & $string($share) & '-percent.json'", {}, catch=TAKEN_BACK, then="IsLastStep"
        ),
        "IsLastStep": choice(("$decision.verdict = 'promote'", "CreatePromotion"), otherwise="ShiftTraffic"),
        "ShiftTraffic": task(
            sdk("sagemaker", "updateEndpointWeightsAndCapacities"),
            names.weights(expression("100 - $decision.share"), expression("$decision.share")),
            assign={**_await("$plan.challenge", "LookAtAlarm"), **_begin_share("$decision.share")},
            catch=TAKEN_BACK,
            then="AwaitEndpoint",
        ),
    }


def score_the_challenger(names: Names) -> dict[str, State]:
    """Compare both models on captured traffic, in a job that the loop looks at as it looks at the alarm."""
    captures = f"s3://{names.bucket}/{names.capture_prefix}/{names.endpoint}/"
    return {
        "PlanScore": names.ask(
            {"question": "score", "plan": expression("$plan"), "now": expression("$now()")},
            into="score",
            catch=TAKEN_BACK,
            then="QueryOutcomes",
        ),
        "QueryOutcomes": task(
            ATHENA,
            {"QueryString": expression("$score.query"), "WorkGroup": names.workgroup},
            repeat=None,
            timeout_seconds=_QUERY_SECONDS,
            catch=TAKEN_BACK,
            then="Score",
        ),
        "Score": task(
            sdk("sagemaker", "createProcessingJob"),
            processing_job(
                names,
                job="$score.job",
                script="score.py",
                inputs={
                    "captures": captures,
                    "bars": expression("$score.bars"),
                    "candidate": expression("$candidate"),
                    "champion": expression("$champion_archive"),
                },
                output="$score.output",
                seconds=_SCORE_SECONDS,
            ),
            assign={"scoring": "InProgress", "scored": expression("$baked")},
            repeat=None,
            catch=TAKEN_BACK,
            then="Bake",
            comment="Its end is not waited for: the alarm must be looked at meanwhile",
        ),
    }


def promote(names: Names) -> dict[str, State]:
    """Put the candidate's model under the champion's name."""
    return {
        "CreatePromotion": task(
            sdk("sagemaker", "createEndpointConfig"),
            names.configuration("$plan.promotion", champion="$plan.job", challenger="$champion"),
            repeat=None,
            catch=TAKEN_BACK,
            then="Promote",
        ),
        "Promote": task(
            sdk("sagemaker", "updateEndpoint"),
            names.update("$plan.promotion"),
            assign=_await("$plan.promotion", "Approve"),
            repeat=None,
            catch=TAKEN_BACK,
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
            catch=FAILED,
            then="Promoted",
        ),
        "Promoted": succeed(),
    }


def take_back(names: Names) -> dict[str, State]:
    """Give the champion all the traffic again, and say why."""
    return {
        "TakeBack": task(
            sdk("sagemaker", "updateEndpointWeightsAndCapacities"),
            names.weights(1, 0),
            assign={"expected": expression("$config"), "after": "RecordRollBack"},
            # Until the endpoint lets it: a change that is under way may take a quarter of an hour.
            repeat={**REPEAT, "MaxAttempts": 30, "MaxDelaySeconds": 60},
            catch=FAILED,
            then="AwaitEndpoint",
            comment="Before anything is written down",
        ),
        "RecordRollBack": names.record(
            "'/4-taken-back.json'", {"share": expression("$share")}, catch=FAILED, then="RejectChallenger"
        ),
        "RejectChallenger": names.reject(then="NotifyOfRollBack"),
        "NotifyOfRollBack": names.notify(
            "a challenger was taken back",
            f"'Run ' & $plan.run & ' at ' & $string($share) & ' %: ' & {REASONS}",
            then="ChallengerTakenBack",
        ),
        "ChallengerTakenBack": fail("ChallengerTakenBack", expression(REASONS)),
    }


def _await(configuration: str, after: str) -> dict[str, str]:
    return {"expected": expression(configuration), "after": after}


def _begin_share(share: str) -> dict[str, Any]:
    return {
        "share": expression(share),
        "baked": 0,
        "since": expression("$now()"),
        "scoring": "",
        "scored": 0,
        "score": {"report": ""},
    }
