"""An S3 bucket that nobody outside reads: encrypted, TLS only, versioned, no public access."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct


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
        self._grant(role, "s3:PutObject")
        self._key.grant_encrypt(role)

    def grant_get_object(self, role: iam.IGrantable) -> None:
        """Let a role read objects whose keys it knows."""
        self._grant(role, "s3:GetObject")
        self._key.grant_decrypt(role)

    def _grant(self, role: iam.IGrantable, action: str) -> None:
        iam.Grant.add_to_principal(
            grantee=role, actions=[action], resource_arns=[self.arn_for_objects("*")]
        ).assert_success()
