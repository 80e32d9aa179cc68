"""The few kinds of widgets that the pages are made of, on CloudWatch's grid of 24 columns."""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch

COLUMNS = 24
_HEIGHT = 6

Row = Sequence[cloudwatch.IWidget]
Page = Sequence[Row]


def graph(
    title: str,
    *left: cloudwatch.IMetric,
    right: Sequence[cloudwatch.IMetric] = (),
    unit: str = "",
    right_unit: str = "",
    limit: float | None = None,
    stacked: bool = False,
    width: int = 8,
) -> cloudwatch.GraphWidget:
    """Draw metrics over time, from zero up.

    Parameters
    ----------
    unit, right_unit
        What stands beside the axes.
    limit
        Drawn as a line, where an alarm is raised or a promise ends.
    """
    return cloudwatch.GraphWidget(
        title=title,
        left=list(left),
        right=list(right),
        left_y_axis=cloudwatch.YAxisProps(min=0, label=unit, show_units=False),
        right_y_axis=cloudwatch.YAxisProps(min=0, label=right_unit, show_units=False) if right else None,
        left_annotations=[] if limit is None else [cloudwatch.HorizontalAnnotation(value=limit, color="#d62728")],
        stacked=stacked,
        width=width,
        height=_HEIGHT,
    )


def numbers(title: str, *metrics: cloudwatch.IMetric, width: int = 8) -> cloudwatch.SingleValueWidget:
    """Show the newest values, each with its course behind it."""
    return cloudwatch.SingleValueWidget(title=title, metrics=list(metrics), sparkline=True, width=width, height=4)


def alarms(title: str, some: Sequence[cloudwatch.IAlarm], *, height: int) -> cloudwatch.AlarmStatusWidget:
    """Show the states of alarms, those that stand first."""
    return cloudwatch.AlarmStatusWidget(
        title=title,
        alarms=list(some),
        sort_by=cloudwatch.AlarmStatusWidgetSortBy.STATE_UPDATED_TIMESTAMP,
        width=COLUMNS,
        height=height,
    )


def note(text: str, *, height: int = 2) -> cloudwatch.TextWidget:
    """Say something, in Markdown."""
    return cloudwatch.TextWidget(markdown=text, width=COLUMNS, height=height)
