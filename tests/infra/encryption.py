"""Which types of resources hold data, and where their template says which key encrypts it."""

from tests.infra.references import Address, References, at

# Type → the property that names the key. What is here holds or carries data.
KEY_PROPERTIES = {
    "AWS::Athena::WorkGroup": "WorkGroupConfiguration.ResultConfiguration.EncryptionConfiguration.KmsKey",
    "AWS::Backup::BackupVault": "EncryptionKeyArn",
    "AWS::CloudTrail::Trail": "KMSKeyId",
    "AWS::DynamoDB::GlobalTable": "Replicas.SSESpecification.KMSMasterKeyId",
    "AWS::DynamoDB::Table": "SSESpecification.KMSMasterKeyId",
    "AWS::ECR::Repository": "EncryptionConfiguration.KmsKey",
    "AWS::EFS::FileSystem": "KmsKeyId",
    "AWS::Events::EventBus": "KmsKeyIdentifier",
    "AWS::Kinesis::Stream": "StreamEncryption.KeyId",
    "AWS::KinesisFirehose::DeliveryStream": "DeliveryStreamEncryptionConfigurationInput.KeyARN",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::MemoryDB::Cluster": "KmsKeyId",
    "AWS::RDS::DBCluster": "KmsKeyId",
    "AWS::S3::Bucket": (
        "BucketEncryption.ServerSideEncryptionConfiguration.ServerSideEncryptionByDefault.KMSMasterKeyID"
    ),
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SageMaker::EndpointConfig": "KmsKeyId",
    "AWS::SecretsManager::Secret": "KmsKeyId",
    "AWS::StepFunctions::StateMachine": "EncryptionConfiguration.KmsKeyId",
}

# How types begin that hold nothing of ours, and why; what is inside them is encrypted where it lies.
STORES_NOTHING = {
    "AWS::ApiGateway": "passes on, and keeps no body",
    "AWS::ApplicationAutoScaling::": "numbers of tasks and units",
    "AWS::Athena::NamedQuery": "the text of a query",
    "AWS::Backup::BackupPlan": "when to back up",
    "AWS::Backup::BackupSelection": "what to back up",
    "AWS::Budgets::": "sums and addresses",
    "AWS::CDK::Metadata": "versions of constructs",
    "AWS::CE::": "sums and addresses",
    "AWS::CertificateManager::": "certificates, whose keys never leave AWS",
    "AWS::CloudFormation::": "templates",
    "AWS::CloudFront::": "caches what lies in a bucket, encrypted by AWS",
    "AWS::CloudWatch::": "metrics and what is drawn from them",
    "AWS::CodeDeploy::": "how traffic moves from a version to the next",
    "AWS::Cognito::": "users, encrypted by AWS alone: it takes no key of ours",
    "AWS::Config::": "what resources look like; delivered to a bucket",
    "AWS::EC2::": "the network; no volume is among it",
    "AWS::ECS::": "what runs, on disks that go with the task",
    "AWS::Events::Rule": "patterns",
    "AWS::Glue::": "names of tables and columns; what is in them lies in a bucket",
    "AWS::GuardDuty::": "findings, encrypted by AWS alone",
    "AWS::IAM::": "rights",
    "AWS::KMS::": "the keys",
    "AWS::Kinesis::StreamConsumer": "reads a stream",
    "AWS::KinesisAnalyticsV2::": "what runs; its state lies in a bucket",
    "AWS::Lambda::": "code and names",
    "AWS::Logs::MetricFilter": "patterns",
    "AWS::Logs::QueryDefinition": "the text of a query",
    "AWS::MemoryDB::ACL": "who may log in",
    "AWS::MemoryDB::ParameterGroup": "parameters",
    "AWS::MemoryDB::SubnetGroup": "where a cluster stands",
    "AWS::MemoryDB::User": "who may log in",
    "AWS::RDS::DBClusterParameterGroup": "parameters",
    "AWS::RDS::DBInstance": "a computer of a cluster, whose storage is the cluster's",
    "AWS::RDS::DBParameterGroup": "parameters",
    "AWS::RDS::DBProxy": "passes on",
    "AWS::RDS::DBSubnetGroup": "where a cluster stands",
    "AWS::Route53": "names",
    "AWS::S3::BucketPolicy": "rights",
    "AWS::SNS::Subscription": "addresses",
    "AWS::SNS::TopicPolicy": "rights",
    "AWS::SQS::QueuePolicy": "rights",
    "AWS::SSM::Parameter": "settings; CloudFormation makes no secret ones",
    "AWS::SageMaker::Endpoint": "runs what its configuration says",
    "AWS::SageMaker::Model": "names an image and an object in a bucket",
    "AWS::Scheduler::": "when to call what",
    "AWS::SecretsManager::ResourcePolicy": "rights",
    "AWS::SecretsManager::RotationSchedule": "when to rotate",
    "AWS::SecretsManager::SecretTargetAttachment": "which database a secret is of",
    "AWS::WAFv2::": "rules",
    "AWS::XRay::": "which requests to trace",
    "Custom::": "calls of a function",
}

# What a grant names stands for what is encrypted: type → the property that leads there.
STANDS_FOR = {
    "AWS::Kinesis::StreamConsumer": "StreamARN",
    "AWS::SecretsManager::SecretTargetAttachment": "SecretId",
}


def key_of(references: References, address: Address) -> Address | None:
    """Give the key of ours that encrypts a resource, or None."""
    kind = references.type(address)
    if kind in STANDS_FOR:
        owner = references.target(address.stack, references.properties(address)[STANDS_FOR[kind]])
        return None if owner is None else key_of(references, owner)
    if kind not in KEY_PROPERTIES:
        return None
    named = references.targets(address.stack, at(references.properties(address), KEY_PROPERTIES[kind]))
    keys = {_behind_alias(references, key) for key in named}
    return next((key for key in sorted(keys) if references.type(key) == "AWS::KMS::Key"), None)


def _behind_alias(references: References, address: Address) -> Address:
    if references.type(address) != "AWS::KMS::Alias":
        return address
    return references.target(address.stack, references.properties(address)["TargetKeyId"]) or address
