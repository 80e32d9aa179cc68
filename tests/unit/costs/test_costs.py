"""A bill is quantities times prices; both are worked out by hand here."""

import json
from dataclasses import fields, replace

import pytest

from benchmarks.volumes import Share, Volumes, measure, read_volumes
from cdk.costs.__main__ import main
from cdk.costs.flow import CALL_SECONDS, Flow, flow_of, record_seconds
from cdk.costs.inventory import Inventory, count, read, unpriced
from cdk.costs.items import Item, UnknownPrice, items
from cdk.costs.load import SCENARIOS, Load, Scenario, usual_load
from cdk.costs.page import PAGE, written
from cdk.costs.stream import stream_cost
from cdk.settings import settings_of

NOTHING_STANDS = Inventory({}, 0)
IDLE = Load(trades=0, symbols=9, clients=0, client_symbols=9)
QUIET = Volumes(**{one.name: 0 for one in fields(Volumes)})


def of(lines: list[Item], service: str, what: str) -> Item:
    """Give one line of a bill."""
    (found,) = [line for line in lines if (line.service, line.what) == (service, what)]
    return found


def flow_with(partitions: int, shards: int, **volumes: float) -> Flow:
    """Give the flow of partitions that write what is said and nothing else."""
    share = Share(trades=1, symbols=1, seconds=1, twins=1)
    load = Load(trades=1, symbols=1, clients=0, client_symbols=1)
    return Flow(settings_of("dev"), load, partitions, shards, share, replace(QUIET, **volumes))


def test_the_page_is_made_from_what_was_measured_and_counted() -> None:
    text = PAGE.read_text()
    assert written(text) == text, "run `python -m cdk.costs --markdown`"


def test_what_the_page_rests_on_is_measured_again_the_same() -> None:
    name, kept = next(iter(read_volumes().items()))
    share = Share(trades=11, symbols=1, seconds=0.02, twins=1)
    assert str(share) == name
    now = measure(share)
    for one in fields(Volumes):
        if not one.name.endswith("_cpu"):
            got, expected = getattr(now, one.name), getattr(kept, one.name)
            assert got == pytest.approx(expected, rel=0.1), f"{one.name}: run `python -m benchmarks.volumes`"


def test_an_idle_stage_pays_for_its_shards_and_for_no_invocation() -> None:
    lines = items(flow_of(settings_of("dev"), IDLE), NOTHING_STANDS)
    # Three streams of two shards for 730 hours.
    assert of(lines, "Kinesis", "shards").usd == pytest.approx(6 * 730 * 0.015)
    assert of(lines, "Kinesis", "retention beyond a day").usd == pytest.approx(6 * 730 * 0.020)
    assert of(lines, "Kinesis", "records put").usd == 0
    assert sum(line.usd for line in lines if line.service in ("Lambda", "X-Ray", "API Gateway", "S3")) == 0


def test_endpoints_and_standing_resources_are_paid_by_their_number() -> None:
    lines = items(flow_of(settings_of("dev"), IDLE), Inventory({"AWS::KMS::Key": 4}, endpoint_zones=9))
    assert of(lines, "VPC endpoints", "endpoints").usd == pytest.approx(9 * 730 * 0.01)
    assert of(lines, "KMS", "Key, standing").usd == 4


def test_a_busy_shard_is_worked_on_without_pause_and_a_quiet_one_record_by_record() -> None:
    busy = flow_with(2, 2, raw_records=1_000)
    assert busy.invocations("validator") == pytest.approx(2 / CALL_SECONDS["validator"])
    quiet = flow_with(2, 2, raw_records=0.001)
    assert quiet.invocations("validator") == pytest.approx(2 * 0.001, rel=1e-3)


def test_a_polled_shard_is_looked_at_once_a_second_or_once_a_window() -> None:
    flow = flow_with(2, 2, event_records=100, clean_records=100)
    assert flow.invocations("store_writer") == pytest.approx(2)
    assert flow.invocations("lake_writer") == pytest.approx(2 / 10)


def test_what_fits_no_invocation_takes_another() -> None:
    # 9 MB a second of one shard, in payloads of 4.5 MB, and 2,000 records a second by 500.
    assert flow_with(1, 1, clean_records=1, clean_bytes=9e6).invocations("lake_writer") == pytest.approx(2)
    assert flow_with(1, 1, event_records=2_000).invocations("store_writer") == pytest.approx(4)


