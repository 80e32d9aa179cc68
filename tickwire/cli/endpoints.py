"""Where a command finds the platform: the one that runs on this machine, or the one that the environment names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from tickwire.cli.output import CommandError


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses and names of one platform; what is unknown is None.

    Attributes
    ----------
    endpoint_url : the local platform's address of all AWS services; None elsewhere, where ``AWS_ENDPOINT_URL``,
        ``AWS_ENDPOINT_URL_S3`` and the like decide, as for every other client
    database_url : ``postgresql://`` address
    state_url : ``valkey://`` address of the stages' state
    raw_stream : Kinesis stream of RAW records
    partitions : number of logical partitions
    frames_dlq_url : SQS queue of unreadable frames
    lake_bucket, lake_database : S3 bucket and Glue database of the lake
    exchange_url : the local exchange; None where real ones are connected
    dead_letter_bucket : S3 bucket of dead letters' large bodies
    sagemaker_url : the local platform's address of SageMaker, whose emulator is another
    model_endpoint : SageMaker endpoint that predicts
    websocket_url : where clients of the WebSocket API connect
    page : the local platform's page, which gives tokens
    database_iam : log in to the database with a token of RDS in place of a password
    local : whether it is the platform of ``tickwire run`` on this machine
    """

    endpoint_url: str | None = None
    database_url: str | None = None
    state_url: str | None = None
    raw_stream: str | None = None
    partitions: int | None = None
    frames_dlq_url: str | None = None
    lake_bucket: str | None = None
    lake_database: str | None = None
    exchange_url: str | None = None
    dead_letter_bucket: str | None = None
    sagemaker_url: str | None = None
    model_endpoint: str | None = None
    websocket_url: str | None = None
    page: str | None = None
    database_iam: bool = False
    local: bool = False

    LOCAL_REGION: ClassVar[str] = "us-east-1"

    def require(self, name: str) -> Any:
        """Give the field of that name.

        Raises
        ------
        CommandError
            If it is unknown; the message says how to tell it.
        """
        value = getattr(self, name)
        if value is None:
            where = (
                "the platform that runs here did not tell it: start it again with this version of Tickwire"
                if self.local
                else f"set {_variable(name)}"
            )
            raise CommandError(f"{name} is not known; {where}")
        return value

    def aws_client(self, service: str) -> Any:
        """Make a client of an AWS service; for the local platform with the emulator's own credentials."""
        import botocore.session
        from botocore.config import Config

        local = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": self.LOCAL_REGION}
        return botocore.session.get_session().create_client(
            service,
            endpoint_url=self.sagemaker_url if service.startswith("sagemaker") else self.endpoint_url,
            config=Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3}),
            **(local if self.local else {"region_name": os.environ.get("AWS_REGION")}),
        )


class _Run(msgspec.Struct):
    """What a command takes from ``run.json``; other fields are for other readers."""

    pid: int
    endpoint_url: str
    database_url: str | None = None
    state_url: str | None = None
    raw_stream: str | None = None
    partitions: int | None = None
    frames_dlq_url: str | None = None
    lake_bucket: str | None = None
    lake_database: str | None = None
    exchange_url: str | None = None
    dead_letter_bucket: str | None = None
    sagemaker_url: str | None = None
    model_endpoint: str | None = None
    websocket_url: str | None = None
    page: str | None = None


def find_endpoints(folder: Path, environment: Mapping[str, str] = os.environ) -> Endpoints:
    """Find the platform that ``tickwire run`` started in ``folder``, else what ``TICKWIRE_*`` names.

    Raises
    ------
    CommandError
        If there is neither, or what is there cannot be read; the message says what to do.
    """
    running = _running(folder)
    if running is not None:
        found = msgspec.structs.asdict(running)
        del found["pid"]
        return Endpoints(**found, local=True)
    names = [field.name for field in fields(Endpoints) if field.name not in ("endpoint_url", "local")]
    values = {name: environment[_variable(name)] for name in names if environment.get(_variable(name))}
    if not values:
        raise CommandError(
            f"no platform to ask: none of `tickwire run` is running in {folder}; start one (or name its folder with"
            " --folder), or set TICKWIRE_DATABASE_URL and the other TICKWIRE_* variables of a deployed one"
        )
    return Endpoints(**_converted(values))


def _running(folder: Path) -> _Run | None:
    path = folder / "run" / "run.json"
    try:
        run = msgspec.json.decode(path.read_bytes(), type=_Run)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}; `tickwire run` is starting, or writes another version of it") from error
    try:
        os.kill(run.pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass  # it lives, and belongs to somebody else
    return run


def _converted(values: Mapping[str, str]) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for name, text in values.items():
        kind: Any = {"partitions": int, "database_iam": bool}.get(name, str)
        try:
            converted[name] = msgspec.convert(text, kind, strict=False)
        except msgspec.ValidationError as error:
            raise CommandError(f"{_variable(name)}={text!r}: {error}") from error
    return converted


def _variable(name: str) -> str:
    return f"TICKWIRE_{name.upper()}"
