"""Clients of AWS services, made by botocore alone: boto3 would add 0.2 s to a cold start for its S3 transfers.

Region, credentials and ``AWS_ENDPOINT_URL`` come from the environment, as with boto3.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config


def aws_client(service: str, *, config: Config) -> Any:
    """Make a client of a service (``kinesis``, ``sqs``, ``dynamodb``, …)."""
    return _session().create_client(service, config=config)


@cache
def _session() -> Any:
    return botocore.session.get_session()
