"""The roles that SageMaker takes on: one that serves, one that trains and evaluates."""

from aws_cdk import Stack
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.private_bucket import PrivateBucket


class ModelRole(iam.Role):
    """What every container of SageMaker needs: its image, its log, an interface in our network, our key.

    Amazon SageMaker AI developer guide, "How to use SageMaker AI execution roles". Containers are isolated from the
    network; what SageMaker itself reads and writes for them goes through ours.

    Parameters
    ----------
    reads, writes
        Key prefixes of the bucket.
    logs
        Names of log groups, of which ``…/*`` stands for those that SageMaker makes.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        image: ecr_assets.DockerImageAsset,
        bucket: PrivateBucket,
        key: kms.IKey,
        reads: tuple[str, ...],
        writes: tuple[str, ...],
        logs: tuple[str, ...],
    ) -> None:
        super().__init__(scope, id_, assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        image.repository.grant_pull(self)
        self._allow("ReadObjects", ["s3:GetObject"], [bucket.arn_for_objects(f"{prefix}/*") for prefix in reads])
        self._allow("WriteObjects", ["s3:PutObject"], [bucket.arn_for_objects(f"{prefix}/*") for prefix in writes])
        # A prefix is listed before it is copied.
        self._allow("ListObjects", ["s3:ListBucket"], [bucket.bucket_arn])
        self._allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"], [key.key_arn])
        grant_volumes(self, key)
        stack = Stack.of(self)
        self._allow(
            "WriteLogs",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [stack.format_arn(service="logs", resource=f"log-group:{name}:*") for name in logs],
        )
        self.add_to_policy(
            iam.PolicyStatement(
                sid="NetworkInterfaces",
                actions=[
                    "ec2:CreateNetworkInterface",
                    "ec2:CreateNetworkInterfacePermission",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DeleteNetworkInterfacePermission",
                    "ec2:DescribeDhcpOptions",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcs",
                ],
                # SageMaker checks these before it has made the interface, and EC2's Describe actions know no resources.
                resources=["*"],
            )
        )
        self.add_to_policy(
            iam.PolicyStatement(
                sid="Metrics",
                actions=["cloudwatch:PutMetricData"],
                # Metrics have no ARN; the namespace is SageMaker's own.
                resources=["*"],
                conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
            )
        )
        acknowledge(
            self,
            {
                "AwsSolutions-IAM5[Resource::*]": "Registry tokens, interfaces to be made and metrics have no ARN",
                "AwsSolutions-IAM5[Resource::…/*]": "Objects below the prefixes that this role works on",
                "AwsSolutions-IAM5[Resource::…:*]": "The streams of its log groups",
            },
        )

    def _allow(self, sid: str, actions: list[str], resources: list[str]) -> None:
        self.add_to_policy(iam.PolicyStatement(sid=sid, actions=actions, resources=resources))


def grant_volumes(role: iam.IRole, key: kms.IKey) -> None:
    """Let a role hand a key to EC2, for the volumes of instances that SageMaker starts in its name."""
    role.add_to_principal_policy(
        iam.PolicyStatement(
            sid="EncryptVolumes",
            actions=["kms:CreateGrant"],
            resources=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
    )


def pass_to_sagemaker(role: iam.IRole, *passed: iam.IRole) -> None:
    """Let a role hand other roles to SageMaker, and to nothing else."""
    role.add_to_principal_policy(
        iam.PolicyStatement(
            sid="PassRoles",
            actions=["iam:PassRole"],
            resources=[one.role_arn for one in passed],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
    )
