"""Athena for the lake: a workgroup that bounds what a query may do, and the named queries in it."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_athena as athena
from constructs import Construct

from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from tickwire.analytics.named_queries import named_queries

_GIGABYTE = 1_000_000_000
RESULTS_PREFIX = "results/"


class LakeWorkgroup(Construct):
    """The workgroup's settings hold whatever a client says: where results go, their key, how much is read."""

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, data: DataStack) -> None:
        super().__init__(scope, id_)
        # Athena makes up no names, and a client must know this one.
        self.name = f"tickwire-{settings.stage}"
        workgroup = athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=self.name,
            description="Tickwire: questions to the lake",
            # Queries and their history are no data of ours; without it, a workgroup with queries cannot be deleted.
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=settings.analytics.scan_gigabytes * _GIGABYTE,
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=data.query_results.s3_url_for_object(RESULTS_PREFIX),
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=data.key.key_arn
                    ),
                ),
            ),
        )
        workgroup.apply_removal_policy(RemovalPolicy.DESTROY)
        for query in named_queries().values():
            stored = athena.CfnNamedQuery(
                self,
                "".join(word.capitalize() for word in query.name.split("_")),
                name=query.name,
                description=query.answers,
                database=data.lake_database,
                query_string=query.sql(),
                work_group=self.name,
            )
            stored.add_resource_dependency(workgroup)
