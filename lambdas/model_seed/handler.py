"""Lambda behind the custom resource ``Custom::ModelEndpoint``."""

import json
import urllib.request
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from botocore.exceptions import WaiterError

from lambdas.delivery.aws import aws_client
from lambdas.delivery.settings import read_settings
from lambdas.model_seed.seed import Seed, create, delete

logger = Logger(service="model_seed")

_CONFIG = Config(connect_timeout=2, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})
_seed = read_settings(Seed)
_sagemaker = aws_client("sagemaker", config=_CONFIG)
_s3 = aws_client("s3", config=_CONFIG)
_ANSWER_SECONDS = 30


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Do what CloudFormation asks, and tell it how that went.

    Raises
    ------
    WaiterError
        If the endpoint is still being made when the function's time ends: Lambda then invokes it again with
        the same event, and CloudFormation waits for an hour.
    """
    failure = None
    try:
        if event["RequestType"] == "Create":
            create(_seed, sagemaker=_sagemaker, s3=_s3)
        elif event["RequestType"] == "Delete":
            delete(_seed, sagemaker=_sagemaker)
        # An update changes nothing: the endpoint belongs to the nightly state machine.
    except WaiterError as error:
        if "Max attempts exceeded" in str(error):
            raise
        logger.exception("the endpoint failed")
        failure = str(error)
    except Exception as error:
        # Whatever it is: without an answer CloudFormation would wait for an hour to say less.
        logger.exception("the request failed")
        failure = f"{type(error).__name__}: {error}"
    _answer(event, failure)


def _answer(event: dict[str, Any], failure: str | None) -> None:
    """Put the result where CloudFormation waits for it, a presigned address of S3."""
    body = {
        "Status": "SUCCESS" if failure is None else "FAILED",
        "Reason": failure or "",
        # The same for as long as the resource lives: another one would have CloudFormation delete the old.
        "PhysicalResourceId": _seed.endpoint,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    request = urllib.request.Request(  # noqa: S310 - CloudFormation gives the address, and it is https
        event["ResponseURL"], data=json.dumps(body).encode(), method="PUT", headers={"content-type": ""}
    )
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):  # noqa: S310
        pass
