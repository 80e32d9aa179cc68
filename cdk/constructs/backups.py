"""AWS Backup: a copy of every store that it can copy, each day, where who can delete the store cannot delete it."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.streams import StreamsStack

# Long enough that nobody notices a slow corruption too late, and that the lock means something.
_KEPT_DAYS = 35
_LOCKED_DAYS = 7
# How long the lock can still be taken off, which is the least that AWS allows.
_GRACE = Duration.days(3)
# Roles of AWS' own: they name what a backup of each kind of store takes, which grows with the service.
_POLICIES = (
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "AWSBackupServiceRolePolicyForS3Backup",
)


def vault_name(settings: StageSettings) -> str:
    """Give the name of a stage's vault, the same in each region."""
    return f"tickwire-{settings.stage}"


def lock_of(settings: StageSettings) -> backup.LockConfiguration | None:
    """Give the vault's lock, where the stage's data are protected; after three days nobody can take it off."""
    if not settings.protected:
        return None
    return backup.LockConfiguration(min_retention=Duration.days(_LOCKED_DAYS), changeable_for=_GRACE)


class Backups(Construct):
    """A plan, its vault and what it covers: database, tables, lake, and the bodies of dead letters.

    Beside the stores' own means, which reach any second of the last days (the database, the tables) or any
    version of a month (the buckets): a vault of its own survives the account's cluster or bucket being
    deleted with all of these. The state store is not among them: AWS Backup does not know MemoryDB, which
    takes its own snapshots.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        key: kms.IKey,
        data: DataStack,
        streams: StreamsStack,
    ) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        self.vault = backup.BackupVault(
            self,
            "Vault",
            backup_vault_name=vault_name(settings),
            encryption_key=key,
            lock_configuration=lock_of(settings),
            removal_policy=removal_of(settings),
        )
        copies = []
        if settings.lake.replica_region is not None:
            arn = (
                f"arn:{stack.partition}:backup:{settings.lake.replica_region}:{stack.account}"
                f":backup-vault:{vault_name(settings)}"
            )
            copies.append(
                backup.BackupPlanCopyActionProps(
                    destination_backup_vault=backup.BackupVault.from_backup_vault_arn(self, "Copies", arn),
                    delete_after=Duration.days(_KEPT_DAYS),
                )
            )
        plan = backup.BackupPlan(self, "Plan", backup_plan_name=vault_name(settings), backup_vault=self.vault)
        plan.add_rule(
            backup.BackupPlanRule(
                rule_name="daily",
                schedule_expression=events.Schedule.cron(hour="3", minute="0"),
                start_window=Duration.hours(1),
                completion_window=Duration.hours(8),
                delete_after=Duration.days(_KEPT_DAYS),
                copy_actions=copies or None,
            )
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("backup.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(name) for name in _POLICIES],
        )
        acknowledge(role, {"AwsSolutions-IAM4[…AWSBackupServiceRolePolicyFor…]": "AWS keeps the list of what it takes"})
        plan.add_selection(
            "Stores",
            role=role,
            # The role has S3's part already, and may not be given more by the CDK.
            disable_default_backup_policy=True,
            resources=[
                backup.BackupResource.from_rds_database_cluster(data.database.cluster),
                *(backup.BackupResource.from_dynamo_db_table(table) for table in data.tables),
                *(backup.BackupResource.from_arn(bucket.bucket_arn) for bucket in (data.lake, streams.dead_letters)),
            ],
        )
