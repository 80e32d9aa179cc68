"""AWS Config: what the stores look like, and whether that is still what the templates promise."""

from aws_cdk import Stack
from aws_cdk import aws_config as config
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.grants import grant, grant_key
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings

# What the rules are about, and what a change of would matter most; each kind costs by its changes.
_RECORDED = (
    "AWS::CloudTrail::Trail",
    "AWS::DynamoDB::Table",
    "AWS::EC2::SecurityGroup",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::Lambda::Function",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
)
# By what is promised: the rule of AWS that holds the account to it.
_RULES = {
    "BucketsAreEncrypted": config.ManagedRuleIdentifiers.S3_DEFAULT_ENCRYPTION_KMS,
    "BucketsAreNotPublic": config.ManagedRuleIdentifiers.S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED,
    "BucketsKeepVersions": config.ManagedRuleIdentifiers.S3_BUCKET_VERSIONING_ENABLED,
    "BucketsRefusePlainHttp": config.ManagedRuleIdentifiers.S3_BUCKET_SSL_REQUESTS_ONLY,
    "DatabaseKnowsIam": config.ManagedRuleIdentifiers.RDS_CLUSTER_IAM_AUTHENTICATION_ENABLED,
    "InstancesAreNotPublic": config.ManagedRuleIdentifiers.RDS_INSTANCE_PUBLIC_ACCESS_CHECK,
    "StreamsAreEncrypted": "KINESIS_STREAM_ENCRYPTED",
}
# These look once a day, and AWS lets no tag narrow what they look at.
_DAILY_RULES = {
    "KeysAreRotated": config.ManagedRuleIdentifiers.CMK_BACKING_KEY_ROTATION_ENABLED,
    "TablesCanBeRestored": config.ManagedRuleIdentifiers.DYNAMODB_PITR_ENABLED,
}
_IN_PRODUCTION = {
    "DatabaseIsNotDeleted": config.ManagedRuleIdentifiers.RDS_CLUSTER_DELETION_PROTECTION_ENABLED,
}


class ConfigurationRules(Construct):
    """A recorder of the kinds of resources that matter here, and rules, most of them over those with our tag.

    An account has one recorder a region. The bucket is not that of the audit: AWS Config delivers to
    none with a lock.
    """

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, key: kms.Key) -> None:
        super().__init__(scope, id_)
        removal = removal_of(settings)
        bucket = PrivateBucket(self, "History", key=key, removal_policy=removal)
        role = self._new_role(bucket, key)
        recorder = config.CfnConfigurationRecorder(
            self,
            "Recorder",
            role_arn=role.role_arn,
            recording_group=config.CfnConfigurationRecorder.RecordingGroupProperty(
                all_supported=False, include_global_resource_types=False, resource_types=list(_RECORDED)
            ),
        )
        channel = config.CfnDeliveryChannel(
            self, "Channel", s3_bucket_name=bucket.bucket_name, s3_kms_key_arn=key.key_arn
        )
        # Neither waits for the other: a recorder is there once it records, for which it needs the channel.
        recorder.node.add_dependency(role)
        channel.node.add_dependency(role, bucket)
        ours = config.RuleScope.from_tag("application", "tickwire")
        changes = _RULES | (_IN_PRODUCTION if settings.protected else {})
        for name, identifier in (changes | _DAILY_RULES).items():
            rule = config.ManagedRule(self, name, identifier=identifier, rule_scope=ours if name in changes else None)
            rule.node.add_dependency(recorder, channel)

    def _new_role(self, bucket: PrivateBucket, key: kms.Key) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("config.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWS_ConfigRole")],
        )
        prefix = f"AWSLogs/{Stack.of(self).account}/*"
        grant(role, "s3:PutObject", on=bucket.arn_for_objects(prefix))
        grant(role, "s3:GetBucketAcl", "s3:ListBucket", on=bucket.bucket_arn)
        grant_key(role, key, "Decrypt", "GenerateDataKey")
        acknowledge(
            role,
            {
                "AwsSolutions-IAM4[…AWS_ConfigRole]": "AWS keeps the list of what Config reads",
                "AwsSolutions-IAM5[Resource::…AWSLogs…]": "Config names its files itself",
            },
        )
        return role
