"""The HTTP API's function for operators; its routes are in the modules ``*_routes``."""

from functools import cache
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer

from lambdas.delivery.aws import aws_client
from lambdas.delivery.letter_bodies import LetterBodies
from lambdas.delivery.raw_stream import RawStream
from lambdas.delivery.retrying import CLIENT_CONFIG
from lambdas.delivery.settings import read_settings
from lambdas.operator_api import audit_routes, letter_routes
from lambdas.postgres.audit_log import AuditLog
from lambdas.postgres.database import Database, DatabaseSettings, connect_for_reading
from lambdas.rest_api.application import Application

PUT_SECONDS = 10.0
"""How long refused records are tried again: well within what API Gateway waits for an answer."""


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment, beside the database's."""

    dead_letter_bucket: str
    raw_stream: str
    partitions: int


logger = Logger()
metrics = Metrics(namespace="Tickwire")
tracer = Tracer(patch_modules=["botocore"])
app = Application(logger=logger, metrics=metrics)

_settings = read_settings(DatabaseSettings)
_places = read_settings(FunctionSettings)
# As readers connect, since it too goes by the proxy, which takes no options.
database = Database(lambda: connect_for_reading(_settings))
audit = AuditLog(database)
bodies = LetterBodies(aws_client("s3", config=CLIENT_CONFIG), bucket=_places.dead_letter_bucket)


@cache
def raw_stream() -> RawStream:
    """Give the stream; asked for only where something is sent."""
    client = aws_client("kinesis", config=CLIENT_CONFIG)
    return RawStream(client, stream=_places.raw_stream, partitions=_places.partitions, seconds=PUT_SECONDS)


letter_routes.add_routes(
    app, database=database, audit=audit, fetch=bodies.fetch, stream=raw_stream, partitions=_places.partitions
)
audit_routes.add_routes(app, database=database, audit=audit)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of an operator."""
    return app.resolve(event, context)
