"""`tickwire model` against the local SageMaker, and the nightly run that it starts, from candle files to a champion."""

import dataclasses
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyarrow import csv

from cdk.state_machines.nightly_training import nightly_training
from local.emulator import CREDENTIALS, Emulator
from local.sagemaker import nightly, objects, seed
from local.sagemaker.nightly_calls import NightlyCalls
from tests.integration.local_sagemaker import BUCKET, ENDPOINT, Platform, rising
from tests.integration.test_nightly_training import NAMES
from tests.unit.model.markets import END, market
from tickwire.cli.main import main

ROLLOUT = {
    "TICKWIRE_ENDPOINT": ENDPOINT,
    "TICKWIRE_MODEL_BUCKET": BUCKET,
    "TICKWIRE_LAKE_TABLE": '"lake"."trades"',
    "TICKWIRE_INSTRUMENTS": "kraken:BTC-USD",
    "TICKWIRE_TRAIN_DAYS": "40",
    "TICKWIRE_HOLDOUT_DAYS": "20",
    "TICKWIRE_BAKE_SECONDS": "600",
    "TICKWIRE_MIN_INVOCATIONS": "0",
}
MACHINE = f"arn:aws:states:us-east-1:000000000000:stateMachine:{ENDPOINT}-nightly-training"
NO_CODE = b"PK\x05\x06" + bytes(18)  # an empty zip


