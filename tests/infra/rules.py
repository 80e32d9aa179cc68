"""What must hold in every stack, whatever it is made of: each rule gives its faults, a sentence each.

A rule finds what it judges by type in the templates, so that a stack is judged on the day it appears. A
sentence names the resource and says what to do.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.infra.encryption import KEY_PROPERTIES, STORES_NOTHING, key_of
from tests.infra.references import Address, References, as_list, at, is_of_the_cdk

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
ALARMS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
OPEN = ("0.0.0.0/0", "::/0")
# Actions whose resource has no name when the permission is checked, hence "*", and why.
UNSCOPED = {
    "athena:ListDataCatalogs": "Athena's lists of names know no resources",
    "athena:ListWorkGroups": "as above",
    "cloudwatch:DescribeAlarms": "composite alarms are told to whoever may describe all",
    "cloudwatch:GetMetricStatistics": "metrics have no ARN",
    "cloudwatch:PutMetricData": "metrics have no ARN",
    "ec2:AssignPrivateIpAddresses": "Lambda checks it for network interfaces that it is about to make",
    "ec2:CreateNetworkInterface": "as above",
    "ec2:CreateNetworkInterfacePermission": "SageMaker checks it for network interfaces that it is about to make",
    "ec2:DeleteNetworkInterface": "as above",
    "ec2:DeleteNetworkInterfacePermission": "as above",
    "ec2:DescribeDhcpOptions": "EC2's Describe actions know no resources",
    "ec2:DescribeNetworkInterfaces": "EC2's Describe actions know no resources",
    "ec2:DescribeSecurityGroups": "EC2's Describe actions know no resources",
    "ec2:DescribeSubnets": "EC2's Describe actions know no resources",
    "ec2:DescribeVpcs": "EC2's Describe actions know no resources",
    "ec2:UnassignPrivateIpAddresses": "Lambda checks it for network interfaces that it is about to make",
    "ecr:GetAuthorizationToken": "a token is for the registry, which has no ARN",
    "logs:CreateLogDelivery": "deliveries of logs have no ARN",
    "logs:DeleteLogDelivery": "as above",
    "logs:DescribeLogGroups": "as above",
    "logs:DescribeResourcePolicies": "as above",
    "logs:GetLogDelivery": "as above",
    "logs:ListLogDeliveries": "as above",
    "logs:PutResourcePolicy": "as above",
    "logs:UpdateLogDelivery": "as above",
    "sagemaker:ListModelPackages": "SageMaker's lists know no resources",
    "xray:GetSamplingRules": "sampling is the account's",
    "xray:GetSamplingTargets": "sampling is the account's",
    "xray:PutTelemetryRecords": "X-Ray's segments have no ARN",
    "xray:PutTraceSegments": "X-Ray's segments have no ARN",
}
# Families of actions that are named by how they begin, and why.
FAMILIES = {
    "kms:GenerateDataKey*": "with and without the plain text; DynamoDB's documentation names the family",
    "kms:ReEncrypt*": "from and to; as above",
}
# What keeps data or what data cannot be read without: it stays when a stack of production goes.
KEPT = (
    "AWS::Backup::BackupVault",
    "AWS::Cognito::UserPool",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::Glue::Database",
    "AWS::Kinesis::Stream",
    "AWS::Logs::LogGroup",
    "AWS::MemoryDB::Cluster",
    "AWS::RDS::DBCluster",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
)

# Of these what passes, or can be made again, by stack and the beginning of the logical id.
PASSING = {
    "Delivery/SiteDeploymentLog": "what the copying of the page said",
    "Delivery/SiteFiles": "the page, which the next deployment puts there again",
    "Identity/Tickets": "a ticket is worth nothing after a minute",
}

Rule = Callable[[References], Iterator[str]]


def every_type_is_judged(references: References) -> Iterator[str]:
    """A type that is new to the stacks either stores something or does not; nobody may forget to ask."""
    for kind in sorted({references.type(address) for address, _ in references.all()}):
        if kind not in KEY_PROPERTIES and not any(kind.startswith(prefix) for prefix in STORES_NOTHING):
            yield f"{kind} is new: say in tests/infra/encryption.py where its key is named, or that it stores nothing"


def what_stores_data_is_encrypted_with_a_key_of_ours(references: References) -> Iterator[str]:
    """Streams, queues, tables, buckets, databases, logs, topics, secrets."""
    logs = _access_log_buckets(references)
    for address, _ in references.all(*KEY_PROPERTIES):
        # S3 delivers access logs to buckets with its own key alone ("Enabling server access logging").
        if key_of(references, address) is None and address not in logs:
            yield f"{address} is encrypted with no key of ours: set {KEY_PROPERTIES[references.type(address)]}"


def every_key_is_rotated(references: References) -> Iterator[str]:
    """KMS renews the material once a year and keeps the old one to read with."""
    for address, key in references.all("AWS::KMS::Key"):
        if at(key, "Properties.EnableKeyRotation") is not True:
            yield f"{address} is never rotated: enable_key_rotation=True"


def nothing_is_open_to_the_internet(references: References) -> Iterator[str]:
    """No rule of a security group, no database with a public address, no function's URL without a login."""
    for address, group in references.all("AWS::EC2::SecurityGroup"):
        for rule in as_list(group["Properties"].get("SecurityGroupIngress", [])):
            if _is_open(rule):
                yield f"{address} lets everybody in: name the security group or the network that may"
    for address, rule in references.all("AWS::EC2::SecurityGroupIngress"):
        if _is_open(rule["Properties"]):
            yield f"{address} lets everybody in: name the security group or the network that may"
    for address, instance in references.all("AWS::RDS::DBInstance"):
        if instance["Properties"].get("PubliclyAccessible") is True:
            yield f"{address} has a public address: publicly_accessible=False"
    for address, url in references.all("AWS::Lambda::Url"):
        if url["Properties"].get("AuthType") != "AWS_IAM":
            yield f"{address} calls a function for everybody: AuthType AWS_IAM, or an API in front of it"


