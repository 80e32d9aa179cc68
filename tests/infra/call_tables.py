"""What static analysis cannot read in our own code: which rights AWS asks for a call, and what libraries call.

Sources: the Service Authorization Reference (https://docs.aws.amazon.com/service-authorization/) for the
operations whose right has another name than the operation; the libraries' own source for the rest.
"""

# By signing name of a botocore client: the service's prefix in policies, where it is another.
PREFIXES = {"monitoring": "cloudwatch"}

# Operations whose right is not ``prefix:Operation``.
OPERATIONS: dict[tuple[str, str], frozenset[str]] = {
    ("apigatewaymanagementapi", "DeleteConnection"): frozenset({"execute-api:ManageConnections"}),
    ("apigatewaymanagementapi", "GetConnection"): frozenset({"execute-api:ManageConnections"}),
    ("apigatewaymanagementapi", "PostToConnection"): frozenset({"execute-api:ManageConnections"}),
    ("dynamodb", "TransactGetItems"): frozenset({"dynamodb:GetItem"}),
    # Which of these it needs depends on what is in the transaction; name those in EXTRA_CALLS if fewer do.
    ("dynamodb", "TransactWriteItems"): frozenset({"dynamodb:PutItem", "dynamodb:UpdateItem"}),
    ("s3", "CopyObject"): frozenset({"s3:GetObject", "s3:PutObject"}),
    ("s3", "CreateMultipartUpload"): frozenset({"s3:PutObject"}),
    ("s3", "CompleteMultipartUpload"): frozenset({"s3:PutObject"}),
    ("s3", "DeleteObjects"): frozenset({"s3:DeleteObject"}),
    ("s3", "HeadBucket"): frozenset({"s3:ListBucket"}),
    ("s3", "HeadObject"): frozenset({"s3:GetObject"}),
    ("s3", "ListObjects"): frozenset({"s3:ListBucket"}),
    ("s3", "ListObjectsV2"): frozenset({"s3:ListBucket"}),
    ("s3", "UploadPart"): frozenset({"s3:PutObject"}),
    # The model takes on the role that it is given.
    ("sagemaker", "CreateModel"): frozenset({"sagemaker:CreateModel", "iam:PassRole"}),
    ("sqs", "ChangeMessageVisibilityBatch"): frozenset({"sqs:ChangeMessageVisibility"}),
    ("sqs", "DeleteMessageBatch"): frozenset({"sqs:DeleteMessage"}),
    ("sqs", "SendMessageBatch"): frozenset({"sqs:SendMessage"}),
    ("lambda", "Invoke"): frozenset({"lambda:InvokeFunction"}),
    ("sts", "GetCallerIdentity"): frozenset(),  # needs no right
}

# Methods of clients that are no operations of the service.
CLIENT_METHODS: dict[tuple[str, str], frozenset[str]] = {
    ("rds", "generate_db_auth_token"): frozenset({"rds-db:connect"}),
    ("s3", "download_file"): frozenset({"s3:GetObject"}),
    ("s3", "download_fileobj"): frozenset({"s3:GetObject"}),
    ("s3", "upload_file"): frozenset({"s3:PutObject", "s3:AbortMultipartUpload"}),
    ("s3", "upload_fileobj"): frozenset({"s3:PutObject", "s3:AbortMultipartUpload"}),
}

# Libraries that call AWS by themselves: (what is imported, the name used on what comes of it) → rights. It
# counts where both stand in code that is reached; ``tests/integration/test_library_calls.py`` watches them at it.
# So do those of our own that sign requests by hand.
#
# pyiceberg's files go through Arrow's S3 file system. It asks for a file's size before it reads, lists a
# name that is no object as it may be a folder, writes in parts, and makes the "folder" anew in which it
# has deleted a file.
_READS = frozenset({"s3:GetObject"})
_WRITES = frozenset({"s3:PutObject", "s3:AbortMultipartUpload"})
_DELETES = frozenset({"s3:GetObject", "s3:DeleteObject", "s3:ListBucket", "s3:PutObject"})
LIBRARIES: dict[tuple[str, str], frozenset[str]] = {
    ("lambdas.broadcaster.post_signer.PostSigner", "signed_headers"): frozenset({"execute-api:ManageConnections"}),
    # A token with which the state store is entered.
    ("botocore.auth.SigV4QueryAuth", "add_auth"): frozenset({"memorydb:Connect"}),
    ("pyiceberg.catalog.glue.GlueCatalog", "load_table"): frozenset({"glue:GetTable"}) | _READS,
    ("pyiceberg.catalog.glue.GlueCatalog", "create_namespace_if_not_exists"): frozenset({"glue:CreateDatabase"}),
    ("pyiceberg.catalog.glue.GlueCatalog", "create_table"): frozenset(
        # GetDatabase: whether it is one of S3 Tables.
        {"glue:CreateTable", "glue:GetDatabase", "glue:GetTable", "s3:ListBucket"}
    )
    | _READS
    | _WRITES,
    # Deletes the metadata files that ``write.metadata.delete-after-commit`` lets go, and manifests of a lost commit.
    ("pyiceberg.catalog.glue.GlueCatalog", "transaction"): frozenset(
        {"glue:GetDatabase", "glue:GetTable", "glue:UpdateTable"}
    )
    | _READS
    | _WRITES
    | _DELETES,
    ("pyiceberg.expressions", "scan"): _READS,
}
