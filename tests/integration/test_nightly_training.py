"""The nightly state machine on the emulator's Step Functions, from the dataset to the champion.

Every task becomes an activity whose worker is this test, so that Step Functions runs the very definition that is
deployed, its JSONata included, and the calls are answered by `sagemaker_stand_in.py`.
"""

import copy
import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pyarrow as pa
import pytest

from cdk.state_machines.nightly_names import Names
from cdk.state_machines.nightly_training import nightly_training
from lambdas.model_rollout.questions import RolloutSettings
from local.emulator import Emulator
from tests.integration.sagemaker_stand_in import ALARM, BUCKET, ENDPOINT, SEED, CallFailed, StandIn
from tests.unit.model.markets import captured, market, split

HOLDOUT_DAYS = 20
SETTINGS = RolloutSettings(
    endpoint=ENDPOINT,
    model_bucket=BUCKET,
    lake_table='"tickwire_test"."trades"',
    instruments="kraken:BTC-USD",
    train_days=40,
    holdout_days=HOLDOUT_DAYS,
    bake_seconds=120,
    min_invocations=100,
)
NAMES = Names(
    endpoint=ENDPOINT,
    instance_type="ml.c7g.large",
    instances=1,
    scaled=False,
    serving_image="000000000000.dkr.ecr.eu-west-1.amazonaws.com/assets:serving",
    serving_role="arn:aws:iam::000000000000:role/serving",
    training_image="000000000000.dkr.ecr.eu-west-1.amazonaws.com/assets:training",
    training_instance_type="ml.m5.large",
    job_role="arn:aws:iam::000000000000:role/jobs",
    bucket=BUCKET,
    capture_prefix="capture",
    capture_percent=100,
    key="arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-0000-0000-000000000000",
    security_group="sg-0123456789abcdef0",
    subnets=("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
    package_group="tickwire-test",
    workgroup="tickwire-test-model",
    rollout_function="model_rollout",
    alarm=ALARM,
    look_seconds=60,
    topic="arn:aws:sns:eu-west-1:000000000000:alarms",
)


@pytest.fixture(scope="module")
def states() -> Iterator[Any]:
    """Step Functions without waits: what a wait counts is counted all the same."""
    with Emulator(environment={"SFN_WAIT_SCALE": "0"}) as emulator:
        yield boto3.client(
            "stepfunctions",
            endpoint_url=emulator.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def run(states: Any, services: StandIn) -> dict[str, Any]:
    """Run the state machine to its end, and give the execution's description."""
    name = f"nightly-{uuid.uuid4().hex[:8]}"
    activity = states.create_activity(name=name)["activityArn"]
    definition = copy.deepcopy(nightly_training(NAMES))
    for state in definition["States"].values():
        if state["Type"] == "Task":
            state["Arguments"] = {"resource": state["Resource"], "arguments": state["Arguments"]}
            state["Resource"] = activity
    machine = states.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/states"
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    # The emulator looks at an empty queue only twice a second, so an early question costs half of one.
    pause = threading.Event()
    while True:
        pause.wait(0.02)
        described = states.describe_execution(executionArn=execution)
        if described["status"] != "RUNNING":
            return dict(described)
        task = states.get_activity_task(activityArn=activity) if _has_work(states, execution) else {}
        if "taskToken" in task:
            _work(states, services, task)


def _has_work(states: Any, execution: str) -> bool:
    history = states.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)["events"]
    return bool(history) and history[0]["type"] == "TaskScheduled"


def _work(states: Any, services: StandIn, task: dict[str, Any]) -> None:
    asked = json.loads(task["input"])
    try:
        output = services.call(asked["resource"], asked["arguments"])
    except CallFailed as failure:
        states.send_task_failure(taskToken=task["taskToken"], error=failure.error, cause=failure.cause)
    else:
        states.send_task_success(taskToken=task["taskToken"], output=json.dumps(output))


def services(*, skill: float = 0.5, **changes: Any) -> StandIn:
    """A market that can be predicted a little, unless ``skill`` is 0."""
    bars = split(market(60, skill=skill, seed=7), holdout_days=HOLDOUT_DAYS)
    return StandIn(**{"settings": SETTINGS, "bars": bars, "captured": asked, **changes})


def asked(aws: StandIn, *, turned: bool = False) -> bytes:
    """What the endpoint was asked for in the days of the holdout."""
    bars = pa.concat_tables(aws.bars.values())
    return captured(bars, since=aws.bars["holdout"]["start"][0].as_py(), turned=turned)


def test_a_better_candidate_becomes_champion_step_by_step(states: Any) -> None:
    aws = services()
    described = run(states, aws)
    assert described["status"] == "SUCCEEDED", described
    assert aws.weights == [0, 10, 25, 50, 100, 0]
    assert aws.champion != SEED
    assert aws.configurations[aws.config]["challenger"] == (SEED, 0)
    assert list(aws.packages.values()) == ["Approved"]
    assert aws.notices == []
    assert sorted(aws.audit) == [
        "1-dataset", "2-candidate", "3-after-0-percent", "3-after-10-percent", "3-after-100-percent",
        "3-after-25-percent", "3-after-50-percent",
    ]  # fmt: skip
    evidence = aws.audit["2-candidate"]["decision"]["evidence"]
    assert evidence["champion"]["name"] == "base-rate"
    assert evidence["candidate"]["scores"]["log_loss"] < evidence["champion"]["scores"]["log_loss"]
    assert evidence["candidate"]["scores"]["rows"] > 1500
    evidence = aws.audit["3-after-100-percent"]["decision"]["evidence"]
    assert evidence["paired"]["score"]["comparison"] == "better"
    assert evidence["paired"]["rows"] > 1500
    assert json.loads(aws.objects[evidence["report"]]) == evidence["paired"]
    # Each share is judged anew. Names are of the second, and here two of them may come in one.
    assert aws.calls.count("CreateProcessingJob") == 1 + 4


def test_a_candidate_without_skill_is_refused_and_the_champion_stays(states: Any) -> None:
    aws = services(skill=0.0)
    described = run(states, aws)
    assert described["status"] == "SUCCEEDED", described
    assert aws.champion == SEED
    assert aws.weights == []
    assert list(aws.packages.values()) == ["Rejected"]
    decision = aws.audit["2-candidate"]["decision"]
    assert decision["verdict"] == "refuse"
    assert "not better than the base rate" in decision["reasons"][0]


@pytest.mark.parametrize(
    "bad", [50, pytest.param(10, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.slow)]
)
def test_a_challenger_that_turns_bad_is_taken_back_at_once(states: Any, bad: int) -> None:
    aws = services(alarm=lambda share: "ALARM" if share >= bad else "OK")
    described = run(states, aws)
    assert (described["status"], described["error"]) == ("FAILED", "ChallengerTakenBack")
    assert aws.weights[-2:] == [bad, 0]
    assert aws.weight == {"champion": 1, "challenger": 0}
    assert aws.champion == SEED
    assert list(aws.packages.values()) == ["Rejected"]
    assert aws.audit["4-taken-back"]["share"] == bad
    (notice,) = aws.notices
    assert f"the alarm is ALARM at {bad} %" in notice
    # Between the alarm and the champion's return nothing else is done.
    last_look = len(aws.calls) - 1 - aws.calls[::-1].index("DescribeAlarms")
    assert aws.calls[last_look + 3] == "UpdateEndpointWeightsAndCapacities"


def test_a_challenger_that_turns_out_worse_on_captured_traffic_is_taken_back_at_once(states: Any) -> None:
    aws = services(captured=lambda aws: asked(aws, turned=aws.weights[-1] >= 25))
    described = run(states, aws)
    assert (described["status"], described["error"]) == ("FAILED", "ChallengerTakenBack"), described
    assert "hours the challenger is worse" in described["cause"]
    assert aws.weights == [0, 10, 25, 0]
    assert aws.champion == SEED
    assert list(aws.packages.values()) == ["Rejected"]
    evidence = aws.audit["4-taken-back"]["decision"]["evidence"]
    assert evidence["paired"]["score"]["worse"] >= 40
    assert evidence["report"] in aws.objects


@pytest.mark.slow
def test_a_challenger_of_which_nothing_is_known_goes_to_25_percent_and_no_further(states: Any) -> None:
    aws = services(captured=lambda aws: b"")
    described = run(states, aws)
    assert described["error"] == "ChallengerTakenBack"
    assert aws.weights == [0, 10, 25, 0]
    assert "on 0 captured rows of 0 hours the challenger is undecided" in described["cause"]


def test_a_comparison_that_fails_takes_the_challenger_back(states: Any) -> None:
    def lose_the_champion(aws: StandIn) -> bytes:
        del aws.objects["seed/model.tar.gz"]
        return b""

    aws = services(captured=lose_the_champion)
    described = run(states, aws)
    assert described["error"] == "ChallengerTakenBack"
    assert "the comparison on captured traffic is Failed" in described["cause"]
    assert aws.weights == [0, 10, 0]


def test_an_alarm_before_the_first_step_keeps_the_challenger_without_traffic(states: Any) -> None:
    aws = services(alarm=lambda share: "INSUFFICIENT_DATA")
    described = run(states, aws)
    assert described["error"] == "ChallengerTakenBack"
    assert aws.weights == [0, 0]


def test_quiet_alarms_without_traffic_promote_nobody(states: Any) -> None:
    aws = services(invocations=0)
    described = run(states, aws)
    assert described["error"] == "ChallengerTakenBack"
    assert "too few to judge by" in described["cause"]
    assert aws.weights == [0, 10, 0]


@pytest.mark.parametrize(
    "operation",
    [
        "UpdateEndpoint",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("DescribeAlarms", "CreateEndpointConfig")),
    ],
)
def test_who_cannot_look_or_act_takes_the_challenger_back(states: Any, operation: str) -> None:
    aws = services()
    answered = aws.call

    def call(resource: str, arguments: dict[str, Any]) -> Any:
        if aws.weights[-1:] == [100]:
            aws.refused = (operation,)
        # Taking back and writing down come after the failure, and work again.
        if aws.weights[-2:] == [100, 0]:
            aws.refused = ()
        return answered(resource, arguments)

    aws.call = call  # type: ignore[method-assign]
    described = run(states, aws)
    assert (described["status"], described["error"]) == ("FAILED", "ChallengerTakenBack"), described
    assert f"{operation} was to fail" in described["cause"]
    assert aws.weight == {"champion": 1, "challenger": 0}
    assert aws.champion == SEED