def no_resource_policy_lets_everybody_in(references: References) -> Iterator[str]:
    """A bucket's or queue's policy allows nobody unnamed; without a condition, not even a service."""
    for address, resource in references.all():
        for statement in as_list(at(resource, "Properties.PolicyDocument.Statement") or []):
            everybody = statement.get("Principal") in ("*", {"AWS": "*"})
            if everybody and statement.get("Effect") == "Allow" and not statement.get("Condition"):
                yield f"{address} allows {statement['Action']} to everybody: name the principal, or add a condition"


def every_bucket_is_private_and_versioned(references: References) -> Iterator[str]:
    """All four blocks of public access, and what is overwritten can be had again."""
    for address, bucket in references.all("AWS::S3::Bucket"):
        blocks = bucket["Properties"].get("PublicAccessBlockConfiguration", {})
        if sorted(blocks.values()) != [True] * 4:
            yield f"{address} does not block all public access: make it a PrivateBucket"
        if at(bucket, "Properties.VersioningConfiguration.Status") != "Enabled" and (
            address not in _access_log_buckets(references)
        ):
            yield f"{address} keeps no versions: make it a PrivateBucket"


def queues_buckets_and_topics_refuse_plain_http(references: References) -> Iterator[str]:
    """By a policy that denies what does not come by TLS."""
    owners = {
        "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
        "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
        "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
    }
    for kind, (policy_kind, owner) in owners.items():
        guarded: set[Address] = set()
        for address, policy in references.all(policy_kind):
            if any(_denies_plain_http(part) for part in policy["Properties"]["PolicyDocument"]["Statement"]):
                guarded |= references.targets(address.stack, policy["Properties"][owner])
        for address, _ in references.all(kind):
            if address not in guarded:
                yield f"{address} may be reached without TLS: enforce_ssl=True"


def no_action_is_a_wildcard(references: References) -> Iterator[str]:
    """Grants name calls; the CDK's families of them give more than anybody uses."""
    for address, action, _ in _granted(references):
        if "*" in action and action not in FAMILIES:
            yield f"{address} allows {action}: name the calls (cdk/constructs/grants.py)"


def every_resource_is_named(references: References) -> Iterator[str]:
    """``*`` only where AWS knows no resource for the action."""
    for address, action, resources in _granted(references):
        if "*" in resources and action not in UNSCOPED:
            yield f"{address} allows {action} on everything: name the resource, or say in UNSCOPED why none can be"


