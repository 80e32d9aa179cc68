"""RDS Proxy: few connections of the database for many callers, with IAM from end to end."""

from aws_cdk import Stack, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from cdk.constructs.log_retention import new_log_group
from cdk.settings import StageSettings

_PORT = 5432


class DatabaseProxy(Construct):
    """Takes TLS and a token of IAM, and logs in to the database with one of its own.

    No secret is kept anywhere: what a caller may be at the proxy, the proxy may be at the database, and
    nobody else.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        cluster: rds.DatabaseCluster,
        vpc: ec2.IVpc,
        log_key: kms.IKey,
        settings: StageSettings,
    ) -> None:
        super().__init__(scope, id_)
        self._cluster = cluster
        self._users: set[str] = set()
        # RDS would make the log's group itself, without a key of ours and for ever; so the proxy has a name.
        log_group = new_log_group(
            self,
            "Logs",
            name=f"/aws/rds/proxy/{name}",
            settings=settings,
            key=log_key,
        )
        self.security_group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="RDS Proxy", allow_all_outbound=False
        )
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("rds.amazonaws.com"))
        self._proxy = rds.DatabaseProxy(
            self,
            "Proxy",
            db_proxy_name=name,
            proxy_target=rds.ProxyTarget.from_cluster(cluster),
            default_auth_scheme=rds.DefaultAuthScheme.IAM_AUTH,
            iam_auth=True,
            require_tls=True,
            role=self._role,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[self.security_group],
        )
        self._proxy.node.add_dependency(log_group)
        # Everything else that is made carries them; CloudFormation's schema of a target group has none.
        for tag in ("application", "stage"):
            Tags.of(self._proxy.node.find_child("ProxyTargetGroup")).remove(tag, priority=300)

    @property
    def endpoint(self) -> str:
        """The host that callers connect to."""
        return self._proxy.endpoint

    def grant_login(self, role: iam.IGrantable, user: str) -> None:
        """Let a role log in as a role of the database at the proxy, and the proxy at the database."""
        self._proxy.grant_connect(role, user)
        if user not in self._users:
            self._users.add(user)
            self._role.add_to_policy(
                iam.PolicyStatement(
                    actions=["rds-db:connect"],
                    resources=[self._user_arn(user)],
                )
            )

    def _user_arn(self, user: str) -> str:
        stack = Stack.of(self)
        resource = f"{self._cluster.cluster_resource_identifier}/{user}"
        return f"arn:{stack.partition}:rds-db:{stack.region}:{stack.account}:dbuser:{resource}"
