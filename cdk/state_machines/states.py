"""The kinds of states, each written once. Query language: JSONata."""

from collections.abc import Mapping
from typing import Any

State = dict[str, Any]
Catch = Mapping[str, Any]

LAMBDA = "arn:aws:states:::lambda:invoke"
NOTICE = "arn:aws:states:::sns:publish"
ATHENA = "arn:aws:states:::athena:startQueryExecution.sync"
TRAINING = "arn:aws:states:::sagemaker:createTrainingJob.sync"
PROCESSING = "arn:aws:states:::sagemaker:createProcessingJob.sync"
PUT_OBJECT = "arn:aws:states:::aws-sdk:s3:putObject"

REPEAT = {
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 5,
    "MaxAttempts": 4,
    "BackoffRate": 2,
    "JitterStrategy": "FULL",
}
"""For calls that may be made twice."""


def sdk(service: str, action: str) -> str:
    """Name the direct integration of one call of an AWS service."""
    return f"arn:aws:states:::aws-sdk:{service}:{action}"


def expression(text: str) -> str:
    """Mark JSONata."""
    return f"{{% {text} %}}"


def task(
    resource: str,
    arguments: Mapping[str, Any],
    *,
    then: str,
    catch: Catch | None,
    assign: Mapping[str, Any] | None = None,
    repeat: Mapping[str, Any] | None = REPEAT,
    comment: str | None = None,
    timeout_seconds: int | None = None,
) -> State:
    """Give a state that makes one call.

    ``repeat`` is None for what must not be made twice, or fails for good when it fails.
    """
    return _without_nothing(
        {
            "Type": "Task",
            "Comment": comment,
            "Resource": resource,
            "Arguments": dict(arguments),
            "Assign": assign,
            "TimeoutSeconds": timeout_seconds,
            "Retry": None if repeat is None else [repeat],
            "Catch": None if catch is None else [catch],
            "Next": then,
        }
    )


def choice(*branches: tuple[str, str], otherwise: str, comment: str | None = None) -> State:
    """Give a state that goes on with the first (condition, state) that holds."""
    choices = [{"Condition": expression(condition), "Next": state} for condition, state in branches]
    return _without_nothing({"Type": "Choice", "Comment": comment, "Choices": choices, "Default": otherwise})


def assign(variables: Mapping[str, Any], *, then: str) -> State:
    """Give a state that only sets variables."""
    return {"Type": "Pass", "Assign": variables, "Next": then}


def wait(seconds: int, *, then: str, assign: Mapping[str, Any] | None = None, comment: str | None = None) -> State:
    """Give a state that waits."""
    return _without_nothing({"Type": "Wait", "Comment": comment, "Seconds": seconds, "Assign": assign, "Next": then})


def succeed() -> State:
    """Give an end that is as it should be."""
    return {"Type": "Succeed"}


def fail(error: str, cause: str) -> State:
    """Give an end that somebody has to look at."""
    return {"Type": "Fail", "Error": error, "Cause": cause}


def _without_nothing(state: State) -> State:
    return {name: value for name, value in state.items() if value is not None}