def every_role_has_the_boundary(references: References) -> Iterator[str]:
    """Whatever a role's policies say, it can never touch identities and accounts."""
    for address, principal in references.all("AWS::IAM::Role", "AWS::IAM::User"):
        if "boundary" not in json.dumps(principal["Properties"].get("PermissionsBoundary", "")).lower():
            yield f"{address} has no permission boundary: apply_boundary() in cdk/app_factory.py reaches its stack"


def every_queue_is_watched(references: References) -> Iterator[str]:
    """By the age of its oldest message where something reads it; where nothing does, by there being one."""
    read = _read(references)
    for address, _ in references.all("AWS::SQS::Queue"):
        metric = "ApproximateAgeOfOldestMessage" if address in read else "ApproximateNumberOfMessagesVisible"
        if address not in _watched(references, metric):
            yield f"{address} has no alarm on {metric}: new_alarm() in the construct that makes it"


def every_stream_is_read_so_that_nothing_is_lost(references: References) -> Iterator[str]:
    """From the oldest record on, halved on failure, given up before Kinesis forgets, left where it can be found."""
    late = _watched(references, "IteratorAge")
    for address, mapping in references.all("AWS::Lambda::EventSourceMapping"):
        properties = mapping["Properties"]
        stream = _stream_of(references, address)
        if stream is None:
            continue
        if properties.get("StartingPosition") != "TRIM_HORIZON":
            yield f"{address} would miss what was written before it was made: StartingPosition TRIM_HORIZON"
        if properties.get("BisectBatchOnFunctionError") is not True:
            yield f"{address} gives up good records with a bad one: bisect_batch_on_error=True"
        if at(properties, "DestinationConfig.OnFailure.Destination") is None:
            yield f"{address} drops what it gives up: on_failure=WriteOnlyBucket(…)"
        retention = int(references.properties(stream).get("RetentionPeriodHours", 24)) * 3600
        if not 0 < int(properties.get("MaximumRecordAgeInSeconds", -1)) < retention:
            yield f"{address} retries until Kinesis has forgotten the record: max_record_age below {retention} s"
        function = references.function(address.stack, properties["FunctionName"])
        if function not in late:
            yield f"{function} may fall behind {stream} unseen: an alarm on IteratorAge"


def every_alarm_says_what_to_do(references: References) -> Iterator[str]:
    """Its description ends with the address of a page that exists, and somebody is told."""
    for address, alarm in references.all(*ALARMS):
        stem = runbook_of(alarm)
        if stem is None:
            yield f"{address} names no runbook: make it by new_alarm()"
        elif not (RUNBOOKS / f"{stem}.md").is_file():
            yield f"{address} names docs/runbooks/{stem}.md, which is not there: write it"
        if not alarm["Properties"].get("AlarmActions"):
            yield f"{address} tells nobody: make it by new_alarm()"


def every_log_is_kept_for_a_time_and_in_a_group_of_ours(references: References) -> Iterator[str]:
    """A group that a service makes for itself is open to every reader of logs and never forgets."""
    for address, group in references.all("AWS::Logs::LogGroup"):
        if "RetentionInDays" not in group["Properties"]:
            yield f"{address} never forgets: retention=retention_of(…)"
    for address, function in references.own_functions():
        if at(function, "Properties.LoggingConfig.LogGroup") is None:
            yield f"{address} logs to a group that Lambda makes: log_group=…"


def every_function_is_traced(references: References) -> Iterator[str]:
    """So that a trade can be followed through the stages."""
    for address, function in references.own_functions():
        if at(function, "Properties.TracingConfig.Mode") != "Active":
            yield f"{address} is not traced: tracing=Tracing.ACTIVE"


def what_keeps_data_is_kept(references: References) -> Iterator[str]:
    """Production's: when a stack is deleted, its data and the keys to it stay."""
    for address, resource in references.all(*KEPT):
        if re.sub(r"[0-9A-F]{8}$", "", str(address)) in PASSING:
            continue
        if resource.get("DeletionPolicy") not in ("Retain", "RetainExceptOnCreate", "Snapshot"):
            yield f"{address} goes with its stack: removal_policy RETAIN where settings.protected"
        key = key_of(references, address)
        if key is not None and references.whole(key).get("DeletionPolicy") != "Retain":
            yield f"{key} goes with its stack, and {address}, which stays, cannot be read then: RETAIN"


