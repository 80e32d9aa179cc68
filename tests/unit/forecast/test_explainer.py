"""The client for explanations against botocore's own parsing of HTTP answers, and against a server of sockets."""

import json
from typing import Any

import numpy as np
import pytest

from tests.unit.forecast.service import Service, client, model_error
from tickwire.forecast.explainer import EndpointExplainer, ExplanationRefused, ExplanationUnavailable
from tickwire.forecast.forecaster import Float32
from tickwire.model.features import SCHEMA, WINDOW

CONTRIBUTIONS = {name: 0.01 * number for number, name in enumerate(SCHEMA.names)}
BARS = [0.001 * number for number in range(WINDOW)]


def answer(**changes: Any) -> bytes:
    explanation = {"base": 0.5, "contributions": CONTRIBUTIONS, "bars": BARS} | changes.pop("explanation", {})
    whole = {
        "model": {"name": "lstm", "version": "7"},
        "schema": SCHEMA.digest,
        "predictions": [{"probability": 0.75, "explanation": explanation}],
    }
    return json.dumps(whole | changes).encode()


class Clock:
    """Seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def explainer(service: Service, clock: Clock) -> EndpointExplainer:
    return EndpointExplainer(client(service.url), endpoint="tickwire-test", schema=SCHEMA, monotonic=clock)


@pytest.fixture
def row() -> Float32:
    row = np.linspace(-1, 1, SCHEMA.width, dtype=np.float32)
    row[7] = np.nan
    return row


def test_a_row_goes_to_the_variant_that_is_named_and_its_reasons_come_back(
    service: Service, explainer: EndpointExplainer, row: Float32
) -> None:
    service.answers.append((200, {"x-Amzn-Invoked-Production-Variant": "challenger"}, answer()))
    explained = explainer.explain(row, variant="challenger")
    assert (explained.model, explained.version, explained.variant) == ("lstm", "7", "challenger")
    assert (explained.probability, explained.base) == (0.75, 0.5)
    assert explained.contributions == CONTRIBUTIONS
    assert explained.bars == BARS
    ((path, headers, body),) = service.asked
    assert path == "/endpoints/tickwire-test/invocations"
    assert headers["x-amzn-sagemaker-target-variant"] == "challenger"
    assert headers["content-type"] == "application/json"
    asked = json.loads(body)
    assert (asked["schema"], asked["explain"]) == (SCHEMA.digest, True)
    ((*sent,),) = asked["rows"]
    assert sent[7] is None
    np.testing.assert_array_equal(np.array(sent, np.float32), row)


@pytest.mark.parametrize(
    "refusal",
    [
        model_error(409, "base-rate came without what explanations compare with"),
        (400, {"x-amzn-ErrorType": "ValidationError"}, b'{"Message": "Variant challenger not found for Request"}'),
        (200, {}, answer(schema="0123456789abcdef")),
        (200, {}, answer(explanation={"bars": BARS[1:]})),
        (200, {}, answer(explanation={"contributions": {"other": 0.1}})),
        (200, {}, answer(predictions=[])),
        (200, {}, answer(predictions=[{"probability": 0.5}])),
        (200, {}, b"not JSON"),
    ],
)
def test_what_will_not_pass_is_refused_and_opens_no_breaker(
    service: Service, explainer: EndpointExplainer, row: Float32, refusal: Any
) -> None:
    service.answers += [refusal] * 4
    for _ in range(4):
        with pytest.raises(ExplanationRefused):
            explainer.explain(row, variant="challenger")
    assert len(service.asked) == 4


def test_three_failures_stop_the_calls_for_ten_seconds(
    service: Service, explainer: EndpointExplainer, clock: Clock, row: Float32
) -> None:
    service.answers += [model_error(500), (503, {"x-amzn-ErrorType": "ServiceUnavailable"}, b"{}"), None]
    for _ in range(4):
        with pytest.raises(ExplanationUnavailable):
            explainer.explain(row, variant="champion")
    assert len(service.asked) == 3
    clock.seconds = 10.5
    service.answers.append((200, {}, answer()))
    assert explainer.explain(row, variant="champion").variant == "champion"
