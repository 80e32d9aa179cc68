"""The function that keeps the lake, and when it is called."""

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from cdk.constructs.acknowledge import ANY, acknowledge
from cdk.constructs.alarm import new_alarm
from cdk.constructs.grants import grant, grant_send_messages
from cdk.constructs.service_function import ServiceFunction
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.streams import StreamsStack

# UTC. By the hour, since what the committer has to do for a compaction grows with the day's small files; a call
# compacts what it can in a quarter of an hour, and the next one goes on from there.
_TIMES = {"compact": "cron(10 * * * ? *)", "sweep": "cron(40 6 * * ? *)"}


class LakeMaintenance(Construct):
    """Compacts by the hour and removes orphans by night; alarms tell when the table is not compacted for all that."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        streams: StreamsStack,
        data: DataStack,
        **shared: Any,
    ) -> None:
        super().__init__(scope, id_)
        self.upkeep = ServiceFunction(
            self,
            "Upkeep",
            name="lake_maintenance",
            settings=settings,
            environment={
                "TICKWIRE_LAKE_BUCKET": data.lake.bucket_name,
                "TICKWIRE_LAKE_DATABASE": data.lake_database,
                "TICKWIRE_LAKE_COMMITS_QUEUE_URL": streams.lake_commits.queue_url,
                "TICKWIRE_ORPHAN_DAYS": str(settings.analytics.orphan_days),
            },
            given_up=streams.failed_maintenance,
            **shared,
        )
        data.grant_lake_maintenance(self.upkeep.function)
        acknowledge(
            self.upkeep.role,
            {
                f"AwsSolutions-IAM5[Resource::{ANY}Lake{ANY}/*]": "Files of the lake, whose names come and go",
                f"AwsSolutions-IAM5[Resource::{ANY}:table/{data.lake_database}/*]": "The tables of one database",
            },
        )
        grant_send_messages(self.upkeep.function, streams.lake_commits)
        caller = self._new_caller()
        for task, times in _TIMES.items():
            self._call(task, times, caller)
        self._alarm_on_what_is_left()

    def _new_caller(self) -> iam.Role:
        """Make the role of the schedules, which may call this function, and which no other account's can borrow."""
        role = iam.Role(
            self,
            "Caller",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
            ),
        )
        grant(role, "lambda:InvokeFunction", on=self.upkeep.function.function_arn)
        return role

    def _call(self, task: str, times: str, caller: iam.Role) -> None:
        schedule = scheduler.CfnSchedule(
            self,
            task.capitalize(),
            description=f"Tickwire: {task} the lake",
            schedule_expression=times,
            schedule_expression_timezone="UTC",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.upkeep.function.function_arn,
                role_arn=caller.role_arn,
                input=json.dumps({"task": task}),
                # The function's own queue has what failed in it; a call that never reached it is made the next hour.
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=3_600, maximum_retry_attempts=10
                ),
            ),
        )
        # Scheduler tries the role when it makes the schedule.
        schedule.node.add_dependency(caller)

    def _alarm_on_what_is_left(self) -> None:
        new_alarm(
            self,
            "NotCompacted",
            # The least of a day: what no call of it had time for.
            _metric("lake_maintenance", "CompactionsWaiting", "Minimum"),
            runbook="lake-not-compacted",
            says="For two days no call of the lake's compaction came to its end, and queries get slower",
            threshold=0,
            periods=2,
        )
        new_alarm(
            self,
            "CompactionsLeftOut",
            _metric("lake_committer", "CompactionsLeftOut", "Sum"),
            runbook="lake-not-compacted",
            says="For three days the committer has left compactions out, and queries get slower",
            threshold=0,
            periods=3,
        )


def _metric(service: str, name: str, statistic: str) -> cloudwatch.Metric:
    dimensions: Mapping[str, str] = {"service": service}
    return cloudwatch.Metric(
        namespace="Tickwire", metric_name=name, dimensions_map=dimensions, period=Duration.days(1), statistic=statistic
    )
