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
    "AWS::S3::Bucket": "BucketEncryption.ServerSideEncryptionConfiguration.ServerSideEncryptionByDefault.KMSMasterKeyID",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SageMaker::EndpointConfig": "KmsKeyId",
    "AWS::SecretsManager::Secret": "KmsKeyId",
    "AWS::StepFunctions::StateMachine": "EncryptionConfiguration.KmsKeyId",
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
