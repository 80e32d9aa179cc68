"""The streams, the queues and how the functions read them."""

from typing import Any

import pytest

STREAM_FUNCTIONS = {"validator", "signals", "market", "broadcaster", "store_writer", "lake_writer"}
RETENTION_SECONDS = 7 * 24 * 3600


def _mapping(application: Any, name: str) -> dict[str, Any]:
    (mapping,) = application.mappings(name)
    return dict(mapping)


def test_three_streams_keep_records_for_seven_days(prod: Any) -> None:
    streams = prod.resources("AWS::Kinesis::Stream")
    assert len(streams) == 3
    assert {stream.properties["RetentionPeriodHours"] for stream in streams} == {7 * 24}
    assert {stream.properties["StreamModeDetails"]["StreamMode"] for stream in streams} == {"PROVISIONED"}


@pytest.mark.parametrize("name", sorted(STREAM_FUNCTIONS))
def test_a_stream_function_retries_as_long_as_the_record_may_live(prod: Any, name: str) -> None:
    mapping = _mapping(prod, name)
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["MaximumRetryAttempts"] == -1
    assert 0 < mapping["MaximumRecordAgeInSeconds"] < RETENTION_SECONDS
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ParallelizationFactor"] == 1


@pytest.mark.parametrize("name", sorted(STREAM_FUNCTIONS))
def test_records_given_up_go_to_a_bucket_whole(prod: Any, name: str) -> None:
    destination = _mapping(prod, name)["DestinationConfig"]["OnFailure"]["Destination"]
    # The bucket stands in the stack of the streams; SQS would get the records' positions only.
    assert "Failures" in destination["Fn::ImportValue"]


@pytest.mark.parametrize("name", ["validator", "signals", "broadcaster"])
def test_the_way_to_the_screen_does_not_wait(prod: Any, name: str) -> None:
    mapping = _mapping(prod, name)
    assert mapping["MaximumBatchingWindowInSeconds"] == 0
    assert mapping["BatchSize"] == 200
    source = mapping["EventSourceArn"]["Fn::GetAtt"]
    consumers = {item.name for item in prod.resources("AWS::Kinesis::StreamConsumer")}
    assert source[0] in consumers, "without enhanced fan-out a shard is looked at once a second"


def test_screens_are_not_sent_what_is_long_past(prod: Any) -> None:
    assert _mapping(prod, "broadcaster")["MaximumRecordAgeInSeconds"] == 300


def test_writers_collect_batches(prod: Any) -> None:
    assert _mapping(prod, "store_writer")["MaximumBatchingWindowInSeconds"] == 1
    lake_writer = _mapping(prod, "lake_writer")
    assert 5 <= lake_writer["MaximumBatchingWindowInSeconds"] <= 10
    assert lake_writer["BatchSize"] >= 1000


def test_no_commit_is_ever_put_aside(prod: Any) -> None:
    (fifo,) = [queue for queue in prod.resources("AWS::SQS::Queue") if queue.properties.get("FifoQueue")]
    # A hole in the counters would stop the committer for good.
    assert "RedrivePolicy" not in fifo.properties
    watched = [
        alarm.properties["Dimensions"][0]["Value"]
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == "ApproximateAgeOfOldestMessage"
    ]
    assert {"Fn::GetAtt": [fifo.name, "QueueName"]} in watched


@pytest.mark.parametrize(("name", "queues"), [("lake_committer", 1), ("dead_letters", 2)])
def test_queue_functions_report_partial_failures(prod: Any, name: str, queues: int) -> None:
    mappings = prod.mappings(name)
    assert len(mappings) == queues
    assert all(mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for mapping in mappings)


_DEAD_LETTERS = ("FramesDlqQueue", "TradesDlqQueue")


