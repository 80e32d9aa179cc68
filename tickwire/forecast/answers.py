"""What the two clients of the model's endpoint read alike: whose answer it is, and whose error.

The contract is that of :mod:`tickwire.model.requests`.
"""

from typing import Any

import msgspec
from botocore.exceptions import ClientError

MAX_ANSWER_BYTES = 1024 * 1024
FAILURES, OPEN_SECONDS = 3, 10.0
"""After so many failures in a row nothing is asked for so long."""


class Model(msgspec.Struct, frozen=True):
    """The model that answered, as every answer names it."""

    name: str
    version: str


def container_refusal(error: ClientError) -> str | None:
    """Give what the container said where it is the one that refuses; None where SageMaker failed, or the container did.

    API reference, InvokeEndpoint: ``ModelError`` hands on the container's own status, and 4xx of it does not pass.
    """
    status: Any = error.response.get("OriginalStatusCode", 0)
    if error.response.get("Error", {}).get("Code") != "ModelError" or not 400 <= status < 500:
        return None
    return f"{status}: {error.response.get('OriginalMessage', '')[:200]}"
