"""The endpoint's client against botocore's own parsing of HTTP answers, and against a server of sockets."""

import socket
from typing import Any

import botocore.exceptions
import numpy as np
import pyarrow as pa
import pytest

from tests.unit.forecast.service import Service, client, good, model_error
from tickwire.forecast.breaker import BreakerState
from tickwire.forecast.endpoint import CLIENT_CONFIG, EndpointForecaster
from tickwire.forecast.forecaster import Absent, Float32, NoForecast, Origin
from tickwire.model.features import SCHEMA

END = 1_700_000_040_000_000_000
SYMBOLS = [("binance", "BTC-USDT"), ("kraken", "ETH-USD")]
VARIANT = "x-Amzn-Invoked-Production-Variant"


def _rows(number: int = 2) -> Float32:
    rows = np.arange(number * SCHEMA.width, dtype=np.float32).reshape(number, SCHEMA.width)
    rows[:, 7] = np.nan
    return rows


class Clock:
    """Seconds; time.time_ns is END plus them."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def ns(self) -> int:
        return END + round(self.seconds * 1e9)


def _forecaster(url: str, clock: Clock | None = None) -> EndpointForecaster:
    clock = clock or Clock()
    return EndpointForecaster(
        client(url), endpoint="tickwire-test", schema=SCHEMA, clock=clock.ns, monotonic=clock.monotonic
    )


def _absent(forecaster: EndpointForecaster) -> Absent:
    with pytest.raises(NoForecast) as none:
        forecaster.forecast(_rows(), symbols=SYMBOLS, end=END)
    return none.value.absent


def test_rows_go_out_as_arrow_and_probabilities_come_back_with_what_gave_them(service: Service) -> None:
    service.answers.append((200, {VARIANT: "challenger"}, good(0.25, 0.75)))
    forecast = _forecaster(service.url).forecast(_rows(), symbols=SYMBOLS, end=END)
    assert forecast.probability.tolist() == [0.25, 0.75]
    assert forecast.origin == Origin("lstm", "2024-08-01", "challenger")
    path, headers, body = service.asked[0]
    assert path == "/endpoints/tickwire-test/invocations"
    assert headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert headers["accept"] == "application/json"
    table = pa.ipc.open_stream(body).read_all()
    assert table.schema.metadata == {b"schema": SCHEMA.digest.encode()}
    assert table.schema.field("features").type == pa.list_(pa.float32(), 960)
    assert table.column("features").combine_chunks().flatten().null_count == 0
    got = np.array(table.column("features").to_pylist(), np.float32)
    np.testing.assert_array_equal(got, _rows())
    beside = table.drop_columns(["features"])
    assert beside.to_pylist() == [{"venue": v, "symbol": s, "time": END} for v, s in SYMBOLS]
    assert beside.schema.field("time").type == pa.int64()


@pytest.mark.parametrize("status", [400, 409, 413])
def test_a_container_that_does_not_take_the_rows_refuses_and_is_asked_once(
    service: Service, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    service.answers.append(model_error(status, "rows of another schema"))
    forecaster = _forecaster(service.url)
    assert _absent(forecaster) is Absent.REFUSED
    # docs/runbooks/predictions-absent.md looks for it.
    assert caplog.messages == [f"no forecast from tickwire-test: {status}: rows of another schema"]
    assert len(service.asked) == 1
    assert forecaster.breaker.state is BreakerState.CLOSED


def test_an_answer_for_other_rows_is_refused(service: Service) -> None:
    service.answers.append((200, {}, good(0.5, 0.5, schema="0123456789abcdef")))
    assert _absent(_forecaster(service.url)) is Absent.REFUSED


@pytest.mark.parametrize(
    "answer",
    [
        model_error(500),
        (503, {"x-amzn-ErrorType": "ServiceUnavailable"}, b'{"Message": "later"}'),
        (429, {"x-amzn-ErrorType": "ThrottlingException"}, b'{"Message": "slower"}'),
    ],
)
def test_what_may_pass_is_asked_once_more(service: Service, answer: Any) -> None:
    service.answers += [answer, (200, {VARIANT: "champion"}, good(0.5, 0.5))]
    assert _forecaster(service.url).forecast(_rows(), symbols=SYMBOLS, end=END).probability.tolist() == [0.5, 0.5]
    service.answers += [answer, answer]
    assert _absent(_forecaster(service.url)) is Absent.UNAVAILABLE
    assert len(service.asked) == 4


@pytest.mark.parametrize("code", ["ValidationError", "AccessDeniedException"])
def test_an_endpoint_that_is_not_there_or_not_ours_is_asked_once(service: Service, code: str) -> None:
    service.answers.append((400, {"x-amzn-ErrorType": code}, b'{"Message": "Endpoint tickwire-test not found"}'))
    assert _absent(_forecaster(service.url)) is Absent.UNAVAILABLE
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "content", [b"<html>", b"{}", good(0.5), good(0.5, 1.5), good(0.5, -0.1), good(0.5, 0.5, 0.5), b""]
)
def test_an_answer_that_is_none_counts_as_no_answer(service: Service, content: bytes) -> None:
    service.answers.append((200, {}, content))
    assert _absent(_forecaster(service.url)) is Absent.UNAVAILABLE


def test_a_failure_that_took_long_is_not_tried_again() -> None:
    clock = Clock()

    class Slow:
        calls = 0

        def invoke_endpoint(self, **_: Any) -> Any:
            self.calls += 1
            clock.seconds += 0.5
            raise botocore.exceptions.ReadTimeoutError(endpoint_url="x")

    slow = Slow()
    forecaster = EndpointForecaster(slow, endpoint="e", schema=SCHEMA, clock=clock.ns, monotonic=clock.monotonic)
    assert _absent(forecaster) is Absent.UNAVAILABLE
    assert slow.calls == 1


def test_a_container_that_never_answers_is_left_after_half_a_second(service: Service) -> None:
    service.answers.append(None)
    assert CLIENT_CONFIG.connect_timeout == 0.2
    assert CLIENT_CONFIG.read_timeout == 0.5
    with pytest.raises(NoForecast, match="Read timeout"):
        EndpointForecaster(client(service.url), endpoint="e", schema=SCHEMA, clock=lambda: END).forecast(
            _rows(), symbols=SYMBOLS, end=END
        )
    assert len(service.asked) == 1


def test_nothing_listening_is_unavailable_and_after_three_times_nobody_is_asked(service: Service) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        clock = Clock()
        forecaster = _forecaster(f"http://127.0.0.1:{taken.getsockname()[1]}", clock)
        assert [_absent(forecaster) for _ in range(3)] == [Absent.UNAVAILABLE] * 3
    assert forecaster.is_open
    forecaster._client = client(service.url)
    assert _absent(forecaster) is Absent.UNAVAILABLE
    assert service.asked == []
    # Half open: one trial, which is answered.
    clock.seconds += 10
    service.answers.append((200, {}, good(0.5, 0.5)))
    assert forecaster.forecast(_rows(), symbols=SYMBOLS, end=END).probability.tolist() == [0.5, 0.5]
    assert not forecaster.is_open


def test_a_minute_of_two_minutes_ago_is_late_and_not_asked_about(service: Service) -> None:
    clock = Clock()
    forecaster = _forecaster(service.url, clock)
    clock.seconds = 120.1
    assert _absent(forecaster) is Absent.LATE
    clock.seconds = 120.0
    service.answers.append((200, {}, good(0.5, 0.5)))
    forecaster.forecast(_rows(), symbols=SYMBOLS, end=END)
    assert len(service.asked) == 1


def test_how_long_answers_took_is_told_once(service: Service) -> None:
    ticks = iter([0.0, 0.004, 1.0, 1.25])
    service.answers += [(200, {}, good(0.5, 0.5)), (200, {}, good(0.5, 0.5))]
    forecaster = EndpointForecaster(
        client(service.url), endpoint="e", schema=SCHEMA, clock=lambda: END, monotonic=lambda: next(ticks)
    )
    forecaster.forecast(_rows(), symbols=SYMBOLS, end=END)
    forecaster.forecast(_rows(), symbols=SYMBOLS, end=END)
    assert forecaster.take_latencies() == pytest.approx([0.004, 0.25])
    assert forecaster.take_latencies() == []
