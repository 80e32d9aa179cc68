"""Aurora PostgreSQL Serverless v2 with logins by IAM, watched, and with a proxy for callers who come and go."""

from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.database_alarms import add_database_alarms
from cdk.constructs.database_proxy import DatabaseProxy
from cdk.constructs.log_retention import new_log_group
from cdk.settings import StageSettings

NAME = "tickwire"
# Created by the migrations; it may log in by IAM alone and owns no table.
WRITER = "tickwire_writer"
# As above; it sees the requests for bars alone.
BACKFILLER = "tickwire_backfiller"
# As above; it reads what clients may know.
READER = "tickwire_reader"
OPERATOR = "tickwire_operator"
PORT = 5432
_OWNER = "tickwire_owner"
_PARAMETERS = {
    "rds.force_ssl": "1",
    "log_lock_waits": "1",
    "log_min_duration_statement": "1000",
}


class Database(Construct):
    """The cluster, reached by TLS from the security groups that are let in.

    The owner's password is RDS' own: it keeps it in Secrets Manager under our key and changes it every
    seven days, without a function of ours that would need a way to Secrets Manager and the database.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        vpc: ec2.IVpc,
        key: kms.IKey,
        log_key: kms.IKey,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        self._key = key
        self.security_group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="PostgreSQL cluster", allow_all_outbound=False
        )
        # RDS would make the log's group itself, without a key of ours and for ever; so the cluster has a name.
        identifier = f"tickwire-{settings.stage}"
        log_group = new_log_group(
            self,
            "Logs",
            name=f"/aws/rds/cluster/{identifier}/postgresql",
            settings=settings,
            key=log_key,
        )
        engine = rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_18_4)
        zones = vpc.availability_zones
        insights: dict[str, Any] = {
            "enable_performance_insights": True,
            "performance_insight_encryption_key": key,
            "performance_insight_retention": rds.PerformanceInsightRetention.DEFAULT,
        }
        self.cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            cluster_identifier=identifier,
            engine=engine,
            default_database_name=NAME,
            manage_master_user_password=True,
            credentials=rds.Credentials.from_username(_OWNER, encryption_key=key),
            writer=rds.ClusterInstance.serverless_v2("Writer", availability_zone=zones[0], **insights),
            readers=[
                # Scaled with the writer, so that it can take its place at once, and in another zone.
                rds.ClusterInstance.serverless_v2(
                    f"Reader{number}", scale_with_writer=True, availability_zone=zones[number % len(zones)], **insights
                )
                for number in range(1, settings.database.readers + 1)
            ],
            serverless_v2_min_capacity=settings.database.min_capacity,
            serverless_v2_max_capacity=settings.database.max_capacity,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[self.security_group],
            iam_authentication=True,
            storage_encrypted=True,
            storage_encryption_key=key,
            parameter_group=rds.ParameterGroup(self, "Parameters", engine=engine, parameters=_PARAMETERS),
            backup=rds.BackupProps(retention=Duration.days(settings.database.backup_days)),
            cloudwatch_logs_exports=["postgresql"],
            database_insights_mode=rds.DatabaseInsightsMode.STANDARD,
            **insights,
            enable_cluster_level_enhanced_monitoring=True,
            monitoring_interval=Duration.seconds(60),
            auto_minor_version_upgrade=True,
            copy_tags_to_snapshot=True,
            deletion_protection=settings.protected,
            removal_policy=removal_policy,
        )
        self.cluster.node.add_dependency(log_group)
        self.proxy = (
            DatabaseProxy(
                self,
                "Proxy",
                name=identifier,
                cluster=self.cluster,
                vpc=vpc,
                log_key=log_key,
                settings=settings,
            )
            if settings.database.proxy
            else None
        )
        add_database_alarms(self, self.cluster, settings.database)
        acknowledge(
            self.cluster, {"AwsSolutions-IAM4[…AmazonRDSEnhancedMonitoringRole]": "RDS' own, for its agent's log"}
        )
        if not settings.protected:
            acknowledge(self.cluster, {"AwsSolutions-RDS10": "The stage can be deleted with all that it holds"})

    @property
    def writer_url(self) -> str:
        """The address in the form of ``TICKWIRE_DATABASE_URL``, for the role that writes."""
        return self.url(WRITER)

    def url(self, user: str) -> str:
        """Give the address in the form of ``TICKWIRE_DATABASE_URL`` for a role of the database."""
        return _url(user, self.cluster.cluster_endpoint.hostname)

    def proxy_url(self, user: str) -> str:
        """Give the proxy's address for a role of the database, or the cluster's where the stage has no proxy.

        For callers that open many connections and hold them shortly. A session that changes settings or
        copies is pinned to a connection of the database, so the writers go past it; and prepared
        statements have to be off (``prepare_threshold=None``).
        """
        return self.url(user) if self.proxy is None else _url(user, self.proxy.endpoint)

    @property
    def owner_secret_arn(self) -> str:
        """The login of the owner, which RDS keeps and only the migrations use."""
        secret = self.cluster.secret
        if secret is None:
            raise RuntimeError("the cluster was made without a managed login")
        return secret.secret_arn

    def allow_from(self, group: ec2.ISecurityGroup, description: str) -> None:
        """Let the holders of a security group reach the cluster."""
        self.security_group.add_ingress_rule(group, ec2.Port.tcp(PORT), description)

    def open_to(self, group: ec2.SecurityGroup, description: str) -> None:
        """Let a later stack's security group reach the cluster, and no further; the rules stand in that stack."""
        group.connections.allow_to(self.security_group, ec2.Port.tcp(PORT), description)

    def open_proxy_to(self, group: ec2.SecurityGroup, description: str) -> None:
        """Let a later stack's security group reach what :meth:`proxy_url` names; the rules stand in that stack."""
        target = self.security_group if self.proxy is None else self.proxy.security_group
        group.connections.allow_to(target, ec2.Port.tcp(PORT), description)

    def grant_login(self, role: iam.IGrantable, user: str = WRITER) -> None:
        """Let a role log in as a role of the database with a token of IAM."""
        self.cluster.grant_connect(role, user)

    def grant_proxy_login(self, role: iam.IGrantable, user: str) -> None:
        """Let a role log in as a role of the database at what :meth:`proxy_url` names."""
        if self.proxy is None:
            self.grant_login(role, user)
        else:
            self.proxy.grant_login(role, user)

    def grant_owner(self, role: iam.IGrantable) -> None:
        """Let a role read the owner's login.

        By the role's own policy: ``ISecret.grant_read`` would name the role in the policy of the
        key, whose stack may not depend on the role's.
        """
        iam.Grant.add_to_principal(
            grantee=role,
            actions=["secretsmanager:GetSecretValue"],
            resource_arns=[self.owner_secret_arn],
        ).assert_success()
        self._key.grant_decrypt(role)


def _url(user: str, host: str) -> str:
    return f"postgresql://{user}@{host}:{PORT}/{NAME}?sslmode=require"
