"""Asks the model's endpoint why it says what it says of a row.

Somebody waits for the answer, and no bars do: a call may take longer than a forecast's, and is not tried again. The
row goes as JSON, one of them being small; the answer is the contract of :mod:`tickwire.model.requests`.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tickwire.errors import TickwireError
from tickwire.forecast.answers import FAILURES, MAX_ANSWER_BYTES, OPEN_SECONDS, Model, container_refusal
from tickwire.forecast.breaker import CircuitBreaker
from tickwire.forecast.forecaster import Float32
from tickwire.model.requests import JSON
from tickwire.model.schema import FeatureSchema

_LOGGER = logging.getLogger("tickwire.forecast")

EXPLAINER_CONFIG = Config(
    connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1}, tcp_keepalive=True
)
"""For the client that an :class:`EndpointExplainer` is given."""


class ExplanationUnavailable(TickwireError):
    """The endpoint did not answer; it may later."""


class ExplanationRefused(TickwireError):
    """The endpoint answered, and has no explanation of this row; asking again changes nothing."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Attributes
    ----------
    model, version, variant : what answered
    probability : of a rise, 0 to 1
    base : probability of the row that the model compares with
    contributions : by feature, in probability; with ``base`` they add up to ``probability``
    bars : likewise by bar of the row, oldest first
    """

    model: str
    version: str
    variant: str
    probability: float
    base: float
    contributions: Mapping[str, float]
    bars: Sequence[float]


class _Explanation(msgspec.Struct, frozen=True):
    base: float
    contributions: dict[str, float]
    bars: list[float]


class _Prediction(msgspec.Struct, frozen=True):
    probability: float
    explanation: _Explanation


class _Answer(msgspec.Struct, frozen=True):
    model: Model
    schema: str
    predictions: list[_Prediction]


class EndpointExplainer:
    """Asks a SageMaker endpoint.

    Parameters
    ----------
    client : of ``sagemaker-runtime``, made with :data:`EXPLAINER_CONFIG`
    endpoint : its name
    schema : of the rows
    monotonic : s, by which the breaker is timed
    """

    def __init__(
        self, client: Any, *, endpoint: str, schema: FeatureSchema, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._schema = schema
        self._breaker = CircuitBreaker(failures=FAILURES, seconds=OPEN_SECONDS, clock=monotonic)

    def explain(self, row: Float32, *, variant: str) -> Explained:
        """Explain a row by the model behind a variant.

        ``row`` : float32 (width,), NaN where masked

        Raises
        ------
        ExplanationUnavailable
            If the endpoint does not answer, or failed three times in a row less than ten seconds ago.
        ExplanationRefused
            If there is no such variant, or its model takes other rows or explains none.
        """
        if not self._breaker.allows():
            raise ExplanationUnavailable(f"endpoint {self._endpoint} failed {FAILURES} times in a row")
        try:
            explained = self._ask(row, variant)
        except ExplanationUnavailable as failure:
            self._breaker.failed()
            _LOGGER.warning("no explanation from %s: %s", self._endpoint, failure)
            raise
        except ExplanationRefused:
            # It is there, and says no.
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return explained

    def _ask(self, row: Float32, variant: str) -> Explained:
        numbers = [None if np.isnan(one) else one for one in row.tolist()]
        body = json.dumps({"schema": self._schema.digest, "rows": [numbers], "explain": True}).encode()
        try:
            response = self._client.invoke_endpoint(
                EndpointName=self._endpoint, ContentType=JSON, Accept=JSON, Body=body, TargetVariant=variant
            )
            content = response["Body"].read(MAX_ANSWER_BYTES)
        except ClientError as error:
            raise _told(error, variant) from error
        except (BotoCoreError, OSError) as error:
            raise ExplanationUnavailable(str(error)) from error
        return self._read(content, response.get("InvokedProductionVariant", variant))

    def _read(self, content: bytes, variant: str) -> Explained:
        try:
            answer = msgspec.json.decode(content, type=_Answer)
            (prediction,) = answer.predictions
        except (msgspec.DecodeError, ValueError) as error:
            raise ExplanationRefused(f"an answer that cannot be read: {error}") from error
        explanation = prediction.explanation
        if answer.schema != self._schema.digest:
            raise ExplanationRefused(f"the model is for rows of schema {answer.schema}")
        if set(explanation.contributions) != set(self._schema.names) or len(explanation.bars) != self._schema.window:
            raise ExplanationRefused("the explanation has other features or bars than the row")
        return Explained(
            model=answer.model.name,
            version=answer.model.version,
            variant=variant,
            probability=prediction.probability,
            base=explanation.base,
            contributions=explanation.contributions,
            bars=explanation.bars,
        )


def _told(error: ClientError, variant: str) -> Exception:
    """Say what an error of SageMaker means.

    API reference, InvokeEndpoint: a request that SageMaker itself cannot take is a ``ValidationError``. One that names
    the variant says that it is not there.
    """
    if refusal := container_refusal(error):
        return ExplanationRefused(refusal)
    failure = error.response.get("Error", {})
    if failure.get("Code") in ("ValidationError", "ValidationException") and variant in failure.get("Message", ""):
        return ExplanationRefused(f"the endpoint has no variant {variant}")
    return ExplanationUnavailable(str(error)[:500])
