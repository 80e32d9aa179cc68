"""Rights by the name of the call. The CDK's own ``grant_*`` give whole families of them.

Each also gives what the call needs of the key: of Kinesis and S3 a data key to write and Decrypt to read,
of SQS both to send (developer guides, "Key management" and "Data encryption").
"""

from aws_cdk import Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs


def grant(role: iam.IGrantable, *actions: str, on: str) -> None:
    """Let a role do ``actions`` on the resource whose ARN is ``on``, by the role's own policy."""
    iam.Grant.add_to_principal(grantee=role, actions=list(actions), resource_arns=[on]).assert_success()


def grant_key(role: iam.IGrantable, key: kms.IKey | None, *actions: str) -> None:
    """Let a role use a key; None is AWS's own, which asks nobody."""
    if key is not None:
        grant(role, *(f"kms:{action}" for action in actions), on=key.key_arn)


def grant_put_records(role: iam.IGrantable, stream: kinesis.IStream) -> None:
    """Let a role write records to a stream."""
    grant(role, "kinesis:PutRecords", on=stream.stream_arn)
    grant_key(role, stream.encryption_key, "GenerateDataKey")


def grant_send_messages(role: iam.IGrantable, queue: sqs.IQueue) -> None:
    """Let a role send messages to a queue whose address it knows."""
    grant(role, "sqs:SendMessage", on=queue.queue_arn)
    grant_key(role, queue.encryption_master_key, "Decrypt", "GenerateDataKey")


def grant_items(role: iam.IGrantable, table: dynamodb.ITable, *operations: str) -> None:
    """Let a role do some operations on a table's items: ``GetItem``, ``Query``, ….

    DynamoDB calls KMS in the caller's name, and says only that it needs the whole family of rights
    ("DynamoDB encryption at rest usage notes"); writing without Decrypt is refused (aws/aws-cdk#10010).
    """
    grant(role, *(f"dynamodb:{operation}" for operation in operations), on=table.table_arn)
    if table.encryption_key is not None:
        table.encryption_key.grant_encrypt_decrypt(role)


def grant_invoke_endpoint(role: iam.IGrantable, name: str) -> None:
    """Let a role ask the SageMaker endpoint of this name, in the role's own account and region.

    SageMaker reads what it captures and stores by its own role, so the caller needs no key.
    """
    stack = Stack.of(role.grant_principal)  # type: ignore[arg-type]
    grant(
        role,
        "sagemaker:InvokeEndpoint",
        on=stack.format_arn(service="sagemaker", resource="endpoint", resource_name=name),
    )


def feed_from_queue(
    function: lambda_.IFunction, id_: str, queue: sqs.IQueue, *, batch_size: int, window_seconds: int = 0
) -> None:
    """Have Lambda read a queue for a function, with the rights that this takes and no more.

    ``SqsEventSource`` lets the function hide messages and ask for the queue's address too.
    """
    function.add_event_source_mapping(
        id_,
        event_source_arn=queue.queue_arn,
        batch_size=batch_size,
        max_batching_window=Duration.seconds(window_seconds) if window_seconds else None,
        report_batch_item_failures=True,
    )
    grant(function, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", on=queue.queue_arn)
    grant_key(function, queue.encryption_master_key, "Decrypt")
