"""One check after another, and a training once where they agree."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from botocore.exceptions import ClientError

from lambdas.model_drift.champion import read_champion
from lambdas.model_drift.predictions import read_rows
from lambdas.model_drift.state import DriftState, StateObject
from lambdas.postgres.database import Database
from tickwire.model.drift_check import DriftReport, check, decide

HOUR = 3_600 * 1_000_000_000


class DriftSettings(msgspec.Struct, frozen=True):
    """The environment of the function, beside the database's.

    ``instruments`` are ``venue:SYMBOL``, separated by commas; ``state_machine`` is the ARN of the nightly training.
    ``drift_hours`` are looked at: a symbol brings four rows an hour, and only with 500 of them is it looked at by
    itself. A week has every hour and weekday in it; over six weeks that the shipped model had not seen, no feature of
    BTC and ETH moved by a PSI of more than 0.23 in one.
    """

    endpoint: str
    model_bucket: str
    instruments: str
    state_machine: str
    drift_hours: Annotated[int, msgspec.Meta(ge=1, le=24 * 31)] = 168


class Watch:
    """Checks the champion, and remembers."""

    def __init__(self, settings: DriftSettings, *, database: Database, sagemaker: Any, s3: Any, states: Any) -> None:
        self._settings = settings
        self._database = database
        self._sagemaker = sagemaker
        self._s3 = s3
        self._states = states

    def run(self, now: int) -> DriftReport:
        """Make the check of the hour of ``now``, ns UTC; in an hour that has one, give it again.

        A decision is kept before it is carried out, under the name of its check. Who finds it kept carries it out
        again, which starts nothing twice: an execution's name is taken once.

        Raises
        ------
        NoDriftCheck
            If there is too little to compare; nothing is remembered of it.
        StateChanged
            If another check was made meanwhile.
        """
        kept = StateObject(self._s3, self._settings.model_bucket)
        state = self._carry_out(kept, kept.read())
        hour = now - now % HOUR
        if state.checks and state.checks[-1].time >= hour:
            return state.checks[-1]
        report = self._check(hour)
        state = _decided(state.with_check(report))
        kept.replace(state)
        self._carry_out(kept, state)
        return report

    def _check(self, hour: int) -> DriftReport:
        champion = read_champion(self._settings.endpoint, sagemaker=self._sagemaker, s3=self._s3)
        span = timedelta(hours=self._settings.drift_hours)
        rows = self._database.run(
            lambda connection: read_rows(
                connection, self._settings.instruments.split(","), version=champion.version, end=hour, span=span
            )
        )
        return check(rows, champion.reference, time=hour, version=champion.version)

    def _carry_out(self, kept: StateObject, state: DriftState) -> DriftState:
        """Start what is decided, if anything is, and write it into the audit."""
        if not state.starting:
            return state
        told = {"run": state.starting, "reasons": state.reasons, "check": state.checks[-1]}
        try:
            self._states.start_execution(stateMachineArn=self._settings.state_machine, name=state.starting, input="{}")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
        self._s3.put_object(
            Bucket=self._settings.model_bucket,
            Key=f"audit/{state.starting}/1-drift.json",
            Body=msgspec.json.encode(told),
            ContentType="application/json",
        )
        done = msgspec.structs.replace(state, starting="", reasons=())
        kept.replace(done)
        return done


def _decided(state: DriftState) -> DriftState:
    latest = state.checks[-1]
    decision = decide(state.checks, state.last_retraining, latest.time)
    if not decision.retrain:
        return state
    name = f"drift-{datetime.fromtimestamp(latest.time // 1_000_000_000, UTC):%Y%m%d-%H%M%S}"
    return msgspec.structs.replace(state, last_retraining=latest.time, starting=name, reasons=decision.reasons)
