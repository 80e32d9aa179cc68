"""An encrypted SQS queue with an alarm for messages that wait too long."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.constructs.alarm import new_alarm

# The most that SQS keeps.
_RETENTION = Duration.days(14)


class WorkQueue(Construct):
    """A queue whose consumer must keep up.

    No message is ever put aside: its consumer fails only for want of a sink, and a commit that is
    missing between two others would stop the lake for good. So it waits, and the alarm is raised.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        key: kms.IKey,
        visibility: Duration,
        removal_policy: RemovalPolicy,
        fifo: bool = False,
    ) -> None:
        super().__init__(scope, id_)
        self.queue = sqs.Queue(
            self,
            "Queue",
            fifo=True if fifo else None,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=_RETENTION,
            visibility_timeout=visibility,
            max_message_size_bytes=1_048_576,
            removal_policy=removal_policy,
        )
        new_alarm(
            self,
            "Waiting",
            self.queue.metric_approximate_age_of_oldest_message(period=Duration.minutes(1)),
            runbook="queue-waiting",
            says="The oldest message has waited for ten minutes: its consumer does not keep up",
            threshold=600,
            periods=2,
        )
