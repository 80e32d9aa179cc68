"""Clients of AWS services, made by botocore alone: boto3 would add 0.2 s to a cold start for its S3 transfers.

Region, credentials and ``AWS_ENDPOINT_URL`` come from the environment, as with boto3.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config


def aws_client(service: str, *, config: Config, endpoint_url: str | None = None) -> Any:
    """Make a client of a service (``kinesis``, ``sqs``, ``dynamodb``, …), at its own endpoint unless one is given."""
    return _session().create_client(service, config=config, endpoint_url=endpoint_url)


@cache
def _session() -> Any:
    return botocore.session.get_session()
