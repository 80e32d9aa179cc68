"""Hourly checks on a real PostgreSQL, with S3, SageMaker and Step Functions in moto."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import boto3
import numpy as np
import psycopg
import pytest
from moto import mock_aws
from scipy import stats

from lambdas.migrations.runner import apply
from lambdas.model_drift.state import STATE_KEY, DriftState, StateChanged, StateObject
from lambdas.model_drift.watch import HOUR, DriftSettings, Watch
from lambdas.postgres.database import Database, DatabaseSettings, connect_for_reading
from tickwire.model.archive import pack
from tickwire.model.drift_check import NoDriftCheck
from tickwire.model.features import SCHEMA
from tickwire.model.reference import Distribution, Reference
from tickwire.model.schema import ModelDescription

BUCKET = "models"
AUGUST = 19_943 * 24 * HOUR  # 2024-08-08
NORMAL = Distribution((-6.0, *stats.norm.ppf(np.arange(1, 100) / 100).tolist(), 6.0), 0.0, 100_000)
UNIFORM = Distribution(tuple((np.arange(101) / 100).tolist()), 0.0, 100_000)
REFERENCE = Reference(dict.fromkeys(SCHEMA.names, NORMAL), UNIFORM, (None,) * SCHEMA.width)
ROLE = "arn:aws:iam::123456789012:role/r"
SYMBOLS = tuple(f"S{number}-USD" for number in range(6))


@dataclass
class World:
    url: str
    s3: Any
    states: Any
    machine: str
    watch: Watch

    def predict(self, *, shift: float, version: str = "7", hours: int = 48, symbols: int = 6) -> None:
        """Write two predictions a quarter-hour, from a day before August to a day after; the first is no row."""
        generator = np.random.default_rng(1)
        rows = []
        for symbol in SYMBOLS[:symbols]:
            for quarter in range(4 * hours):
                ended = AUGUST // 1_000_000_000 - 86_400 + 900 * quarter
                probability = float(generator.uniform())
                features = (generator.normal(size=len(SCHEMA.names)) + shift).tolist()
                rose = bool(generator.uniform() < probability)
                rows.append(("v", symbol, ended + 60, [50.0] * len(features), 0.5, version, None))
                rows.append(("v", symbol, ended + 120, features, probability, version, rose))
        with psycopg.connect(self.url) as connection:
            for day in ("2024-08-07", "2024-08-08"):
                connection.execute("SELECT ensure_conclusions_partition(%s::date)", [day])
            connection.cursor().executemany(
                "INSERT INTO predictions (venue, symbol, time, horizon_seconds, close, features, probability, version,"
                " rose) VALUES (%s, %s, to_timestamp(%s), 900, 1, %s, %s, %s, %s)",
                rows,
            )

    def started(self) -> list[str]:
        return [one["name"] for one in self.states.list_executions(stateMachineArn=self.machine)["executions"]]

    def audited(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="audit/").get("Contents", [])
        return [one["Key"] for one in found]


def drift_settings(machine: str) -> DriftSettings:
    return DriftSettings(
        endpoint="tickwire-test",
        model_bucket=BUCKET,
        instruments=",".join(f"v:{symbol}" for symbol in SYMBOLS),
        state_machine=machine,
        drift_hours=24,
    )


def new_watch(url: str, machine: str) -> Watch:
    settings = DatabaseSettings(database_url=url)
    return Watch(
        drift_settings(machine),
        database=Database(lambda: connect_for_reading(settings)),
        sagemaker=boto3.client("sagemaker"),
        s3=boto3.client("s3"),
        states=boto3.client("stepfunctions"),
    )


@pytest.fixture
def world(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with psycopg.connect(database_url) as connection:
        apply(connection)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        s3, sagemaker, states = (boto3.client(name) for name in ("s3", "sagemaker", "stepfunctions"))
        s3.create_bucket(Bucket=BUCKET)
        serve(s3, sagemaker, REFERENCE)
        machine = states.create_state_machine(
            name="nightly", definition='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}', roleArn=ROLE
        )["stateMachineArn"]
        yield World(database_url, s3, states, machine, new_watch(database_url, machine))


def serve(s3: Any, sagemaker: Any, reference: Reference | None) -> None:
    description = ModelDescription("direction", "7", SCHEMA, SCHEMA.digest)
    s3.put_object(Bucket=BUCKET, Key="candidates/7/model.tar.gz", Body=pack(b"graph", description, reference))
    container = {"Image": "i", "ModelDataUrl": f"s3://{BUCKET}/candidates/7/model.tar.gz"}
    for model, address in (("m-7", container), ("m-8", {**container, "ModelDataUrl": f"s3://{BUCKET}/none"})):
        sagemaker.create_model(ModelName=model, PrimaryContainer=address, ExecutionRoleArn=ROLE)
    variants = [
        {"VariantName": name, "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        for name, model in (("challenger", "m-8"), ("champion", "m-7"))
    ]
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="tickwire-test", EndpointConfigName="c")


def test_drift_that_stays_starts_one_training_and_none_within_a_day(world: World) -> None:
    world.predict(shift=1.0)

    for hour in range(20):
        report = world.watch.run(AUGUST + hour * HOUR + 5)
        # Six symbols by 96 quarter-hours.
        assert report.rows == 576
        assert report.drifted
        assert len(world.started()) == (hour >= 2)

    assert world.started() == ["drift-20240808-020000"]
    assert world.audited() == ["audit/drift-20240808-020000/1-drift.json"]
    told = json.loads(world.s3.get_object(Bucket=BUCKET, Key=world.audited()[0])["Body"].read())
    assert told["reasons"][0] == "3 checks in a row found drift"


def test_without_drift_nothing_starts(world: World) -> None:
    world.predict(shift=0.0)

    reports = [world.watch.run(AUGUST + hour * HOUR) for hour in range(5)]

    assert not any(report.drifted for report in reports)
    assert max(report.largest_psi(of_probability=False) for report in reports) < 0.1
    assert world.started() == world.audited() == []


def test_an_hour_is_checked_once_however_often_it_is_asked_for(world: World) -> None:
    world.predict(shift=1.0)

    first, *others = (world.watch.run(AUGUST + minute * HOUR // 60) for minute in range(5))

    assert others == [first] * 4
    assert world.started() == []


def test_too_few_rows_are_no_check_and_leave_no_trace(world: World) -> None:
    world.predict(shift=1.0, symbols=5)

    with pytest.raises(NoDriftCheck, match="480 predictions of version '7'"):
        world.watch.run(AUGUST)

    assert StateObject(world.s3, BUCKET).read() == DriftState()


def test_predictions_of_another_version_are_not_the_champions(world: World) -> None:
    world.predict(shift=1.0, version="8")

    with pytest.raises(NoDriftCheck, match="0 predictions of version '7'"):
        world.watch.run(AUGUST)


def test_a_model_that_has_learnt_from_nothing_has_no_drift(world: World) -> None:
    description = ModelDescription("base-rate", "seed", SCHEMA, SCHEMA.digest)
    body = pack(b"graph", description)
    world.s3.put_object(Bucket=BUCKET, Key="candidates/7/model.tar.gz", Body=body)

    with pytest.raises(NoDriftCheck, match="version 'seed' has no reference"):
        world.watch.run(AUGUST)


def test_of_two_that_check_at_once_one_gives_way(world: World) -> None:
    one, other = StateObject(world.s3, BUCKET), StateObject(world.s3, BUCKET)
    for state in (DriftState(), DriftState(last_retraining=1)):
        assert one.read() == other.read()
        one.replace(state)
        with pytest.raises(StateChanged):
            other.replace(DriftState(last_retraining=2))

    assert one.read() == DriftState(last_retraining=1)


def test_a_start_that_was_cut_short_is_made_good_by_the_next_check_once(world: World) -> None:
    world.predict(shift=1.0)
    for hour in range(2):
        world.watch.run(AUGUST + hour * HOUR)
    failing = SimpleNamespace(start_execution=fail)
    cut_short = Watch(
        drift_settings(world.machine),
        database=Database(lambda: connect_for_reading(DatabaseSettings(database_url=world.url))),
        sagemaker=boto3.client("sagemaker"),
        s3=world.s3,
        states=failing,
    )
    with pytest.raises(ConnectionError):
        cut_short.run(AUGUST + 2 * HOUR)
    assert world.started() == []

    for hour in (2, 2, 3):
        world.watch.run(AUGUST + hour * HOUR)

    assert world.started() == ["drift-20240808-020000"]
    assert json.load(io.BytesIO(world.s3.get_object(Bucket=BUCKET, Key=STATE_KEY)["Body"].read()))["starting"] == ""


def fail(**_: Any) -> None:
    raise ConnectionError