def test_a_flush_that_is_shorter_than_a_call_waits_for_the_tick_after_it() -> None:
    # A call takes 15 ms: of ticks of 10 ms every second one finds the partition free.
    assert record_seconds(settings_of("prod")) == pytest.approx(0.02)
    assert record_seconds(settings_of("dev")) == pytest.approx(0.02)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_no_shard_carries_more_than_it_takes(scenario: Scenario) -> None:
    flow = flow_of(settings_of(scenario.stage), scenario.load)
    together = -(-flow.partitions // flow.open_shards)
    assert together * max(flow.volumes.raw_bytes, flow.volumes.clean_bytes, flow.volumes.event_bytes) <= 700_000
    assert together * flow.volumes.raw_records <= 700


def test_a_load_beyond_the_settings_gets_more_partitions_and_shards() -> None:
    prod = settings_of("prod")
    flow = flow_of(prod, usual_load("prod", 2_300_000))
    assert flow.settings.partitions > prod.partitions
    assert flow.settings.stream.shards > prod.stream.shards


def test_on_demand_streams_are_paid_by_the_gigabyte() -> None:
    dev = settings_of("dev")
    dev = dev.changed(stream=dev.stream.model_dump() | {"shards": 0})
    flow = replace(flow_with(1, 4, raw_records=1, raw_bytes=1_500), settings=dev)
    lines = items(flow, NOTHING_STANDS)
    # A record of 1,500 bytes is paid as 2 KB, and 2,628,000 of them a month.
    assert of(lines, "Kinesis", "data in").usd == pytest.approx(2 * 1_024 * 2_628_000 / 1e9 * 0.08)
    assert of(lines, "Kinesis", "fan-out, data").usd == pytest.approx(1_500 * 2_628_000 / 1e9 * 0.05)
    assert of(lines, "Kinesis", "data out, polled").usd == 0


def test_tasks_on_spot_cost_less_and_each_pays_for_its_address() -> None:
    dev, prod = (
        of(items(flow_of(settings_of(stage), IDLE), NOTHING_STANDS), "Fargate", "backfiller").usd
        for stage in ("dev", "prod")
    )
    hourly_dev = 0.5 * 0.03238 + 2 * 0.00356
    assert dev == pytest.approx(730 * (0.3 * hourly_dev + 0.005))
    # The first of two on ordinary capacity, and of the rest every second one.
    hourly_prod = 0.03238 + 4 * 0.00356
    assert prod == pytest.approx(730 * (1.65 * hourly_prod + 2 * 0.005))


@pytest.mark.parametrize(
    ("clients", "messages"),
    [
        # Ten a second, though there are more batches.
        (3, 3 * 10),
        # 7,000 in each of two shards, whose share is 5,000 posts a second: 7 in 10 of them, all in all 7,000.
        (14_000, 7_000),
    ],
)
def test_a_client_gets_messages_at_the_broadcasters_pace(clients: int, messages: int) -> None:
    flow = flow_with(2, 2, event_records=1_000, screen_bytes=100)
    flow = replace(flow, load=Load(trades=1, symbols=2, clients=clients, client_symbols=1))
    assert flow.invocations("broadcaster") / 2 > 10
    found = of(items(flow, NOTHING_STANDS), "API Gateway", "messages to clients")
    assert found.quantity == pytest.approx(messages * 2_628_000)


def test_a_client_gets_no_more_messages_than_there_are_batches() -> None:
    flow = flow_with(2, 2, event_records=1, screen_bytes=100)
    flow = replace(flow, load=Load(trades=1, symbols=2, clients=3, client_symbols=1))
    found = of(items(flow, NOTHING_STANDS), "API Gateway", "messages to clients")
    assert found.quantity == pytest.approx(3 * flow.invocations("broadcaster") / 2 * 2_628_000)


def test_a_node_without_a_price_is_refused_with_what_to_do() -> None:
    dev = settings_of("dev").changed(state={"node_type": "db.r9g.large", "replicas": 0})
    with pytest.raises(UnknownPrice, match=r"db\.r9g\.large has no price yet"):
        items(flow_of(dev, IDLE), NOTHING_STANDS)


def test_a_resource_of_a_type_that_nobody_has_priced_is_named() -> None:
    templates = [{"Resources": {"One": {"Type": "AWS::EC2::NatGateway"}, "Two": {"Type": "AWS::KMS::Key"}}}]
    assert unpriced(templates) == {"AWS::EC2::NatGateway"}
    assert count(templates) == Inventory({"AWS::KMS::Key": 1}, endpoint_zones=0)


def test_the_command_prints_what_the_model_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["costs", "--stage", "prod", "--trades-per-second", "1000", "--json"])
    assert main() == 0
    printed = sum(line["usd"] for line in json.loads(capsys.readouterr().out))
    flow = flow_of(settings_of("prod"), usual_load("prod", 1_000))
    assert printed == pytest.approx(sum(line.usd for line in items(flow, read("prod"))))
    monkeypatch.setattr("sys.argv", ["costs", "--stage", "prod", "--trades-per-second", "1000"])
    assert main() == 0
    assert f"{printed:,.2f}" in capsys.readouterr().out


def test_a_streams_cost_follows_shards_units_and_gigabytes() -> None:
    # 10 records a second of 100 x 1,000 B = 100 kB each: 1 MB/s. Two twins at 0.7: ceil(2 / 0.7) = 3 shards.
    cost = stream_cost(100.0, partitions=10, flush_seconds=1.0, twins=2, load=10_000)
    assert cost.shards == 3
    assert cost.records == 20
    assert cost.megabytes == pytest.approx(2.0)
    # 20 records x 4 units x 3,600 s = 0.288 M units; 7.2 GB an hour.
    assert cost.usd == pytest.approx(730 * (3 * 0.05 + 0.288 * 0.014 + 7.2 * 0.013))


def test_many_small_records_cost_shards_by_their_number() -> None:
    # 7,000 records a second of 10 B: 0.07 MB/s, but 7 shards by number, and 7 / 0.7 = 10.
    assert stream_cost(1.0, partitions=70, flush_seconds=0.01, twins=1, load=70_000).shards == 10
