"""Lambda that runs at each deployment: brings the database up to the deployed schema."""

import json
from typing import Any

import boto3
import msgspec
import psycopg
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from psycopg.conninfo import make_conninfo

from lambdas.delivery.settings import read_settings
from lambdas.migrations.runner import apply

logger = Logger(service="migrations")


class Settings(msgspec.Struct, frozen=True):
    """Where the database is, and the ARN of its owner's login in Secrets Manager.

    Without a secret the address is used as it stands.
    """

    database_url: str
    database_secret: str = ""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    """Apply what is pending. A failure raises, so that the deployment fails with it."""
    settings = read_settings(Settings)
    address = make_conninfo(settings.database_url, **_owner(settings.database_secret))
    with psycopg.connect(address, connect_timeout=10) as connection:
        applied = apply(connection)
    logger.info("schema is up to date", applied=applied)
    return {"applied": applied}


def _owner(secret_arn: str) -> dict[str, str]:
    if not secret_arn:
        return {}
    secret = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=secret_arn)["SecretString"])
    return {"user": secret["username"], "password": secret["password"]}
