"""Where an event-source mapping leaves what it gave up, with the right to leave it and no more."""

import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3


@jsii.implements(lambda_.IEventSourceDlq)
class WriteOnlyBucket:
    """An S3 on-failure destination.

    The CDK's own ``S3OnFailureDestination`` lets the function read and delete what is there. Lambda
    needs ``PutObject`` and ``ListBucket`` (Lambda developer guide, "Configuring destinations for
    failed invocations").
    """

    def __init__(self, bucket: s3.IBucket) -> None:
        self._bucket = bucket

    def bind(
        self, target: lambda_.IEventSourceMapping, target_handler: lambda_.IFunction
    ) -> lambda_.DlqDestinationConfig:
        """Grant the function's role what the mapping does in its name."""
        iam.Grant.add_to_principal(
            grantee=target_handler,
            actions=["s3:PutObject"],
            resource_arns=[self._bucket.arn_for_objects("*")],
        ).assert_success()
        iam.Grant.add_to_principal(
            grantee=target_handler, actions=["s3:ListBucket"], resource_arns=[self._bucket.bucket_arn]
        ).assert_success()
        if self._bucket.encryption_key is not None:
            self._bucket.encryption_key.grant_encrypt(target_handler)
        return lambda_.DlqDestinationConfig(destination=self._bucket.bucket_arn)