def test_a_dead_letter_that_cannot_be_stored_is_put_aside_before_it_is_forgotten(prod: Any) -> None:
    """By hand: a thousand tries of 360 s are four days and four hours, of the fourteen days that SQS keeps it."""
    queues = {queue.name: queue.properties for queue in prod.resources("AWS::SQS::Queue")}
    watched = {
        alarm.properties["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == "ApproximateNumberOfMessagesVisible"
    }
    for name in _DEAD_LETTERS:
        (queue,) = [properties for own, properties in queues.items() if own.startswith(name)]
        redrive = queue["RedrivePolicy"]
        aside = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]
        assert redrive["maxReceiveCount"] * queue["VisibilityTimeout"] < 0.5 * queue["MessageRetentionPeriod"]
        assert queues[aside]["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert aside in watched


def test_production_sees_a_hot_shard(prod: Any, dev: Any) -> None:
    for stream in prod.resources("AWS::Kinesis::Stream"):
        assert {"IncomingBytes", "IncomingRecords"} <= set(stream.properties["DesiredShardLevelMetrics"])
    for stream in dev.resources("AWS::Kinesis::Stream"):
        assert "DesiredShardLevelMetrics" not in stream.properties


def test_dead_letters_stay_invisible_for_six_times_their_functions_timeout(prod: Any) -> None:
    timeout = prod.function("dead_letters").properties["Timeout"]
    queues = [queue for queue in prod.resources("AWS::SQS::Queue") if queue.name.startswith(_DEAD_LETTERS)]
    assert len(queues) == 2
    assert {queue.properties["VisibilityTimeout"] for queue in queues} == {6 * timeout}


def test_a_failed_commit_comes_back_soon_and_never_while_it_may_still_run(prod: Any) -> None:
    (fifo,) = [queue for queue in prod.resources("AWS::SQS::Queue") if queue.properties.get("FifoQueue")]
    # Every commit waits for the one that failed. Below the function's timeout Lambda refuses the mapping.
    assert prod.function("lake_committer").properties["Timeout"] < fifo.properties["VisibilityTimeout"] <= 120


def test_dead_letters_wait_for_fourteen_days(prod: Any) -> None:
    assert {queue.properties["MessageRetentionPeriod"] for queue in prod.resources("AWS::SQS::Queue")} == {1_209_600}


def _alarms_on_age(application: Any, runbook: str) -> dict[str, float]:
    """Give the thresholds of the alarms on a consumer's age, in ms, by the function's logical id."""
    return {
        alarm.properties["Dimensions"][0]["Value"]["Ref"]: alarm.properties["Threshold"]
        for alarm in application.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == "IteratorAge" and runbook in alarm.properties["AlarmDescription"]
    }


def test_a_window_that_fills_a_batch_is_not_taken_for_lag(prod: Any) -> None:
    alarms = _alarms_on_age(prod, "consumer-behind")
    assert alarms[prod.function("signals").name] == 10_000
    assert alarms[prod.function("lake_writer").name] == 20_000


def test_who_may_lose_nothing_is_looked_at_long_before_its_records_expire(prod: Any) -> None:
    alarms = _alarms_on_age(prod, "records-expiring")
    assert alarms == {
        prod.function(name).name: 1000 * _mapping(prod, name)["MaximumRecordAgeInSeconds"] / 2
        for name in STREAM_FUNCTIONS - {"broadcaster"}
    }


@pytest.mark.parametrize("name", sorted(STREAM_FUNCTIONS - {"broadcaster"}))
def test_records_that_lambda_gives_up_raise_an_alarm(prod: Any, name: str) -> None:
    function = prod.function(name)
    (mapping,) = [
        item
        for item in prod.resources("AWS::Lambda::EventSourceMapping")
        if item.stack == function.stack and item.properties["FunctionName"] == {"Ref": function.name}
    ]
    assert mapping.properties["MetricsConfig"] == {"Metrics": ["EventCount"]}
    (alarm,) = [
        alarm.properties
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if str({"Name": "EventSourceMappingUUID", "Value": {"Ref": mapping.name}}) in str(alarm.properties)
    ]
    counted = {item["MetricStat"]["Metric"]["MetricName"] for item in alarm["Metrics"] if "MetricStat" in item}
    assert counted == {"OnFailureDestinationDeliveredEventCount", "DroppedEventCount"}
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


@pytest.mark.parametrize("metric", ["BroadcastsFailed", "ReplayNotLogged"])
def test_what_the_broadcaster_counts_raises_an_alarm_though_its_function_succeeds(prod: Any, metric: str) -> None:
    (alarm,) = [
        alarm.properties
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == metric
    ]
    assert alarm["Namespace"] == "Tickwire"
    assert alarm["Dimensions"] == [{"Name": "service", "Value": "broadcaster"}]
    assert alarm["TreatMissingData"] == "notBreaching"


def test_every_function_has_alarms_on_errors_and_throttles(prod: Any) -> None:
    for metric in ("Errors", "Throttles"):
        watched = {
            (alarm.stack, alarm.properties["Dimensions"][0]["Value"]["Ref"])
            for alarm in prod.resources("AWS::CloudWatch::Alarm")
            if alarm.properties.get("MetricName") == metric
        }
        ours = {
            (item.stack, item.name)
            for item in prod.resources("AWS::Lambda::Function")
            if "POWERTOOLS_SERVICE_NAME" in item.properties.get("Environment", {}).get("Variables", {})
        }
        assert watched == ours


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
