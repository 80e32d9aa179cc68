"""The HTTP API's function for readers; its routes are in the modules ``*_routes``."""

from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer
from botocore.config import Config

from lambdas.delivery.aws import aws_client
from lambdas.delivery.settings import read_settings
from lambdas.identity.tickets import Tickets
from lambdas.postgres.database import Database, DatabaseSettings, connect_for_reading
from lambdas.rest_api import conclusion_routes, market_routes, risk_routes, service_routes
from lambdas.rest_api.application import Application
from lambdas.rest_api.latest import LatestIndicators


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment, beside the database's."""

    tickets_table: str
    last_values_table: str


logger = Logger()
metrics = Metrics(namespace="Tickwire")
tracer = Tracer(patch_modules=["botocore"])
app = Application(logger=logger, metrics=metrics)

_settings = read_settings(DatabaseSettings)
database = Database(lambda: connect_for_reading(_settings))
_tables = read_settings(FunctionSettings)
_dynamodb = aws_client("dynamodb", config=Config(connect_timeout=1, read_timeout=3))
tickets = Tickets(_dynamodb, _tables.tickets_table)
indicators = LatestIndicators(_dynamodb, _tables.last_values_table)

service_routes.add_routes(app, database=database, tickets=tickets)
market_routes.add_routes(app, database=database)
conclusion_routes.add_routes(app, database=database, indicators=indicators)
risk_routes.add_routes(app, database=database)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of the HTTP API."""
    return app.resolve(event, context)
