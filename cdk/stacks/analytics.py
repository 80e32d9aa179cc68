"""The lake after it is written: kept small and fast, and read by people."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from cdk.constructs.function_code import FunctionSource
from cdk.constructs.lake_maintenance import LakeMaintenance
from cdk.constructs.lake_readers import AnalystPolicy, BigQueryReader
from cdk.constructs.lake_workgroup import LakeWorkgroup
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.streams import StreamsStack


class AnalyticsStack(Stack):
    """Stateless: the lake is the data stack's, what is on its way to it the streams'."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        source: FunctionSource,
        foundation: FoundationStack,
        streams: StreamsStack,
        data: DataStack,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        maintenance = LakeMaintenance(
            self,
            "Maintenance",
            settings=settings,
            source=source,
            log_key=foundation.log_key,
            streams=streams,
            data=data,
        )
        workgroup = LakeWorkgroup(self, "Athena", settings=settings, data=data)
        analysts = AnalystPolicy(self, "Analysts", data=data, workgroup=workgroup.name)
        if settings.analytics.bigquery_identity is not None:
            BigQueryReader(
                self, "BigQuery", settings=settings, data=data, identity=settings.analytics.bigquery_identity
            )

        CfnOutput(self, "LakeMaintenanceFunction", value=maintenance.upkeep.function.function_name)
        CfnOutput(self, "AnalyticsWorkgroup", value=workgroup.name)
        CfnOutput(self, "AnalystPolicy", value=analysts.managed_policy_arn)
