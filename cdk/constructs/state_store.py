"""MemoryDB for Valkey: the durable home of every stage's state."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_memorydb as memorydb
from constructs import Construct

from cdk.settings import StateStoreSettings

_PORT = 6379


class StateStore(Construct):
    """One shard, since a stage's compare-and-set touches one key and fits one node many times over.

    Reached by TLS from the security groups that are let in, and by nobody else.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        settings: StateStoreSettings,
        vpc: ec2.IVpc,
        key: kms.IKey,
        snapshot_days: int,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        self.security_group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="Valkey state store", allow_all_outbound=False
        )
        subnets = memorydb.CfnSubnetGroup(
            self,
            "Subnets",
            subnet_group_name=name,
            subnet_ids=vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED).subnet_ids,
        )
        self.cluster = memorydb.CfnCluster(
            self,
            "Cluster",
            cluster_name=name,
            engine="valkey",
            engine_version="7.2",
            node_type=settings.node_type,
            num_shards=1,
            num_replicas_per_shard=settings.replicas,
            acl_name="open-access",
            tls_enabled=True,
            kms_key_id=key.key_arn,
            port=_PORT,
            subnet_group_name=subnets.ref,
            security_group_ids=[self.security_group.security_group_id],
            snapshot_retention_limit=snapshot_days,
            auto_minor_version_upgrade=True,
        )
        for resource in (subnets, self.cluster):
            resource.apply_removal_policy(removal_policy)

    @property
    def url(self) -> str:
        """The address in the form of ``TICKWIRE_STATE_URL``; ``valkeys`` is Valkey over TLS.

        MemoryDB always speaks the cluster protocol: its address leads to any node, replicas included.
        """
        return f"valkeys://{self.cluster.attr_cluster_endpoint_address}:{_PORT}/0?cluster=true"

    def allow_from(self, group: ec2.ISecurityGroup, description: str) -> None:
        """Let the holders of a security group reach the store."""
        self.security_group.add_ingress_rule(group, ec2.Port.tcp(_PORT), description)

    def open_to(self, group: ec2.SecurityGroup, description: str) -> None:
        """Let a later stack's security group reach the store, and no further; the rules stand in that stack."""
        group.connections.allow_to(self.security_group, ec2.Port.tcp(_PORT), description)