def test_a_promotion_that_sagemaker_takes_back_takes_the_challenger_back(states: Any) -> None:
    aws = services(undone="-promotion")
    described = run(states, aws)
    assert described["error"] == "ChallengerTakenBack"
    assert "SageMaker went back from" in described["cause"]
    assert aws.champion == SEED
    assert aws.weight == {"champion": 1, "challenger": 0}


def test_a_dataset_with_a_gap_stops_the_run_before_training(states: Any) -> None:
    aws = services()
    aws.bars["holdout"] = aws.bars["holdout"].slice(600)
    described = run(states, aws)
    assert described["error"] == "NightlyTrainingFailed"
    assert "kraken:BTC-USD has bars in 69% of the holdout's intervals" in described["cause"]
    assert "CreateTrainingJob" not in aws.calls
    assert aws.audit["1-dataset"]["decision"]["verdict"] == "refuse"
    assert len(aws.notices) == 1


def test_a_failed_training_says_why_and_changes_nothing(states: Any) -> None:
    aws = services()
    aws.bars["train"] = aws.bars["train"].slice(3000)
    described = run(states, aws)
    assert described["error"] == "NightlyTrainingFailed"
    assert "rows to learn from, and at least 1000 are needed" in described["cause"]
    assert aws.champion == SEED
    assert len(aws.notices) == 1


