"""Lambda that the nightly state machine asks wherever a decision needs more than a comparison."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from lambdas.delivery.aws import aws_client
from lambdas.delivery.settings import read_settings
from lambdas.model_rollout.questions import RolloutSettings, answer

logger = Logger(service="model_rollout")

_settings = read_settings(RolloutSettings)
# A dataset is some megabytes; the state machine repeats what fails.
_s3 = aws_client("s3", config=Config(connect_timeout=2, read_timeout=30, retries={"mode": "standard"}))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one question; ``lambdas/model_rollout/questions.py`` has them.

    Raises
    ------
    UnknownQuestion
        If it is none of them. The state machine catches every error, and takes a challenger back.
    """
    answered = answer(event, settings=_settings, s3=_s3)
    logger.info("answered", question=event.get("question"), answer=answered)
    return answered
