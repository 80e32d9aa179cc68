"""List prices of us-east-1 in US dollars, in one table.

They were written down from memory of the pages named beside them, not fetched, and lack taxes, free tiers,
savings plans and tiers above the first. Compare them with the pages before a budget rests on them, and at
least once a year; :data:`UNSURE` says which first.
"""

AS_OF = "2025-10"
REGION = "us-east-1"

HOURS = 730
"""In a month, as AWS counts."""
SECONDS = HOURS * 3_600
GB = 10**9
MILLION = 10**6

# Amazon Kinesis Data Streams pricing
SHARD_HOUR = 0.015
PUT_UNITS_MILLION = 0.014  # of 25 kB
RETENTION_SHARD_HOUR = 0.020  # beyond a day, up to seven
FAN_OUT_SHARD_HOUR = 0.015
FAN_OUT_GB = 0.013
ON_DEMAND_STREAM_HOUR = 0.04
ON_DEMAND_IN_GB = 0.08
ON_DEMAND_OUT_GB = 0.04
ON_DEMAND_FAN_OUT_GB = 0.05
ON_DEMAND_RETENTION_GB_MONTH = 0.10

# AWS Lambda pricing, Arm
LAMBDA_GB_SECOND = 0.0000133334
LAMBDA_MILLION = 0.20

# AWS Fargate pricing, Linux on Arm; Amazon VPC pricing for the address
FARGATE_VCPU_HOUR = 0.03238
FARGATE_GB_HOUR = 0.00356
PUBLIC_ADDRESS_HOUR = 0.005

# Amazon Aurora pricing, PostgreSQL, Serverless v2, Aurora Standard
AURORA_ACU_HOUR = 0.12
AURORA_GB_MONTH = 0.10
AURORA_IO_MILLION = 0.20

# Amazon RDS Proxy pricing: by the capacity unit of Aurora, eight at least
PROXY_HOUR = 8 * 0.015

# Amazon SageMaker AI pricing, real-time inference and training
SAGEMAKER_HOUR = {
    "ml.c7g.large": 0.087,
    "ml.c7g.xlarge": 0.174,
    "ml.t2.medium": 0.056,
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
}

# Amazon MemoryDB pricing, Valkey
MEMORYDB_NODE_HOUR = {"db.t4g.small": 0.0336, "db.t4g.medium": 0.0672, "db.r7g.large": 0.230, "db.r7g.xlarge": 0.459}
MEMORYDB_WRITTEN_GB = 0.04
MEMORYDB_FREE_GB = 10_000  # a month

# Amazon S3 pricing, Standard
S3_GB_MONTH = 0.023
S3_PUT_THOUSAND = 0.005
S3_GET_THOUSAND = 0.0004

# Amazon S3 pricing, replication to another region of the same continent, with time control
REPLICATION_GB = 0.02 + 0.015

# AWS Backup pricing, S3; AWS CloudTrail pricing, data events
BACKUP_GB_MONTH = 0.05
DATA_EVENTS_MILLION = 1.00

# Amazon DynamoDB pricing, on demand
DYNAMODB_WRITE_MILLION = 0.625
DYNAMODB_READ_MILLION = 0.125

# Amazon API Gateway pricing, WebSocket APIs
WEBSOCKET_MILLION = 1.00  # of 32 KB
CONNECTION_MINUTES_MILLION = 0.25

# Amazon EC2 On-Demand pricing, data transfer
OUT_GB = 0.09
CROSS_ZONE_GB = 0.02  # a cent on each side

# Amazon CloudWatch pricing; AWS X-Ray pricing
LOGS_GB = 0.50
METRIC_MONTH = 0.30
TRACES_MILLION = 5.00

# AWS PrivateLink pricing
ENDPOINT_ZONE_HOUR = 0.01
ENDPOINT_GB = 0.01

# AWS KMS pricing; AWS Glue pricing, Data Catalog
KMS_CALLS_THOUSAND = 0.003
CATALOGUE_MILLION = 1.00

UNSURE = ("MEMORYDB_NODE_HOUR", "SAGEMAKER_HOUR", "ON_DEMAND_RETENTION_GB_MONTH", "BACKUP_GB_MONTH")
"""Those that I would look up first."""

STANDING: dict[str, float] = {
    "AWS::CloudWatch::Alarm": 0.10,
    "AWS::CloudWatch::CompositeAlarm": 0.50,
    "AWS::CloudWatch::Dashboard": 3.00,
    "AWS::KMS::Key": 1.00,
    "AWS::SecretsManager::Secret": 0.40,
    # With its four rules; a rule is 1.00.
    "AWS::WAFv2::WebACL": 9.00,
}
"""US dollars a month of what costs by being there, by CloudFormation's type."""

BY_USE = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::Backup::BackupVault",
        "AWS::CloudTrail::Trail",
        "AWS::DynamoDB::Table",
        "AWS::EC2::VPCEndpoint",
        "AWS::ECS::Service",
        "AWS::Kinesis::Stream",
        "AWS::Kinesis::StreamConsumer",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::MemoryDB::Cluster",
        "AWS::RDS::DBInstance",
        "AWS::RDS::DBProxy",
        "AWS::S3::Bucket",
    }
)
"""Types that have lines of their own in :mod:`cdk.costs.items`."""

LEFT_OUT = frozenset(
    {
        "AWS::Athena::WorkGroup",
        "AWS::Budgets::Budget",
        "AWS::CloudFront::Distribution",
        "AWS::Cognito::UserPool",
        "AWS::Config::ConfigRule",
        "AWS::Config::ConfigurationRecorder",
        "AWS::GuardDuty::Detector",
        "AWS::StepFunctions::StateMachine",
    }
)
"""Types that cost by what people do, or by how much changes in the account; ``docs/cost.md`` names them."""

FREE = frozenset(
    {
        "AWS::ApiGateway::Account",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::Athena::NamedQuery",
        "AWS::Backup::BackupPlan",
        "AWS::Backup::BackupSelection",
        "AWS::CertificateManager::Certificate",
        "AWS::CloudFront::OriginAccessControl",
        "AWS::CloudFront::ResponseHeadersPolicy",
        "AWS::CloudWatch::AnomalyDetector",
        "AWS::CodeDeploy::Application",
        "AWS::CodeDeploy::DeploymentGroup",
        "AWS::Cognito::UserPoolClient",
        "AWS::Cognito::UserPoolDomain",
        "AWS::Cognito::UserPoolGroup",
        "AWS::Config::DeliveryChannel",
        "AWS::EC2::FlowLog",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::Route",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::ECS::Cluster",
        "AWS::ECS::ClusterCapacityProviderAssociations",
        "AWS::ECS::TaskDefinition",
        "AWS::Events::Rule",
        "AWS::Glue::Database",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::KMS::Alias",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::Logs::MetricFilter",
        "AWS::Logs::QueryDefinition",
        "AWS::MemoryDB::ACL",
        "AWS::MemoryDB::SubnetGroup",
        "AWS::MemoryDB::User",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBClusterParameterGroup",
        "AWS::RDS::DBProxyTargetGroup",
        "AWS::RDS::DBSubnetGroup",
        "AWS::Route53::RecordSet",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::SageMaker::ModelPackageGroup",
        "AWS::Scheduler::Schedule",
        "AWS::Scheduler::ScheduleGroup",
        "AWS::SecretsManager::SecretTargetAttachment",
        "AWS::WAFv2::LoggingConfiguration",
        "AWS::XRay::Group",
        "AWS::XRay::SamplingRule",
    }
)
"""Types that cost nothing, or a few cents a month at any load here."""