def test_a_second_run_does_not_start_beside_the_first(states: Any) -> None:
    aws = services(running=2)
    described = run(states, aws)
    assert described["error"] == "AnotherRunIsUnderWay"
    assert aws.calls == ["ListExecutions"]


def test_traffic_that_a_stopped_run_has_left_to_its_challenger_goes_back_first(states: Any) -> None:
    aws = services(skill=0.0)
    aws.weight = {"champion": 75.0, "challenger": 25.0}
    described = run(states, aws)
    assert described["status"] == "SUCCEEDED"
    assert aws.weights == [0]
    assert aws.calls.index("UpdateEndpointWeightsAndCapacities") < aws.calls.index("StartQueryExecution")


def test_every_call_that_may_fail_says_what_follows() -> None:
    definition = nightly_training(NAMES)["States"]
    uncaught = {name for name, state in definition.items() if state["Type"] == "Task" and "Catch" not in state}
    # A notice that cannot be sent ends the run as failed all the same, and the alarm tells.
    assert uncaught == {"NotifyOfFailure", "NotifyOfRollBack"}


def test_from_the_first_step_on_every_failure_takes_the_challenger_back() -> None:
    definition = nightly_training(NAMES)["States"]
    caught = {
        name: state["Catch"][0]["Next"]
        for name, state in definition.items()
        if state["Type"] == "Task" and "Catch" in state
    }
    assert {name for name, following in caught.items() if following == "TakeBack"} == {
        "LookAtAlarm", "CountInvocations", "LookAtScore", "AskForStep", "PlanScore", "QueryOutcomes", "Score",
        "RecordStep", "ShiftTraffic", "CreatePromotion", "Promote",
    }  # fmt: skip
