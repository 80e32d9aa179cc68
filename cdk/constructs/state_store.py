"""MemoryDB for Valkey: the durable home of every stage's state."""

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_memorydb as memorydb
from constructs import Construct

from cdk.constructs.alarm import new_alarm
from cdk.settings import StateStoreSettings

STAGES = "stages"
"""The user of who keeps its state there: validator and market."""
SIGNALS = "signals"
"""The user of who keeps the symbols' minutes beside its state."""
READERS = "readers"
"""The user of who looks at the states: the backfiller, and an audit."""
FILLERS = "fillers"
"""The user of who fills in minutes from the exchanges' histories: the backfiller."""

_KEYS, _MINUTES = "~tickwire:state:*", "~tickwire:minutes:*"
# What the library asks a cluster for when it connects.
_CONNECTING = "+cluster|slots +command +client|setinfo"
ACCESS = {
    # A save is a script, and a script may do what its caller may.
    STAGES: f"on {_KEYS} resetchannels -@all +eval +hget +hset +hmget {_CONNECTING}",
    SIGNALS: f"on {_KEYS} {_MINUTES} resetchannels -@all +eval +hget +hset +hmget +get +setrange +expire {_CONNECTING}",
    READERS: f"on {_KEYS} resetchannels -@all +hget +hmget {_CONNECTING}",
    FILLERS: f"on {_MINUTES} resetchannels -@all +eval +get +setrange +expire {_CONNECTING}",
}
"""What each user may do, as ACL SETUSER takes it: what the code calls, tested word by word, and no more."""

_PORT = 6379


class StateStore(Construct):
    """One shard, since a stage's compare-and-set touches one key and fits one node many times over.

    Reached by TLS from the security groups that are let in, by roles that may log in with a token of
    IAM, and by nobody else. With replicas its nodes stand in different zones.
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
        self._name = name
        self.security_group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="Valkey state store", allow_all_outbound=False
        )
        subnets = memorydb.CfnSubnetGroup(
            self,
            "Subnets",
            subnet_group_name=name,
            subnet_ids=vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED).subnet_ids,
        )
        users = [
            memorydb.CfnUser(
                self,
                f"{kind.capitalize()}User",
                user_name=f"{name}-{kind}",
                access_string=access,
                authentication_mode={"Type": "iam"},
            )
            for kind, access in ACCESS.items()
        ]
        access_list = memorydb.CfnACL(self, "AccessList", acl_name=name, user_names=[user.ref for user in users])
        self.cluster = memorydb.CfnCluster(
            self,
            "Cluster",
            cluster_name=name,
            engine="valkey",
            engine_version="7.2",
            node_type=settings.node_type,
            num_shards=1,
            num_replicas_per_shard=settings.replicas,
            acl_name=access_list.ref,
            tls_enabled=True,
            kms_key_id=key.key_arn,
            port=_PORT,
            subnet_group_name=subnets.ref,
            security_group_ids=[self.security_group.security_group_id],
            snapshot_retention_limit=snapshot_days,
            auto_minor_version_upgrade=True,
        )
        for resource in (*users, access_list, subnets, self.cluster):
            resource.apply_removal_policy(removal_policy)
        self._add_alarms()

    def url(self, user: str) -> str:
        """Give the address in the form of ``TICKWIRE_STATE_URL`` for a user; ``valkeys`` is Valkey over TLS.

        MemoryDB always speaks the cluster protocol: its address leads to any node, replicas included.
        """
        host = self.cluster.attr_cluster_endpoint_address
        return f"valkeys://{self._name}-{user}@{host}:{_PORT}/0?cluster=true&iam={self._name}"

    def grant_connect(self, role: iam.IGrantable, user: str) -> None:
        """Let a role log in as a user with a token of IAM."""
        stack = Stack.of(self)
        iam.Grant.add_to_principal(
            grantee=role,
            actions=["memorydb:Connect"],
            resource_arns=[
                stack.format_arn(
                    service="memorydb", resource=kind, resource_name=name, arn_format=ArnFormat.SLASH_RESOURCE_NAME
                )
                for kind, name in (("cluster", self._name), ("user", f"{self._name}-{user}"))
            ],
        ).assert_success()

    def allow_from(self, group: ec2.ISecurityGroup, description: str) -> None:
        """Let the holders of a security group reach the store."""
        self.security_group.add_ingress_rule(group, ec2.Port.tcp(_PORT), description)

    def open_to(self, group: ec2.SecurityGroup, description: str) -> None:
        """Let a later stack's security group reach the store, and no further; the rules stand in that stack."""
        group.connections.allow_to(self.security_group, ec2.Port.tcp(_PORT), description)

    def _add_alarms(self) -> None:
        new_alarm(
            self,
            "Memory",
            self._metric("DatabaseMemoryUsagePercentage"),
            runbook="state-store-memory",
            says="The state store has used over 80 % of its memory; full, it takes no more states",
            threshold=80,
        )
        new_alarm(
            self,
            "Cpu",
            self._metric("EngineCPUUtilization"),
            runbook="state-store-cpu",
            says="The state store's one thread has been over 80 % busy for a quarter of an hour",
            threshold=80,
        )
        # Nothing of ours is ever refused: it is a user's rights that lack something, or a stranger.
        for metric in ("AuthenticationFailures", "CommandAuthorizationFailures", "KeyAuthorizationFailures"):
            new_alarm(
                self,
                metric,
                self._metric(metric, statistic="Sum"),
                runbook="state-store-refusals",
                says=f"The state store refuses somebody ({metric})",
                threshold=0,
                periods=1,
            )

    def _metric(self, name: str, *, statistic: str = "Maximum") -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/MemoryDB",
            metric_name=name,
            dimensions_map={"ClusterName": self._name},
            period=Duration.minutes(5),
            statistic=statistic,
        )
