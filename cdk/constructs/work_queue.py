"""An encrypted SQS queue with an alarm for messages that wait too long."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm

# The most that SQS keeps, and the most that it counts.
_RETENTION = Duration.days(14)
_MOST_RECEIVES = 1_000


class WorkQueue(Construct):
    """A queue whose consumer must keep up.

    Its consumer fails only for want of a sink, so a message waits for as long as that takes. Without
    ``aside``, for ever: a commit that is missing between two others would stop the lake for good. With
    it, a message that was tried a thousand times, which takes days, is a message that the consumer itself
    cannot take; it is put aside before SQS forgets it, into a queue of its own that is watched.
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
        aside: bool = False,
    ) -> None:
        super().__init__(scope, id_)
        self._key = key
        self._removal = removal_policy
        self.aside = self._new_queue("Aside") if aside else None
        self.queue = self._new_queue(
            "Queue",
            visibility=visibility,
            fifo=fifo,
            redrive=None
            if self.aside is None
            else sqs.DeadLetterQueue(queue=self.aside, max_receive_count=_MOST_RECEIVES),
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
        if self.aside is None:
            acknowledge(self.queue, {"AwsSolutions-SQS3": "No message of it may ever be put aside"})
        else:
            new_alarm(
                self,
                "PutAside",
                self.aside.metric_approximate_number_of_messages_visible(period=Duration.minutes(5)),
                runbook="messages-aside",
                says="A message was tried a thousand times, and its consumer cannot take it",
                threshold=0,
                periods=1,
            )

    def _new_queue(
        self,
        id_: str,
        *,
        visibility: Duration | None = None,
        fifo: bool = False,
        redrive: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            id_,
            fifo=True if fifo else None,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            enforce_ssl=True,
            retention_period=_RETENTION,
            visibility_timeout=visibility,
            max_message_size_bytes=1_048_576,
            dead_letter_queue=redrive,
            removal_policy=self._removal,
        )
