"""The model's endpoint as a forecaster: one call a minute, that must not hold up the bars.

A call connects within 0.2 s and is read within 0.5 s, and all of it takes 0.8 s at most: a failure that came fast is
tried once more, one that took long is not. After three failures in a row nothing is asked for ten seconds.

What is asked and answered is the contract of :mod:`tickwire.model.requests`: rows as an Arrow stream, as JSON would be
four times as large and slow to read; the answer as JSON.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tickwire.bar_table import Key
from tickwire.forecast.answers import FAILURES, MAX_ANSWER_BYTES, OPEN_SECONDS, Model, container_refusal
from tickwire.forecast.breaker import BreakerState, CircuitBreaker
from tickwire.forecast.forecaster import Absent, Float32, Forecast, NoForecast, Origin
from tickwire.model.arrow_bodies import rows_stream
from tickwire.model.requests import ARROW, JSON
from tickwire.model.schema import FeatureSchema

MAX_AGE_SECONDS = 120
"""A minute that ended longer ago is not worth a call: nobody can act on it, and catching up must not wait."""

_CONNECT_SECONDS, _READ_SECONDS, _BUDGET_SECONDS = 0.2, 0.5, 0.8
_LOGGER = logging.getLogger("tickwire.forecast")

CLIENT_CONFIG = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    # What is tried again is decided here, within the budget.
    retries={"mode": "standard", "total_max_attempts": 1},
    tcp_keepalive=True,
)
"""For the client that an :class:`EndpointForecaster` is given."""


class _Probability(msgspec.Struct, frozen=True):
    probability: float


class _Answer(msgspec.Struct, frozen=True):
    model: Model
    schema: str
    predictions: list[_Probability]


class _Failed(Exception):
    """One call failed; ``again`` says whether another may do better."""

    def __init__(self, message: str, *, again: bool = True) -> None:
        super().__init__(message)
        self.again = again


_decode = msgspec.json.Decoder(_Answer).decode


class EndpointForecaster:
    """Asks a SageMaker endpoint.

    Parameters
    ----------
    client : of ``sagemaker-runtime``, made with :data:`CLIENT_CONFIG`
    endpoint : its name
    schema : of the rows; an answer to other rows is not taken
    clock : ns UTC, by which a minute is too old
    monotonic : s, by which calls and the breaker are timed

    Attributes
    ----------
    breaker : whether it is asked at all
    """

    def __init__(
        self,
        client: Any,
        *,
        endpoint: str,
        schema: FeatureSchema,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._schema = schema
        self._clock = clock
        self._monotonic = monotonic
        self._latencies: list[float] = []
        self.breaker = CircuitBreaker(failures=FAILURES, seconds=OPEN_SECONDS, clock=monotonic)

    def prepare(self) -> None:
        """Load Arrow."""
        import pyarrow  # noqa: F401

    def forecast(self, rows: Float32, *, symbols: Sequence[Key], end: int) -> Forecast:
        """Ask about rows; see :meth:`tickwire.forecast.forecaster.Forecaster.forecast`.

        Whose they are, and the time, goes along in columns ``venue``, ``symbol`` and ``time`` (int64, ns UTC). The
        container does not look at them: they are captured with the rows, which are judged by them later.
        """
        age = (self._clock() - end) / 1e9
        if age > MAX_AGE_SECONDS:
            raise NoForecast(Absent.LATE, f"the minute ended {age:.0f} s ago")
        if not self.breaker.allows():
            raise NoForecast(Absent.UNAVAILABLE, f"endpoint {self._endpoint} failed {FAILURES} times in a row")
        beside = {
            "venue": [venue for venue, _ in symbols],
            "symbol": [symbol for _, symbol in symbols],
            "time": np.full(len(symbols), end, np.int64),
        }
        body = rows_stream(rows, schema=self._schema, beside=beside)
        began = self._monotonic()
        try:
            answer = self._ask_within_budget(body, len(rows), began)
        except _Failed as failure:
            self.breaker.failed()
            _LOGGER.warning("no forecast from %s: %s", self._endpoint, failure)
            raise NoForecast(Absent.UNAVAILABLE, f"endpoint {self._endpoint}: {failure}") from failure
        except NoForecast as refusal:
            # It is there, and says no.
            self.breaker.succeeded()
            _LOGGER.warning("no forecast from %s: %s", self._endpoint, refusal)
            raise
        self.breaker.succeeded()
        self._latencies.append(self._monotonic() - began)
        return answer

    def take_latencies(self) -> list[float]:
        """Give the seconds that each answered call took since the last time that somebody asked."""
        latencies, self._latencies = self._latencies, []
        return latencies

    @property
    def is_open(self) -> bool:
        """Whether the breaker keeps calls back."""
        return self.breaker.state is not BreakerState.CLOSED

    def _ask_within_budget(self, body: bytes, rows: int, began: float) -> Forecast:
        try:
            return self._ask(body, rows)
        except _Failed as failure:
            left = _BUDGET_SECONDS - (self._monotonic() - began)
            if not failure.again or left < _CONNECT_SECONDS + _READ_SECONDS:
                raise
        return self._ask(body, rows)

    def _ask(self, body: bytes, rows: int) -> Forecast:
        try:
            response = self._client.invoke_endpoint(
                EndpointName=self._endpoint, ContentType=ARROW, Accept=JSON, Body=body
            )
            content = response["Body"].read(MAX_ANSWER_BYTES)
        except ClientError as error:
            raise _told(error) from error
        except (BotoCoreError, OSError) as error:
            raise _Failed(str(error)) from error
        return self._read(content, rows, response.get("InvokedProductionVariant", ""))

    def _read(self, content: bytes, rows: int, variant: str) -> Forecast:
        try:
            answer = _decode(content)
        except msgspec.DecodeError as error:
            raise _Failed(f"an answer that cannot be read: {error}", again=False) from error
        if answer.schema != self._schema.digest:
            raise NoForecast(Absent.REFUSED, f"the model is for rows of schema {answer.schema}")
        probability = np.array([one.probability for one in answer.predictions], np.float64)
        if len(probability) != rows or not np.all((probability >= 0) & (probability <= 1)):
            raise _Failed(f"{len(probability)} probabilities for {rows} rows, or some outside 0 to 1", again=False)
        return Forecast(probability, Origin(answer.model.name, answer.model.version, variant))


def _told(error: ClientError) -> Exception:
    """Say what an error of SageMaker means: of its own errors those that come of rights and names will not pass."""
    if refusal := container_refusal(error):
        return NoForecast(Absent.REFUSED, refusal)
    code = error.response.get("Error", {}).get("Code", "")
    own = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    lasting = code not in ("ModelError", "ThrottlingException") and 400 <= own < 500
    return _Failed(str(error)[:500], again=not lasting)
