"""An encrypted SQS queue with alarms for messages that wait too long or were given up."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

# The most that SQS keeps.
_RETENTION = Duration.days(14)


class WorkQueue(Construct):
    """A queue whose consumer must keep up.

    With ``max_receives`` a message that failed so often moves to a second queue, ``dead_letters``,
    in which a single message raises the alarm. Without it a message waits for its consumer until
    SQS forgets it, which suits queues whose consumer may only ever fail for want of a sink.
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
        max_receives: int | None = None,
    ) -> None:
        super().__init__(scope, id_)
        self.dead_letters: sqs.Queue | None = None
        redrive = None
        if max_receives is not None:
            self.dead_letters = self._new_queue("DeadLetters", key, visibility, removal_policy, fifo, None)
            redrive = sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=max_receives)
            self.dead_letters.metric_approximate_number_of_messages_visible(period=Duration.minutes(1)).create_alarm(
                self,
                "GivenUp",
                alarm_description="A message failed so often that it was put aside",
                threshold=0,
                evaluation_periods=1,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
        self.queue = self._new_queue("Queue", key, visibility, removal_policy, fifo, redrive)
        self.queue.metric_approximate_age_of_oldest_message(period=Duration.minutes(1)).create_alarm(
            self,
            "Waiting",
            alarm_description="The oldest message has waited for ten minutes: its consumer does not keep up",
            threshold=600,
            evaluation_periods=2,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def _new_queue(
        self,
        id_: str,
        key: kms.IKey,
        visibility: Duration,
        removal_policy: RemovalPolicy,
        fifo: bool,
        redrive: sqs.DeadLetterQueue | None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            id_,
            fifo=True if fifo else None,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=_RETENTION,
            visibility_timeout=visibility,
            max_message_size_bytes=1_048_576,
            dead_letter_queue=redrive,
            removal_policy=removal_policy,
        )
