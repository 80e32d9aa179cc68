"""An S3 bucket that nobody outside reads: encrypted, TLS only, versioned, no public access."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.grants import grant, grant_key

_TIERED_AFTER_DAYS = 30
_NO_ACCESS_LOG = (
    "The stage's trail records each access to an object, in a bucket with a key of ours and a lock; server access"
    " logs can have neither"
)


class PrivateBucket(s3.Bucket):
    """A bucket with the account's safest defaults.

    ``expire_after`` deletes objects of that age; None keeps them. Old versions go after a month
    and abandoned multi-part uploads after a day. ``tiered`` is a prefix below which objects move to
    Intelligent-Tiering after a month: it has no archive tier here, so every object can be read at once.
    ``lock`` keeps each object from being deleted or overwritten for a time. ``name`` is for who must
    know it before the bucket is there. ``ownership`` is for services that deliver by ACL.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        key: kms.IKey,
        removal_policy: RemovalPolicy,
        expire_after: Duration | None = None,
        ownership: s3.ObjectOwnership = s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        tiered: str | None = None,
        lock: s3.ObjectLockRetention | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            scope,
            id_,
            bucket_name=name,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            # One data key per bucket and not per object: a hundredth of the calls to KMS.
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=ownership,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=expire_after,
                    noncurrent_version_expiration=Duration.days(30),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                ),
                *([] if tiered is None else [_tiering(tiered)]),
            ],
            object_lock_default_retention=lock,
            removal_policy=removal_policy,
        )
        self._key = key
        acknowledge(self, {"AwsSolutions-S1": _NO_ACCESS_LOG})

    def grant_put_object(self, role: iam.IGrantable) -> None:
        """Let a role add objects, and neither read nor delete any: ``grant_put`` allows more than that."""
        grant(role, "s3:PutObject", on=self.arn_for_objects("*"))
        grant_key(role, self._key, "GenerateDataKey")

    def grant_get_object(self, role: iam.IGrantable) -> None:
        """Let a role read objects whose keys it knows."""
        grant(role, "s3:GetObject", on=self.arn_for_objects("*"))
        grant_key(role, self._key, "Decrypt")

    def grant_keep_objects(self, role: iam.IGrantable) -> None:
        """Let a role read, write in parts, delete and list objects, and not look at the bucket's settings."""
        grant(
            role,
            *("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"),
            on=self.arn_for_objects("*"),
        )
        grant(role, "s3:ListBucket", on=self.bucket_arn)
        grant_key(role, self._key, "Decrypt", "GenerateDataKey")


def _tiering(prefix: str) -> s3.LifecycleRule:
    transition = s3.Transition(
        storage_class=s3.StorageClass.INTELLIGENT_TIERING, transition_after=Duration.days(_TIERED_AFTER_DAYS)
    )
    return s3.LifecycleRule(prefix=prefix, transitions=[transition])
