"""Every night: train a candidate, judge it on later days, let a better one take the champion's place step by step.

    find the champion ▶ dataset ▶ gate ▶ train ▶ evaluate ▶ register ▶ better? ── no ──▶ rejected, the champion stays
                                    │ shut                                │ yes
                                    ▼                                     ▼
                              notice, failure       challenger at 0 ▶ 10 ▶ 25 ▶ 50 ▶ 100 % ▶ champion, approved
                                                          │ an alarm, an error, too little traffic, or worse
                                                          │ on the rows that both answer, at any step
                                                          ▼
                                          challenger at 0 again ▶ rejected ▶ notice, failure

Decisions are made by ``tickwire/model`` in the function ``model_rollout``; each is put into the audit prefix with what
it rests on. The endpoint has the variants ``champion`` and ``challenger`` for ever, so that scaling and alarms stay
with them; a promotion puts the candidate's model under the champion's name.
"""

from typing import Any

from cdk.state_machines import nightly_candidate as candidate
from cdk.state_machines import nightly_rollout as rollout
from cdk.state_machines.nightly_names import Names
from cdk.state_machines.states import State, expression, fail

# Below the day after which the next run begins.
TIMEOUT_SECONDS = 20 * 3600


def nightly_training(names: Names) -> dict[str, Any]:
    """Give the state machine in Amazon States Language."""
    return {
        "Comment": "Trains a candidate, judges it on later days, and lets a better one take the champion's place",
        "QueryLanguage": "JSONata",
        "StartAt": "ListRuns",
        "TimeoutSeconds": TIMEOUT_SECONDS,
        "States": {
            **candidate.find_the_champion(names),
            **candidate.make_the_dataset(names),
            **candidate.make_the_candidate(names),
            **rollout.stage_the_challenger(names),
            **rollout.await_the_endpoint(names),
            **rollout.grow_the_traffic(names),
            **rollout.score_the_challenger(names),
            **rollout.promote(names),
            **rollout.take_back(names),
            **_fail(names),
        },
    }


def _fail(names: Names) -> dict[str, State]:
    return {
        "NotifyOfFailure": names.notify(
            "the nightly training failed", "$states.context.Execution.Id & ': ' & $failure", then="Failed"
        ),
        "Failed": fail("NightlyTrainingFailed", expression("$failure")),
    }
