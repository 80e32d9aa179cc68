"""A function whose new version gets its calls by and by."""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_lambda as lambda_

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.service_function import ServiceFunction


def shift_gradually(function: ServiceFunction, *alarms: cloudwatch.IAlarm) -> lambda_.Alias:
    """Give the alias to call: a new version gets a tenth of the calls for five minutes, then all.

    It goes back to the old one if the function's alarm on errors, or one of ``alarms``, is raised meanwhile.

    For functions that answer requests, and never for those that read a stream. There, two versions would
    write one partition's state in turns, and the older may not be able to read what the newer wrote; a version that
    fails stops the shard for both; and what it did to a tenth of the records cannot be taken back by sending the
    next ones elsewhere. A stream function changes between two batches, and its records wait if it fails.
    """
    watched: Sequence[cloudwatch.IAlarm] = [function.errors, *alarms]
    alias = lambda_.Alias(function, "Live", alias_name="live", version=function.function.current_version)
    group = codedeploy.LambdaDeploymentGroup(
        function,
        "Shift",
        alias=alias,
        deployment_config=codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_5_MINUTES,
        alarms=watched,
        auto_rollback=codedeploy.AutoRollbackConfig(
            failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
        ),
    )
    acknowledge(
        group,
        {"AwsSolutions-IAM4…": "AWS' own policy for CodeDeploy and Lambda; it changes with what CodeDeploy calls"},
    )
    return alias