ALWAYS: tuple[Rule, ...] = (
    every_type_is_judged,
    what_stores_data_is_encrypted_with_a_key_of_ours,
    every_key_is_rotated,
    nothing_is_open_to_the_internet,
    no_resource_policy_lets_everybody_in,
    every_bucket_is_private_and_versioned,
    queues_buckets_and_topics_refuse_plain_http,
    no_action_is_a_wildcard,
    every_resource_is_named,
    every_role_has_the_boundary,
    every_queue_is_watched,
    every_stream_is_read_so_that_nothing_is_lost,
    every_alarm_says_what_to_do,
    every_log_is_kept_for_a_time_and_in_a_group_of_ours,
    every_function_is_traced,
)
IN_PRODUCTION: tuple[Rule, ...] = (what_keeps_data_is_kept,)


def runbook_of(alarm: dict[str, Any]) -> str | None:
    """Give the stem of the page that an alarm's description names, or None."""
    found = re.search(r"Runbook: \S*/([\w-]+)\.md\"?$", json.dumps(alarm["Properties"].get("AlarmDescription", "")))
    return None if found is None else found.group(1)


def _is_open(rule: dict[str, Any]) -> bool:
    return rule.get("CidrIp") in OPEN or rule.get("CidrIpv6") in OPEN


def _denies_plain_http(statement: dict[str, Any]) -> bool:
    return statement["Effect"] == "Deny" and at(statement, "Condition.Bool.aws:SecureTransport") == "false"


def _access_log_buckets(references: References) -> set[Address]:
    return {
        target
        for address, bucket in references.all("AWS::S3::Bucket")
        for target in references.targets(address.stack, at(bucket, "Properties.LoggingConfiguration") or {})
    }


def _granted(references: References) -> Iterator[tuple[Address, str, list[Any]]]:
    """Give every action that an identity policy allows, where it stands and on what.

    A boundary grants nothing. What the CDK's own functions may do is the CDK's to say, and cdk-nag asks for a
    reason beside the construct that brings one.
    """
    foreign = {
        references.target(address.stack, function["Properties"]["Role"])
        for address, function in references.all("AWS::Lambda::Function")
        if is_of_the_cdk(address, function)
    }
    for address, policy in references.all("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"):
        properties = policy["Properties"]
        if "boundary" in str(properties.get("ManagedPolicyName", "")).lower():
            continue
        if address in foreign or references.targets(address.stack, properties.get("Roles", [])) & foreign:
            continue
        documents = [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
        documents += [inline["PolicyDocument"] for inline in properties.get("Policies", [])]
        for document in documents:
            for statement in document["Statement"]:
                if statement["Effect"] == "Allow":
                    for action in as_list(statement.get("Action", "NotAction:*")):
                        yield address, action, as_list(statement["Resource"])


def _watched(references: References, metric: str) -> set[Address]:
    """Give what the alarms on a metric look at, also those over expressions."""
    found: set[Address] = set()
    for address, alarm in references.all("AWS::CloudWatch::Alarm"):
        properties = alarm["Properties"]
        parts = [at(part, "MetricStat.Metric") or {} for part in properties.get("Metrics", [])]
        for part in [properties, *parts]:
            if part.get("MetricName") == metric:
                for dimension in part.get("Dimensions", []):
                    named = references.function(address.stack, dimension["Value"])
                    found |= {named} if named is not None else set()
    return found


def _read(references: References) -> set[Address]:
    return {
        target
        for address, mapping in references.all("AWS::Lambda::EventSourceMapping")
        for target in references.targets(address.stack, mapping["Properties"]["EventSourceArn"])
    }


def _stream_of(references: References, mapping: Address) -> Address | None:
    source = references.target(mapping.stack, references.properties(mapping)["EventSourceArn"])
    if source is not None and references.type(source) == "AWS::Kinesis::StreamConsumer":
        source = references.target(source.stack, references.properties(source)["StreamARN"])
    return source if source is not None and references.type(source) == "AWS::Kinesis::Stream" else None
