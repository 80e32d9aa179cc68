"""Objects of the emulator's S3, as files and back."""

from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.faults import invalid

MAX_OBJECT_BYTES = 1 << 30


@cache
def client(service: str) -> Any:
    """Make a client of a service at the emulator, which ``AWS_ENDPOINT_URL`` names."""
    config = Config(
        connect_timeout=5,
        read_timeout=70,
        retries={"mode": "standard", "total_max_attempts": 3},
        s3={"addressing_style": "path"},
    )
    return botocore.session.get_session().create_client(service, config=config)


def split(address: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket:
        raise invalid(f"{address!r} is no s3:// address")
    return bucket, key


def read(address: str) -> bytes:
    """Read one object.

    Raises
    ------
    ServiceError
        If it is not there, or has more than a GiB.
    """
    bucket, key = split(address)
    try:
        found = client("s3").get_object(Bucket=bucket, Key=key)
        if found["ContentLength"] > MAX_OBJECT_BYTES:
            raise invalid(f"{address} has {found['ContentLength']} bytes, and may have {MAX_OBJECT_BYTES}")
        body: bytes = found["Body"].read()
    except (ClientError, BotoCoreError) as error:
        raise invalid(f"Could not access model data at {address}: {error}") from error
    return body


def write(address: str, body: bytes) -> None:
    """Put one object."""
    bucket, key = split(address)
    client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def download(prefix: str, folder: Path) -> None:
    """Put what lies below a prefix into a folder, by what its keys have after the prefix's last slash."""
    bucket, key = split(prefix)
    folder.mkdir(parents=True, exist_ok=True)
    base = key.rpartition("/")[0]
    for part in client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
        for entry in part.get("Contents", []):
            path = (folder / entry["Key"].removeprefix(base).lstrip("/")).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise invalid(f"the key {entry['Key']!r} leads out of its folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(read(f"s3://{bucket}/{entry['Key']}"))


def upload(folder: Path, prefix: str) -> None:
    """Put the files of a folder below a prefix."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            write(f"{prefix.rstrip('/')}/{path.relative_to(folder).as_posix()}", path.read_bytes())
