"""The last checks and the last training that drift started: one object, which only the one who read it replaces."""

from typing import Any

import msgspec
from botocore.exceptions import ClientError

from tickwire.errors import TickwireError
from tickwire.model.drift_check import CHECKS_IN_A_ROW, DriftReport

STATE_KEY = "drift/state.json"


class StateChanged(TickwireError):
    """Another check has replaced the state meanwhile; the next one goes on from there."""


class DriftState(msgspec.Struct, frozen=True):
    """Attributes
    ----------
    checks : the last three, oldest first
    last_retraining : ns UTC of the check that started the last training
    starting : name of an execution that is decided and may not have been started yet; empty if there is none
    reasons : for it
    """

    checks: tuple[DriftReport, ...] = ()
    last_retraining: int | None = None
    starting: str = ""
    reasons: tuple[str, ...] = ()

    def with_check(self, report: DriftReport) -> "DriftState":
        """Give the state after a check."""
        return msgspec.structs.replace(self, checks=(*self.checks, report)[-CHECKS_IN_A_ROW:])


class StateObject:
    """The object in the model's bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._tag = ""

    def read(self) -> DriftState:
        """Read the state; it is empty before the first check."""
        listed = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=STATE_KEY, MaxKeys=1)
        if not listed["KeyCount"]:
            self._tag = ""
            return DriftState()
        found = self._s3.get_object(Bucket=self._bucket, Key=STATE_KEY)
        self._tag = found["ETag"]
        return msgspec.json.decode(found["Body"].read(), type=DriftState)

    def replace(self, state: DriftState) -> None:
        """Put ``state`` in the place of what was read or put last.

        Raises
        ------
        StateChanged
            If it is no longer that.
        """
        condition = {"IfMatch": self._tag} if self._tag else {"IfNoneMatch": "*"}
        try:
            done = self._s3.put_object(
                Bucket=self._bucket,
                Key=STATE_KEY,
                Body=msgspec.json.encode(state),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            # 412 if it has been replaced, 409 if it is being replaced (S3 user guide, "Conditional writes").
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
                raise StateChanged(f"{STATE_KEY} has been replaced meanwhile") from error
            raise
        self._tag = done["ETag"]
