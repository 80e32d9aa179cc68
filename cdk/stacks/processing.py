"""The functions between the streams and the stores."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import CfnOutput, Duration, Stack, triggers
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm
from cdk.constructs.function_code import FunctionSource
from cdk.constructs.grants import feed_from_queue, grant_invoke_endpoint, grant_put_records, grant_send_messages
from cdk.constructs.log_metric import alarm_on_stopped_partitions
from cdk.constructs.model_endpoint import endpoint_name
from cdk.constructs.service_function import ServiceFunction
from cdk.constructs.state_store import SIGNALS, STAGES
from cdk.constructs.stream_function import StreamFunction
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.streams import StreamsStack

_LETTERS = {"AwsSolutions-IAM5[Resource::…DeadLetters…/*]": "Bodies of one bucket; their names say what is in them"}
_DATABASE_REQUIREMENTS = ("aws-lambda-powertools[tracer]", "boto3", "psycopg[binary]", "msgspec", "numpy", "pcodec")


class ProcessingStack(Stack):
    """Stateless: validator, signals, market, the lake's writer and committer, the database's writers."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        source: FunctionSource,
        foundation: FoundationStack,
        network: NetworkStack,
        streams: StreamsStack,
        data: DataStack,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        self._shared: dict[str, Any] = {"settings": settings, "source": source, "log_key": foundation.log_key}
        self._in_vpc: dict[str, Any] = {"vpc": network.vpc, "security_groups": [network.function_group]}
        self._streams = streams
        self._data = data
        data.state.allow_from(network.function_group, "Stages")
        data.database.allow_from(network.function_group, "Writers")

        self.validator = self._new_validator()
        self.signals = self._new_signals(endpoint_name(settings))
        self.market = self._new_market()
        self.lake_writer = self._new_lake_writer()
        self.lake_committer = self._new_lake_committer()
        self.store_writer = self._new_store_writer()
        self.dead_letters = self._new_dead_letters(settings)
        migrations = self._new_migrations(before=[self.store_writer, self.dead_letters])

        for function in (
            self.validator,
            self.signals,
            self.market,
            self.lake_writer,
            self.lake_committer,
            self.store_writer,
            self.dead_letters,
            migrations,
        ):
            CfnOutput(self, f"{function.node.id}Function", value=function.function.function_name)

    @property
    def _stores(self) -> dict[str, str]:
        return {"TICKWIRE_DATABASE_URL": self._data.database.writer_url, "TICKWIRE_DATABASE_IAM": "true"}

    def _new_validator(self) -> StreamFunction:
        validator = StreamFunction(
            self,
            "Validator",
            name="validator",
            stream=self._streams.trades_raw,
            failures=self._streams.failures,
            environment={
                "TICKWIRE_CLEAN_STREAM": self._streams.trades_clean.stream_name,
                "TICKWIRE_TRADES_DLQ_URL": self._streams.trades_dlq.queue_url,
                "TICKWIRE_DEAD_LETTER_BUCKET": self._streams.dead_letters.bucket_name,
                "TICKWIRE_STATE_URL": self._data.state.url(STAGES),
                "TICKWIRE_MAX_AGE_SECONDS": str(self._shared["settings"].max_age_seconds),
            },
            **self._in_vpc,
            **self._shared,
        )
        grant_put_records(validator.function, self._streams.trades_clean)
        grant_send_messages(validator.function, self._streams.trades_dlq)
        self._streams.dead_letters.grant_put_object(validator.function)
        acknowledge(validator, _LETTERS)
        self._data.state.grant_connect(validator.function, STAGES)
        return validator

    def _new_signals(self, endpoint: str) -> StreamFunction:
        signals = StreamFunction(
            self,
            "Signals",
            name="signals",
            stream=self._streams.trades_clean,
            failures=self._streams.failures,
            environment={
                "TICKWIRE_EVENTS_STREAM": self._streams.market_events.stream_name,
                "TICKWIRE_STATE_URL": self._data.state.url(SIGNALS),
                # By name: the model's stack may come later, or not yet, and predictions are absent until it is there.
                "TICKWIRE_MODEL_ENDPOINT": endpoint,
            },
            **self._in_vpc,
            **self._shared,
        )
        grant_put_records(signals.function, self._streams.market_events)
        grant_invoke_endpoint(signals.function, endpoint)
        self._data.state.grant_connect(signals.function, SIGNALS)
        new_alarm(
            signals,
            "BreakerOpen",
            cloudwatch.Metric(
                namespace="Tickwire",
                metric_name="BreakerOpen",
                dimensions_map={"service": signals.name},
                period=Duration.minutes(1),
                statistic="Sum",
            ),
            runbook="predictions-absent",
            says="The model's endpoint does not answer, and predictions are absent",
            threshold=0,
            periods=5,
        )
        return signals

    def _new_market(self) -> StreamFunction:
        market = StreamFunction(
            self,
            "Market",
            name="market",
            stream=self._streams.market_events,
            failures=self._streams.failures,
            environment={
                "TICKWIRE_EVENTS_STREAM": self._streams.market_events.stream_name,
                "TICKWIRE_STATE_URL": self._data.state.url(STAGES),
            },
            **self._in_vpc,
            **self._shared,
        )
        grant_put_records(market.function, self._streams.market_events)
        self._data.state.grant_connect(market.function, STAGES)
        return market

    def _new_lake_writer(self) -> StreamFunction:
        writer = StreamFunction(
            self,
            "LakeWriter",
            name="lake_writer",
            stream=self._streams.trades_clean,
            failures=self._streams.failures,
            environment={
                "TICKWIRE_LAKE_BUCKET": self._data.lake.bucket_name,
                "TICKWIRE_LAKE_COMMITS_QUEUE_URL": self._streams.lake_commits.queue_url,
            },
            **self._shared,
        )
        self._data.lake.grant_put_object(writer.function)
        acknowledge(
            writer, {"AwsSolutions-IAM5[Resource::…Lake…/*]": "Files of the lake, whose names are their digests"}
        )
        grant_send_messages(writer.function, self._streams.lake_commits)
        return writer

    def _new_lake_committer(self) -> ServiceFunction:
        committer = ServiceFunction(
            self,
            "LakeCommitter",
            name="lake_committer",
            environment={
                "TICKWIRE_LAKE_BUCKET": self._data.lake.bucket_name,
                "TICKWIRE_LAKE_DATABASE": self._data.lake_database,
            },
            **self._shared,
        )
        self._data.lake.grant_keep_objects(committer.function)
        self._data.grant_lake_catalogue(committer.function)
        acknowledge(
            committer,
            {
                "AwsSolutions-IAM5[Resource::…Lake…/*]": "Files of the lake, whose names are their digests",
                "AwsSolutions-IAM5[Resource::…:table/…/*]": "Tables of the lake's own database",
            },
        )
        # One message group in a FIFO queue: one commit at a time, in order, with no reserved
        # concurrency to throttle against. Ten is the most that a FIFO queue hands over at once.
        feed_from_queue(committer.function, "Commits", self._streams.lake_commits, batch_size=10)
        alarm_on_stopped_partitions(committer, committer.log_group, service=committer.name)
        return committer

    def _new_store_writer(self) -> StreamFunction:
        writer = StreamFunction(
            self,
            "StoreWriter",
            name="store_writer",
            stream=self._streams.market_events,
            failures=self._streams.failures,
            environment=self._stores,
            **self._in_vpc,
            **self._shared,
        )
        self._data.database.grant_login(writer.function)
        return writer

    def _new_dead_letters(self, settings: StageSettings) -> ServiceFunction:
        function = ServiceFunction(
            self,
            "DeadLetters",
            name="dead_letters",
            requirements=_DATABASE_REQUIREMENTS,
            environment={
                **self._stores,
                "TICKWIRE_DEAD_LETTER_BUCKET": self._streams.dead_letters.bucket_name,
            },
            **self._in_vpc,
            **self._shared,
        )
        self._data.database.grant_login(function.function)
        self._streams.dead_letters.grant_put_object(function.function)
        acknowledge(function, _LETTERS)
        window = settings.dead_letter_window_seconds
        for id_, queue in (("Frames", self._streams.frames_dlq), ("Trades", self._streams.trades_dlq)):
            # More than ten at once needs a window, by SQS' own rule.
            feed_from_queue(function.function, id_, queue, batch_size=100 if window else 10, window_seconds=window)
        return function

    def _new_migrations(self, *, before: Sequence[ServiceFunction]) -> ServiceFunction:
        function = ServiceFunction(
            self,
            "Migrations",
            name="migrations",
            requirements=_DATABASE_REQUIREMENTS,
            environment={
                "TICKWIRE_DATABASE_URL": self._data.database.writer_url,
                "TICKWIRE_DATABASE_SECRET": self._data.database.owner_secret_arn,
            },
            **self._in_vpc,
            **self._shared,
        )
        self._data.database.grant_owner(function.function)
        # Runs at every deployment that changes the function, hence its SQL.
        triggers.Trigger(
            self,
            "Migrate",
            handler=function.function,
            execute_after=[function],
            execute_before=list(before),
            timeout=Duration.minutes(10),
        )
        return function
