"""Where an event-source mapping leaves what it gave up, with the right to leave it and no more."""

import jsii
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from cdk.constructs.grants import grant, grant_key


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
        grant(target_handler, "s3:PutObject", on=self._bucket.arn_for_objects("*"))
        grant(target_handler, "s3:ListBucket", on=self._bucket.bucket_arn)
        grant_key(target_handler, self._bucket.encryption_key, "GenerateDataKey")
        return lambda_.DlqDestinationConfig(destination=self._bucket.bucket_arn)
