"""Lambda of an hourly schedule."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from lambdas.delivery.aws import aws_client
from lambdas.delivery.settings import read_settings
from lambdas.model_drift.state import StateChanged
from lambdas.model_drift.watch import DriftSettings, Watch
from lambdas.postgres.database import Database, DatabaseSettings, connect_for_reading
from tickwire.model.drift_check import NoDriftCheck

logger = Logger(service="model_drift")
metrics = Metrics(namespace="Tickwire", service="model_drift")

_CONFIG = Config(connect_timeout=2, read_timeout=30, retries={"mode": "standard"})
_database_settings = read_settings(DatabaseSettings)
_watch = Watch(
    read_settings(DriftSettings),
    database=Database(lambda: connect_for_reading(_database_settings)),
    sagemaker=aws_client("sagemaker", config=_CONFIG),
    s3=aws_client("s3", config=_CONFIG),
    states=aws_client("stepfunctions", config=_CONFIG),
)


@logger.inject_lambda_context
@metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Check once, and publish how far the champion's world has moved. Without enough to compare there is no metric."""
    try:
        report = _watch.run(time.time_ns())
    except (NoDriftCheck, StateChanged) as error:
        logger.info("no check", reason=str(error))
        return
    metrics.add_metric(name="FeatureDrift", unit=MetricUnit.NoUnit, value=report.largest_psi(of_probability=False))
    metrics.add_metric(name="ScoreDrift", unit=MetricUnit.NoUnit, value=report.largest_psi(of_probability=True))
    metrics.add_metric(name="LossDrift", unit=MetricUnit.Count, value=int(report.loss_drifted))
    logger.info("checked", version=report.version, rows=report.rows, drift=report.reasons())
