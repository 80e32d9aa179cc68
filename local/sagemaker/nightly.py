"""The nightly state machine on a laptop: the deployed definition, its tasks answered by a worker.

The emulator's Step Functions makes the calls of a task only to itself, and has neither jobs nor endpoints. So every
task becomes an activity of the same name and arguments, and this process does what AWS would:

    python -m local.sagemaker.nightly --machine ARN --rollout-function NAME --lake-database NAME --sagemaker-url URL
"""

import argparse
import copy
import json
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.nightly_calls import CallFailed, NightlyCalls
from local.sagemaker.objects import client

_LOGGER = logging.getLogger("tickwire.nightly")
_WORKERS = 2
"""Runs are alone, but for a moment: one that finds another ends itself."""
_PAUSE_SECONDS = 1.0


def with_activities(definition: dict[str, Any], activity: str) -> dict[str, Any]:
    """Turn every task into one of an activity, whose input is ``{"resource": …, "arguments": …}``."""
    turned = copy.deepcopy(definition)
    for state in turned["States"].values():
        if state["Type"] == "Task" and state["Resource"] != activity:
            state["Arguments"] = {"resource": state["Resource"], "arguments": state["Arguments"]}
            state["Resource"] = activity
    return turned


def prepare(states: Any, machine: str) -> str:
    """Put the deployed definition on activities; gives the activity's ARN."""
    described = states.describe_state_machine(stateMachineArn=machine)
    activity: str = states.create_activity(name=f"{described['name']}-tasks")["activityArn"]
    definition = with_activities(json.loads(described["definition"]), activity)
    states.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))
    return activity


def work(states: Any, activity: str, calls: NightlyCalls, ending: threading.Event) -> None:
    """Answer tasks until the end."""
    while not ending.is_set():
        try:
            task = states.get_activity_task(activityArn=activity)
        except (ClientError, BotoCoreError):
            # The emulator is not there yet, or not any more.
            ending.wait(_PAUSE_SECONDS)
            continue
        if task.get("taskToken"):
            answer(states, task, calls)


def answer(states: Any, task: dict[str, Any], calls: NightlyCalls) -> None:
    """Do what one task asks for, and tell how that went."""
    asked = json.loads(task["input"])
    try:
        output = json.dumps(calls.call(asked["resource"], asked["arguments"]))
    except Exception as error:
        # Whatever it is, the state machine says what follows.
        _LOGGER.warning("%s failed", asked["resource"], exc_info=not isinstance(error, CallFailed))
        name = error.error if isinstance(error, CallFailed) else type(error).__name__
        states.send_task_failure(taskToken=task["taskToken"], error=name, cause=str(error)[:32_000])
    else:
        _LOGGER.info("%s", asked["resource"])
        states.send_task_success(taskToken=task["taskToken"], output=output)


def main() -> None:
    """Work until the process is ended: it holds nothing that should outlive it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("machine", "rollout-function", "lake-database", "sagemaker-url"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.environ["AWS_ENDPOINT_URL_SAGEMAKER"] = args.sagemaker_url
    states = client("stepfunctions")
    calls = NightlyCalls(
        rollout_function=args.rollout_function, lake_database=args.lake_database, sagemaker_url=args.sagemaker_url
    )
    activity = prepare(states, args.machine)
    print(json.dumps({"event": "working", "activity": activity}), flush=True)
    ending = threading.Event()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for worker in [pool.submit(work, states, activity, calls, ending) for _ in range(_WORKERS)]:
            worker.result()


if __name__ == "__main__":
    main()
