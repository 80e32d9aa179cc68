"""Days of log retention, as the CDK's enumeration writes them."""

from aws_cdk import aws_logs as logs

_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


def retention_of(days: int) -> logs.RetentionDays:
    """Give CloudWatch's retention for a number of days: 1, 7, 14, 30, 90 or 365.

    Raises
    ------
    KeyError
        For any other number.
    """
    return _RETENTION[days]
