"""Aurora PostgreSQL Serverless v2 with logins by IAM."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from cdk.settings import StageSettings

NAME = "tickwire"
# Created by the migrations; it may log in by IAM alone and owns no table.
WRITER = "tickwire_writer"
# As above; it sees the requests for bars alone.
BACKFILLER = "tickwire_backfiller"
# As above; it reads what clients may know.
READER = "tickwire_reader"
_PORT = 5432


class Database(Construct):
    """The cluster, reached by TLS from the security groups that are let in."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        vpc: ec2.IVpc,
        key: kms.IKey,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id_)
        self._key = key
        self.security_group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="PostgreSQL cluster", allow_all_outbound=False
        )
        engine = rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_18_4)
        self.cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            engine=engine,
            default_database_name=NAME,
            credentials=rds.Credentials.from_generated_secret("tickwire_owner", encryption_key=key),
            writer=rds.ClusterInstance.serverless_v2("Writer"),
            readers=[
                rds.ClusterInstance.serverless_v2(f"Reader{number}", scale_with_writer=True)
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
            parameter_group=rds.ParameterGroup(
                self,
                "Parameters",
                engine=engine,
                parameters={"rds.force_ssl": "1", "log_min_duration_statement": "1000"},
            ),
            backup=rds.BackupProps(retention=Duration.days(settings.database.backup_days)),
            cloudwatch_logs_exports=["postgresql"],
            copy_tags_to_snapshot=True,
            deletion_protection=settings.protected,
            removal_policy=removal_policy,
        )

    @property
    def writer_url(self) -> str:
        """The address in the form of ``TICKWIRE_DATABASE_URL``, for the role that writes."""
        return self.url(WRITER)

    def url(self, user: str) -> str:
        """Give the address in the form of ``TICKWIRE_DATABASE_URL`` for a role of the database."""
        return f"postgresql://{user}@{self.cluster.cluster_endpoint.hostname}:{_PORT}/{NAME}?sslmode=require"

    @property
    def owner_secret_arn(self) -> str:
        """The generated login of the owner, which only the migrations use."""
        secret = self.cluster.secret
        if secret is None:
            raise RuntimeError("the cluster was made without a generated login")
        return secret.secret_arn

    def allow_from(self, group: ec2.ISecurityGroup, description: str) -> None:
        """Let the holders of a security group reach the cluster."""
        self.security_group.add_ingress_rule(group, ec2.Port.tcp(_PORT), description)

    def open_to(self, group: ec2.SecurityGroup, description: str) -> None:
        """Let a later stack's security group reach the cluster, and no further; the rules stand in that stack."""
        group.connections.allow_to(self.security_group, ec2.Port.tcp(_PORT), description)

    def grant_login(self, role: iam.IGrantable, user: str = WRITER) -> None:
        """Let a role log in as a role of the database with a token of IAM."""
        self.cluster.grant_connect(role, user)

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
