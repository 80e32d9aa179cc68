"""What stays: the lake, the database, the state of the stages, the clients' connections."""

from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.database import Database
from cdk.constructs.grants import grant, grant_items, grant_key
from cdk.constructs.lake_replication import LakeReplication
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.removal import removal_of
from cdk.constructs.state_store import StateStore
from cdk.settings import StageSettings
from tickwire.lake import TABLE

_STRING = dynamodb.AttributeType.STRING
_NUMBER = dynamodb.AttributeType.NUMBER


class DataStack(Stack):
    """Stateful: the stores, each encrypted with the stack's key."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        vpc: ec2.IVpc,
        log_key: kms.IKey,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        removal = removal_of(settings)
        self.key = kms.Key(self, "Key", description="Tickwire stores", enable_key_rotation=True, removal_policy=removal)
        self._settings = settings
        self._removal = removal

        # Iceberg never changes a data file, and who asks for old days can wait as little as for new ones. Its
        # metadata are small, read at every commit, and stay where they are.
        self.lake = PrivateBucket(self, "Lake", key=self.key, removal_policy=removal, tiered=f"{TABLE}/data/")
        if settings.lake.replica_region is not None:
            LakeReplication(self, "LakeReplication", lake=self.lake, key=self.key, settings=settings)
        self.query_results = PrivateBucket(
            self,
            "QueryResults",
            key=self.key,
            removal_policy=removal,
            expire_after=Duration.days(settings.analytics.results_days),
        )
        self.lake_database = f"tickwire_{settings.stage}"
        lake_database = glue.CfnDatabase(
            self,
            "LakeDatabase",
            catalog_id=self.account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=self.lake_database,
                description="Every trade, as Apache Iceberg tables",
                location_uri=f"s3://{self.lake.bucket_name}/",
            ),
        )
        lake_database.apply_removal_policy(removal)

        self.connections = self._new_table("Connections", ("connection_id", _STRING))
        self.subscriptions = self._new_table("Subscriptions", ("topic", _STRING), ("connection_id", _STRING))
        self.last_values = self._new_table("LastValues", ("item", _STRING), ("at", _NUMBER))
        # What was said in the last minutes, for clients that missed it.
        self.replay = self._new_table("Replay", ("log", _STRING), ("counter", _NUMBER))
        # Leases, budgets and members of the tasks.
        self.coordination = self._new_table("Coordination", ("id", _STRING), expires="expires_at")

        self.state = StateStore(
            self,
            "State",
            name=f"tickwire-{settings.stage}",
            settings=settings.state,
            vpc=vpc,
            key=self.key,
            snapshot_days=settings.database.backup_days if settings.protected else 1,
            removal_policy=removal,
        )
        self.database = Database(
            self,
            "Database",
            settings=settings,
            vpc=vpc,
            key=self.key,
            log_key=log_key,
            removal_policy=RemovalPolicy.SNAPSHOT if settings.protected else RemovalPolicy.DESTROY,
        )

        CfnOutput(self, "QueryResultsBucket", value=self.query_results.bucket_name)
        CfnOutput(self, "LakeBucket", value=self.lake.bucket_name)
        CfnOutput(self, "LakeDatabaseName", value=self.lake_database)
        CfnOutput(self, "ConnectionsTable", value=self.connections.table_name)
        CfnOutput(self, "SubscriptionsTable", value=self.subscriptions.table_name)
        CfnOutput(self, "LastValuesTable", value=self.last_values.table_name)
        CfnOutput(self, "ReplayTable", value=self.replay.table_name)
        CfnOutput(self, "CoordinationTable", value=self.coordination.table_name)

    def grant_lake_catalogue(self, role: iam.IGrantable) -> None:
        """Let a role create and commit to the tables of the lake's database, and read no other."""
        iam.Grant.add_to_principal(
            grantee=role,
            actions=[
                # pyiceberg creates what it needs without asking first whether it is there.
                "glue:CreateDatabase",
                "glue:GetDatabase",
                "glue:CreateTable",
                "glue:GetTable",
                "glue:UpdateTable",
            ],
            resource_arns=self.lake_catalogue_arns(),
        ).assert_success()

    def grant_lake_reading(self, role: iam.IGrantable) -> None:
        """Let a role read the tables of the lake's database: where they are, and what lies there."""
        iam.Grant.add_to_principal(
            grantee=role, actions=["glue:GetTable"], resource_arns=self.lake_catalogue_arns()
        ).assert_success()
        self.lake.grant_get_object(role)

    def grant_lake_maintenance(self, role: iam.IGrantable) -> None:
        """Let a role read the table, add data files to the lake and delete what nothing names.

        Not write metadata, without which nothing changes in a table.
        """
        iam.Grant.add_to_principal(
            grantee=role, actions=["glue:GetTable"], resource_arns=self.lake_catalogue_arns()
        ).assert_success()
        objects = self.lake.arn_for_objects
        for action, prefixes in {
            "s3:GetObject": ("trades/*", "maintenance/*"),
            "s3:PutObject": ("trades/data/*", "maintenance/*"),
            "s3:DeleteObject": ("trades/data/*", "trades/metadata/*"),
        }.items():
            iam.Grant.add_to_principal(
                grantee=role, actions=[action], resource_arns=[objects(prefix) for prefix in prefixes]
            ).assert_success()
        grant(role, "s3:ListBucket", on=self.lake.bucket_arn)
        grant_key(role, self.key, "Decrypt", "GenerateDataKey")

    @property
    def tables(self) -> list[dynamodb.Table]:
        """The tables of DynamoDB that are backed up.

        Not the replay log: it is of minutes, and of use to nobody once it could be brought back. Its point-in-time
        recovery is on all the same, at the price of its size, since AWS Config asks for it of every table.
        """
        return [self.connections, self.subscriptions, self.last_values, self.coordination]

    def grant_coordination(self, role: iam.IGrantable) -> None:
        """Let a role compare and set items of the coordination table, by their keys alone."""
        grant_items(role, self.coordination, "GetItem", "UpdateItem")

    def lake_catalogue_arns(self) -> list[str]:
        """Give the ARNs of the catalogue, the lake's database and its tables, which Glue asks for together."""
        return [
            self.format_arn(service="glue", resource="catalog"),
            self.format_arn(service="glue", resource="database", resource_name=self.lake_database),
            self.format_arn(service="glue", resource="table", resource_name=f"{self.lake_database}/*"),
        ]

    def _new_table(
        self,
        id_: str,
        partition: tuple[str, dynamodb.AttributeType],
        sort: tuple[str, dynamodb.AttributeType] | None = None,
        *,
        expires: str = "expires",
    ) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            id_,
            partition_key=dynamodb.Attribute(name=partition[0], type=partition[1]),
            sort_key=None if sort is None else dynamodb.Attribute(name=sort[0], type=sort[1]),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self.key,
            # Every row carries it: API Gateway does not promise a $disconnect, nor a task its last word.
            time_to_live_attribute=expires,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=self._settings.protected,
            removal_policy=self._removal,
        )
