"""What stands in the second region: the lake's copy, and the vault of the copied backups."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.backups import lock_of, vault_name
from cdk.constructs.lake_replication import replica_bucket_name, replica_key_alias
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings
from tickwire.lake import TABLE


class ReplicaStack(Stack):
    """Stateful, and deployed before the stores, which name its bucket and its vault."""

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, **stack: Any) -> None:
        super().__init__(scope, id_, **stack)
        removal = removal_of(settings)
        key = kms.Key(
            self,
            "Key",
            alias=replica_key_alias(settings),
            description="Tickwire copies",
            enable_key_rotation=True,
            removal_policy=removal,
        )
        bucket = PrivateBucket(
            self,
            "Lake",
            key=key,
            removal_policy=removal,
            tiered=f"{TABLE}/data/",
            name=replica_bucket_name(self, settings),
        )
        if settings.governance.backups:
            backup.BackupVault(
                self,
                "Vault",
                backup_vault_name=vault_name(settings),
                encryption_key=key,
                lock_configuration=lock_of(settings),
                removal_policy=removal,
            )
        CfnOutput(self, "LakeReplicaBucket", value=bucket.bucket_name)
