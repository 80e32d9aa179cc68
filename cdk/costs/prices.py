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

# Amazon MemoryDB pricing, Valkey
MEMORYDB_NODE_HOUR = {"db.t4g.small": 0.0336, "db.t4g.medium": 0.0672, "db.r7g.large": 0.230, "db.r7g.xlarge": 0.459}
MEMORYDB_WRITTEN_GB = 0.04
MEMORYDB_FREE_GB = 10_000  # a month

# Amazon S3 pricing, Standard
S3_GB_MONTH = 0.023
S3_PUT_THOUSAND = 0.005
S3_GET_THOUSAND = 0.0004

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

UNSURE = ("MEMORYDB_NODE_HOUR", "ON_DEMAND_RETENTION_GB_MONTH", "RETENTION_SHARD_HOUR")
"""Those that I would look up first."""

STANDING: dict[str, float] = {
    "AWS::CloudWatch::Alarm": 0.10,
    "AWS::KMS::Key": 1.00,
    "AWS::SecretsManager::Secret": 0.40,
}
"""US dollars a month of what costs by being there, by CloudFormation's type."""

BY_USE = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::DynamoDB::Table",
        "AWS::EC2::VPCEndpoint",
        "AWS::ECS::Service",
        "AWS::Kinesis::Stream",
        "AWS::Kinesis::StreamConsumer",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::MemoryDB::Cluster",
        "AWS::RDS::DBInstance",
        "AWS::S3::Bucket",
    }
)
"""Types that have lines of their own in :mod:`cdk.costs.items`."""

FREE = frozenset(
    {
        "AWS::ApiGateway::Account",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
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
        "AWS::Glue::Database",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::MemoryDB::SubnetGroup",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBClusterParameterGroup",
        "AWS::RDS::DBSubnetGroup",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::SecretsManager::SecretTargetAttachment",
    }
)
"""Types that cost nothing, or a few cents a month at any load here."""
