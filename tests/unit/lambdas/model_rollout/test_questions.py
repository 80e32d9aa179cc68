"""Each question reaches the domain with what it needs, and what cannot be read is told."""

import io
from typing import Any

import msgspec
import pytest

from lambdas.model_rollout.questions import RolloutSettings, UnknownQuestion, answer
from tests.unit.model.test_rollout import EVALUATION
from tickwire.model.plan import RunPlan

SETTINGS = RolloutSettings(
    endpoint="tickwire-test",
    model_bucket="models",
    lake_table='"lake"."trades"',
    instruments="kraken:BTC-USD,kraken:ETH-USD",
    train_days=40,
    holdout_days=20,
    bake_seconds=600,
    min_invocations=20,
)


class Objects:
    """An S3 client of one bucket."""

    def __init__(self, **bodies: bytes) -> None:
        self._bodies = bodies

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == "models"
        return {"Body": io.BytesIO(self._bodies[Key])}

    def get_paginator(self, _: str) -> "Objects":
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == "models"
        keys = [key for key in self._bodies if key.startswith(Prefix)]
        # S3 leaves the list out where it is empty.
        return [{"Contents": [{"Key": key} for key in keys]}] if keys else [{}]


def plan() -> dict[str, Any]:
    asked = {"question": "plan", "execution": "arn:run", "started": "2026-11-27T02:30:00Z"}
    return answer(asked, settings=SETTINGS, s3=Objects())


def test_a_plan_is_of_the_settings() -> None:
    planned = msgspec.convert(plan(), RunPlan)
    assert planned.job.startswith("tickwire-test-20261127-023000-")
    assert 'FROM "lake"."trades"' in planned.query
    assert "2026-09-28 00:00:00 UTC" in planned.query


def test_a_candidate_is_judged_by_its_report() -> None:
    report = Objects(**{plan()["report"]: msgspec.json.encode(EVALUATION)})
    answered = answer({"question": "candidate", "plan": plan()}, settings=SETTINGS, s3=report)
    assert answered["verdict"] == "accept"
    assert answered["evidence"]["candidate"]["scores"]["rows"] == 2000


def test_a_step_is_decided_by_what_is_seen() -> None:
    watch = {"share": 10, "seconds": 600, "alarm": "OK", "invocations": 20}
    answered = answer({"question": "step", "watch": watch}, settings=SETTINGS, s3=Objects())
    # What has baked is compared with the champion first.
    assert (answered["verdict"], answered["share"]) == ("score", 10)
    evidence = answered["evidence"]
    assert evidence["watch"].items() >= watch.items()
    assert (evidence["paired"], evidence["report"]) == (None, "")
    answered = answer({"question": "step", "watch": watch | {"alarm": "ALARM"}}, settings=SETTINGS, s3=Objects())
    assert (answered["verdict"], answered["share"]) == ("roll_back", 0)


def test_a_dataset_without_files_is_refused_and_names_what_is_missing() -> None:
    answered = answer({"question": "dataset", "plan": plan()}, settings=SETTINGS, s3=Objects())
    assert answered["verdict"] == "refuse"
    assert list(answered["reasons"]) == [
        "kraken:BTC-USD has no bar to learn from",
        "kraken:BTC-USD has no bar in the holdout",
        "kraken:ETH-USD has no bar to learn from",
        "kraken:ETH-USD has no bar in the holdout",
    ]


def test_a_file_that_is_no_dataset_is_an_error() -> None:
    key = f"datasets/{plan()['run']}/part=train/1"
    with pytest.raises(Exception, match=r"[Pp]arquet"):
        answer({"question": "dataset", "plan": plan()}, settings=SETTINGS, s3=Objects(**{key: b"no parquet here"}))


@pytest.mark.parametrize("asked", [{}, {"question": "weather"}, {"question": "step"}, {"question": "plan", "plan": 1}])
def test_what_is_no_question_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(UnknownQuestion):
        answer(asked, settings=SETTINGS, s3=Objects())
