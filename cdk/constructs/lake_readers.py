"""Who may read the lake from outside the platform: analysts by Athena, and BigQuery."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.constructs.acknowledge import ANY, acknowledge
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack

_CATALOGUE = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables"]


class AnalystPolicy(iam.ManagedPolicy):
    """Ask the lake through the workgroup and read the answers, nothing else.

    The lake's objects and their key open only to what Athena does in the analyst's name, so that nobody
    goes around the workgroup and its limits.
    """

    def __init__(self, scope: Construct, id_: str, *, data: DataStack, workgroup: str) -> None:
        stack = Stack.of(scope)
        by_athena = {"ForAnyValue:StringEquals": {"aws:CalledVia": "athena.amazonaws.com"}}
        results = data.query_results
        super().__init__(
            scope,
            id_,
            description="Tickwire: ask the lake through its Athena workgroup",
            statements=[
                iam.PolicyStatement(
                    sid="Workgroup",
                    actions=[
                        "athena:BatchGetNamedQuery",
                        "athena:BatchGetQueryExecution",
                        "athena:GetNamedQuery",
                        "athena:GetQueryExecution",
                        "athena:GetQueryResults",
                        "athena:GetQueryResultsStream",
                        "athena:GetQueryRuntimeStatistics",
                        "athena:GetWorkGroup",
                        "athena:ListNamedQueries",
                        "athena:ListQueryExecutions",
                        "athena:StartQueryExecution",
                        "athena:StopQueryExecution",
                    ],
                    resources=[stack.format_arn(service="athena", resource="workgroup", resource_name=workgroup)],
                ),
                # What there is to choose from in the console: names alone, for which Athena knows no resource.
                iam.PolicyStatement(
                    sid="Names", actions=["athena:ListDataCatalogs", "athena:ListWorkGroups"], resources=["*"]
                ),
                iam.PolicyStatement(
                    sid="DataCatalog",
                    actions=[
                        "athena:GetDataCatalog",
                        "athena:GetDatabase",
                        "athena:GetTableMetadata",
                        "athena:ListDatabases",
                        "athena:ListTableMetadata",
                    ],
                    resources=[
                        stack.format_arn(service="athena", resource="datacatalog", resource_name="AwsDataCatalog")
                    ],
                ),
                iam.PolicyStatement(sid="Catalogue", actions=[*_CATALOGUE], resources=data.lake_catalogue_arns()),
                iam.PolicyStatement(
                    sid="LakeByAthena",
                    actions=["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"],
                    resources=[data.lake.bucket_arn, data.lake.arn_for_objects("*")],
                    conditions=by_athena,
                ),
                iam.PolicyStatement(
                    sid="LakesKeyByAthena", actions=["kms:Decrypt"], resources=[data.key.key_arn], conditions=by_athena
                ),
                iam.PolicyStatement(
                    sid="Results",
                    actions=[
                        "s3:AbortMultipartUpload",
                        "s3:GetBucketLocation",
                        "s3:GetObject",
                        "s3:ListBucket",
                        "s3:ListBucketMultipartUploads",
                        "s3:ListMultipartUploadParts",
                        "s3:PutObject",
                    ],
                    resources=[results.bucket_arn, results.arn_for_objects("*")],
                ),
                iam.PolicyStatement(
                    sid="ResultsKey",
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=[data.key.key_arn],
                    # S3 names the bucket where it uses a bucket key, and else the object.
                    conditions={
                        "StringLike": {
                            "kms:EncryptionContext:aws:s3:arn": [results.bucket_arn, results.arn_for_objects("*")]
                        }
                    },
                ),
            ],
        )
        acknowledge(
            self,
            {
                f"AwsSolutions-IAM5[Resource::{ANY}/*]": "Objects and tables whose names come and go",
                "AwsSolutions-IAM5[Resource::*]": "Athena's lists of names know no resource",
            },
        )


class BigQueryReader(iam.Role):
    """The role that a BigQuery connection to AWS takes, by the identity that Google gave the connection.

    As "Connect to Amazon S3" and "Create AWS Glue federated datasets" of BigQuery's documentation ask.
    """

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, data: DataStack, identity: str) -> None:
        super().__init__(
            scope,
            id_,
            # The connection must name the role before Google tells the identity.
            role_name=f"tickwire-{settings.stage}-bigquery",
            description="Tickwire: BigQuery reads the lake",
            assumed_by=iam.WebIdentityPrincipal(
                "accounts.google.com", conditions={"StringEquals": {"accounts.google.com:sub": identity}}
            ),
            max_session_duration=Duration.hours(12),
        )
        for sid, actions, resources in (
            ("Catalogue", [*_CATALOGUE, "glue:GetPartitions"], data.lake_catalogue_arns()),
            ("Bucket", ["s3:ListBucket", "s3:GetBucketLocation"], [data.lake.bucket_arn]),
            ("Objects", ["s3:GetObject"], [data.lake.arn_for_objects("*")]),
            ("Key", ["kms:Decrypt"], [data.key.key_arn]),
        ):
            self.add_to_policy(iam.PolicyStatement(sid=sid, actions=actions, resources=resources))
        acknowledge(self, {f"AwsSolutions-IAM5[Resource::{ANY}/*]": "Objects and tables whose names come and go"})
