"""Clients of AWS services, made by botocore alone: boto3 would add 0.2 s to a cold start for its S3 transfers.

Region, credentials and ``AWS_ENDPOINT_URL`` come from the environment, as with boto3.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config


def aws_client(service: str, *, config: Config, endpoint_url: str | None = None) -> Any:
    """Make a client of a service (``kinesis``, ``sqs``, ``dynamodb``, …), at its own endpoint unless one is given."""
    return aws_session().create_client(service, config=config, endpoint_url=endpoint_url)


@cache
def aws_session() -> Any:
    """Give botocore's session of this process, with its credentials and its region."""
    return botocore.session.get_session()
