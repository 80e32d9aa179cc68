"""How long logs are kept, and with which key."""

from typing import TypeGuard

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings

_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}
_FUNCTION = "AWS::Lambda::Function"


def retention_of(days: int) -> logs.RetentionDays:
    """Give CloudWatch's retention for a number of days: 1, 7, 14, 30, 90 or 365.

    Raises
    ------
    KeyError
        For any other number.
    """
    return _RETENTION[days]


def new_log_group(
    scope: Construct, id_: str, *, settings: StageSettings, key: kms.IKey, name: str | None = None
) -> logs.LogGroup:
    """Make a log group with the stage's retention, which stays where the stage's data are protected.

    ``name`` is for a service that writes to a name of its own; None leaves it to CloudFormation.
    """
    return logs.LogGroup(
        scope,
        id_,
        log_group_name=name,
        retention=retention_of(settings.log_retention_days),
        encryption_key=key,
        removal_policy=removal_of(settings),
    )


def keep_logs(stack: Stack, settings: StageSettings, key: kms.IKey) -> None:
    """Give a retention and a key to every log group of a stack that has none, and a log group to every function.

    The functions that the CDK makes for its custom resources take neither; without a log group that is
    made for them, Lambda makes one that keeps everything for ever.
    """
    for construct in stack.node.find_all():
        if isinstance(construct, logs.CfnLogGroup):
            construct.kms_key_id = construct.kms_key_id or key.key_arn
            construct.retention_in_days = construct.retention_in_days or settings.log_retention_days
        elif _is_bare_function(construct):
            group = new_log_group(construct, "Logs", settings=settings, key=key)
            construct.add_property_override("LoggingConfig.LogGroup", group.log_group_name)


def _is_bare_function(construct: object) -> TypeGuard[CfnResource]:
    """Tell the functions that are no more than a template's resource: all others have a log group by the CDK."""
    return (
        isinstance(construct, CfnResource)
        and construct.cfn_resource_type == _FUNCTION
        and not isinstance(construct, lambda_.CfnFunction)
    )