class Command:
    """A platform that runs, and the command that looks after its model."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self._folder = folder

    def __call__(self, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
        """Run it with ``--json`` and give what it prints; what it says on standard error where it fails."""
        capsys.readouterr()
        found = main(["model", *arguments, "--local", str(self._folder), "--json"])
        said = capsys.readouterr()
        assert found == code, said
        return json.loads(said.out) if code == 0 else said.err


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    folder = tmp_path_factory.mktemp("platform")
    patch = pytest.MonkeyPatch()
    with Emulator(environment={"SFN_WAIT_SCALE": "0"}) as emulator:
        platform = Platform(emulator, folder)
        addresses = {"AWS_ENDPOINT_URL": emulator.endpoint_url, "AWS_ENDPOINT_URL_SAGEMAKER": platform.url}
        for name, value in {**CREDENTIALS, **addresses, "TICKWIRE_LOCAL_BAKE_SECONDS": "60"}.items():
            patch.setenv(name, value)
        objects.client.cache_clear()
        try:
            platform.s3.create_bucket(Bucket=BUCKET)
            seed.begin(platform.control, platform.s3, endpoint=ENDPOINT, bucket=BUCKET)
            seed.wait(platform.control, endpoint=ENDPOINT)
            register(platform, "other", rising(0.75))
            (folder / "run").mkdir()
            run = {
                "pid": os.getpid(),
                "endpoint_url": emulator.endpoint_url,
                "sagemaker_url": platform.url,
                "model_endpoint": ENDPOINT,
            }
            (folder / "run" / "run.json").write_text(json.dumps(run))
            with workers(platform):
                yield Command(platform, folder)
        finally:
            platform.child.stop()
            patch.undo()
            objects.client.cache_clear()


@contextmanager
def workers(platform: Platform) -> Iterator[None]:
    """Deploy the state machine with its function, and answer its tasks as a local run does."""
    functions, states = platform.client("lambda"), platform.client("stepfunctions")
    functions.create_function(
        FunctionName="model_rollout",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/rollout",
        Handler="none.handler",
        Code={"ZipFile": NO_CODE},
        Environment={"Variables": ROLLOUT},
    )
    names = dataclasses.replace(NAMES, endpoint=ENDPOINT, bucket=BUCKET, package_group=ENDPOINT)
    states.create_state_machine(
        name=f"{ENDPOINT}-nightly-training",
        definition=json.dumps(nightly_training(names)),
        roleArn="arn:aws:iam::000000000000:role/states",
    )
    calls = NightlyCalls(rollout_function="model_rollout", lake_database="lake", sagemaker_url=platform.url)
    activity = nightly.prepare(states, MACHINE)
    ending = threading.Event()
    worker = threading.Thread(target=nightly.work, args=(states, activity, calls, ending), daemon=True)
    worker.start()
    yield
    ending.set()


def register(platform: Platform, name: str, archive: bytes) -> None:
    platform.s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=archive)
    platform.control.create_model_package(
        ModelPackageGroupName=ENDPOINT,
        ModelPackageDescription=name,
        InferenceSpecification={
            "Containers": [{"Image": seed.IMAGE, "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )


def shares(status: dict[str, Any]) -> dict[str, tuple[int | None, float]]:
    return {variant["variant"]: (variant["version"], variant["percent"]) for variant in status["variants"]}


def test_an_operator_approves_ramps_and_takes_back(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    status = command(capsys, "status")
    assert (status["status"], status["alarm"]) == ("InService", "OK")
    assert shares(status) == {"champion": (1, 100.0), "challenger": (1, 0.0)}
    assert [(row["version"], row["status"]) for row in command(capsys, "versions")] == [
        (2, "PendingManualApproval"), (1, "Approved"),
    ]  # fmt: skip
    command(capsys, "approve", "2", "--reason", "looked at its card")
    ramped = command(capsys, "ramp", "v2", "25%")
    assert shares(command(capsys, "status")) == {"champion": (1, 75.0), "challenger": (2, 25.0)}
    # The model stays where it is when its share grows.
    assert command(capsys, "ramp", "2", "50")["model"] == ramped["model"]
    command(capsys, "rollback", "--reason", "late answers")
    assert shares(command(capsys, "status")) == {"champion": (1, 100.0), "challenger": (2, 0.0)}
    decided = command(capsys, "decisions")
    assert [(row["decision"]["verdict"], row["decision"]["share"]) for row in decided] == [
        ("approve", 0), ("ramp", 25), ("ramp", 50), ("rollback", 0),
    ]  # fmt: skip
    assert decided[0]["decision"]["reasons"] == ["looked at its card"]
    assert decided[-1]["before"] == {"champion": 50.0, "challenger": 50.0}
    who = command.platform.client("sts").get_caller_identity()["Arn"]
    assert {row["who"] for row in decided} == {who}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ramp", "1", "10"), "version 1 is the champion already"),
        (("approve", "99"), "there is no version 99"),
        (("compare", "1", "2"), "never evaluated"),
        (("decisions", "nobody"), "no decision of a run 'nobody'"),
        (("train", "--set", "nonsense"), "NAME=VALUE is needed"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    command: Command, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert says in command(capsys, *arguments, code=1)


@pytest.mark.slow
def test_a_nightly_run_goes_from_candle_files_to_a_champion(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # Of long ago: moved by whole days, they end with the day before the run.
    bars = market(60, skill=0.5, seed=7, end=END - 400 * 86_400 * 10**9)
    names = {"start": "open_time", "notional": "quote_volume", "buy_volume": "taker_buy_base", "trades": "trades"}
    path = tmp_path / "BTCUSDT-15m.csv"
    candles = bars.drop_columns(["venue", "symbol"])
    csv.write_csv(candles.rename_columns([names.get(name, name) for name in candles.column_names]), path)
    ended = command(capsys, "train", "--candles", str(path), "--set", "model=logistic", "--wait")
    assert ended["status"] == "SUCCEEDED", ended
    decided = [row for row in command(capsys, "decisions") if "who" not in row]
    assert {row["decision"]["verdict"] for row in decided} >= {"accept", "shift", "promote"}, decided
    assert shares(command(capsys, "status"))["champion"] == (3, 100.0)
    versions = {row["version"]: row for row in command(capsys, "versions")}
    assert (versions[3]["status"], versions[3]["variant"]) == ("Approved", "champion")
    assert versions[3]["scores"]["rows"] > 1500
    evidence = command(capsys, "decisions", decided[0]["run"])
    assert evidence[1]["decision"]["evidence"]["candidate"]["version"] == decided[0]["run"]
