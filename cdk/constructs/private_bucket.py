"""An S3 bucket that nobody outside reads: encrypted, TLS only, versioned, no public access."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.constructs.grants import grant, grant_key


class PrivateBucket(s3.Bucket):
    """A bucket with the account's safest defaults.

    ``expire_after`` deletes objects of that age; None keeps them. Old versions go after a month
    and abandoned multi-part uploads after a day. ``ownership`` is for services that deliver by ACL.
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
    ) -> None:
        super().__init__(
            scope,
            id_,
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
                )
            ],
            removal_policy=removal_policy,
        )
        self._key = key

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
