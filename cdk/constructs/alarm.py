"""Alarms: made in one way, sent to one place, each with the page that says what to do."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct, IConstruct

from cdk.settings import StageSettings

_TOPIC_PREFIX = "tickwire:alarm-topics"
_RUNBOOKS = "tickwire:runbooks"
_RUNBOOK = "tickwire:runbook"

Comparison = cloudwatch.ComparisonOperator
Missing = cloudwatch.TreatMissingData


def configure_alarms(app: IConstruct, settings: StageSettings) -> None:
    """Say, before the first stack is made, where the alarms of an application go."""
    app.node.set_context(_TOPIC_PREFIX, f"tickwire-{settings.stage}")
    app.node.set_context(_RUNBOOKS, settings.alarms.runbooks_url.rstrip("/"))


def topic_name(scope: IConstruct, *, urgent: bool) -> str:
    """Give the name of the stage's topic for alarms, or for those that page somebody.

    The topics have names of ours, the same in each region: so an alarm finds its topic without an
    export from one stack to another, which would tie every stack to the topics' own.
    """
    prefix = scope.node.try_get_context(_TOPIC_PREFIX)
    return f"{prefix}-{'pages' if urgent else 'alarms'}"


def runbook_link(scope: IConstruct, runbook: str) -> str:
    """Give the address of a page of ``docs/runbooks``, by the stem of its file's name."""
    return f"{scope.node.try_get_context(_RUNBOOKS)}/{runbook}.md"


def send(alarm: cloudwatch.AlarmBase, *, urgent: bool) -> None:
    """Send an alarm to the stage's topic, when it is raised and when it is over."""
    stack = Stack.of(alarm)
    arn = stack.format_arn(
        service="sns", resource=topic_name(alarm, urgent=urgent), arn_format=ArnFormat.NO_RESOURCE_NAME
    )
    action = actions.SnsAction(sns.Topic.from_topic_arn(alarm, "Topic", arn))
    alarm.add_alarm_action(action)
    alarm.add_ok_action(action)


def new_alarm(
    scope: Construct,
    id_: str,
    metric: cloudwatch.IMetric,
    *,
    runbook: str,
    says: str,
    threshold: float,
    comparison: cloudwatch.ComparisonOperator = Comparison.GREATER_THAN_THRESHOLD,
    periods: int = 3,
    datapoints: int | None = None,
    missing: cloudwatch.TreatMissingData = Missing.NOT_BREACHING,
    urgent: bool = False,
) -> cloudwatch.Alarm:
    """Make an alarm on a metric and send it to the stage's topic.

    Parameters
    ----------
    runbook
        The stem of a page of ``docs/runbooks``; its address is part of the alarm's description.
    says
        One sentence on what is wrong, for who is woken by it.
    threshold
        In the unit of the metric.
    periods, datapoints
        Of the last ``periods`` values, ``datapoints`` (None: all of them) must be beyond the threshold.
    missing
        What a period without a value counts as.
    urgent
        Whether this alarm pages somebody by itself, as where :func:`new_page` cannot reach it: in another region.
    """
    alarm = cloudwatch.Alarm(
        scope,
        id_,
        metric=metric,
        alarm_description=_description(scope, says, runbook),
        threshold=threshold,
        evaluation_periods=periods,
        datapoints_to_alarm=datapoints,
        comparison_operator=comparison,
        treat_missing_data=missing,
    )
    alarm.node.add_metadata(_RUNBOOK, runbook)
    send(alarm, urgent=urgent)
    return alarm


def new_anomaly_alarm(
    scope: Construct,
    id_: str,
    metric: cloudwatch.IMetric,
    *,
    runbook: str,
    says: str,
    comparison: cloudwatch.ComparisonOperator,
    deviations: float = 4,
    periods: int = 3,
) -> cloudwatch.Alarm:
    """Make an alarm on a metric that leaves the band in which it was at this hour of this weekday before.

    For what has no threshold that holds by day and by night. CloudWatch learns the band from up to two
    weeks of values, and says nothing before it has learnt. The other parameters are as in :func:`new_alarm`.

    Parameters
    ----------
    comparison
        Which side of the band is wrong: ``LESS_THAN_LOWER_THRESHOLD`` or ``GREATER_THAN_UPPER_THRESHOLD``.
    deviations
        Half the width of the band, in standard deviations.
    """
    alarm = cloudwatch.AnomalyDetectionAlarm(
        scope,
        id_,
        metric=metric,
        alarm_description=_description(scope, says, runbook),
        comparison_operator=comparison,
        std_devs=deviations,
        evaluation_periods=periods,
        treat_missing_data=Missing.NOT_BREACHING,
    )
    alarm.node.add_metadata(_RUNBOOK, runbook)
    send(alarm, urgent=False)
    return alarm


def new_page(
    scope: Construct, id_: str, alarms: Collection[cloudwatch.IAlarm], *, runbook: str, says: str
) -> cloudwatch.CompositeAlarm:
    """Page somebody once while any of the alarms stands, however many of them do."""
    rules = [cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM) for alarm in alarms]
    page = cloudwatch.CompositeAlarm(
        scope,
        id_,
        alarm_rule=cloudwatch.AlarmRule.any_of(*rules),
        alarm_description=_description(scope, says, runbook),
    )
    send(page, urgent=True)
    return page


class Watched(NamedTuple):
    """An alarm and the stem of its runbook, None for one that is made of other alarms."""

    alarm: cloudwatch.AlarmBase
    runbook: str | None


def alarms_in(scope: IConstruct) -> Iterator[Watched]:
    """Give the alarms that have been made so far at and below a construct."""
    for construct in scope.node.find_all():
        if isinstance(construct, cloudwatch.AlarmBase):
            runbooks = [str(entry.data) for entry in construct.node.metadata if entry.type == _RUNBOOK]
            yield Watched(construct, runbooks[0] if runbooks else None)


def _description(scope: IConstruct, says: str, runbook: str) -> str:
    return f"{says}. Runbook: {runbook_link(scope, runbook)}"
