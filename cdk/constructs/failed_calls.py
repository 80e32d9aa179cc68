"""Where calls end that nobody waits for and that failed again and again."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import Comparison, new_alarm


class FailedCalls(Construct):
    """An encrypted queue that nothing reads: a message in it is an alarm, and says what was asked and why it failed."""

    def __init__(
        self, scope: Construct, id_: str, *, key: kms.IKey, removal_policy: RemovalPolicy, runbook: str, says: str
    ) -> None:
        super().__init__(scope, id_)
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            removal_policy=removal_policy,
        )
        acknowledge(self.queue, {"AwsSolutions-SQS3": "It is a dead-letter queue"})
        new_alarm(
            self,
            "Failed",
            self.queue.metric_approximate_number_of_messages_visible(period=Duration.minutes(5), statistic="Maximum"),
            runbook=runbook,
            says=says,
            threshold=0,
            comparison=Comparison.GREATER_THAN_THRESHOLD,
            periods=1,
        )
