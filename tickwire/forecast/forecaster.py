"""What the signals stage asks for probabilities: rows in, probabilities out, or the reason why there are none."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tickwire.bar_table import Key
from tickwire.errors import TickwireError
from tickwire.features import Float64

Float32 = npt.NDArray[np.float32]


class Absent(StrEnum):
    """Why a prediction has no probability; see :class:`tickwire.conclusions.Prediction`."""

    WARMING_UP = "warming_up"
    HALTED = "halted"
    LATE = "late"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"


class NoForecast(TickwireError):
    """There are no probabilities for the rows.

    Attributes
    ----------
    absent : why, for those who get the predictions; the message says it for operators
    """

    def __init__(self, absent: Absent, message: str) -> None:
        super().__init__(message)
        self.absent = absent


@dataclass(frozen=True, slots=True)
class Origin:
    """What answered: a model by its name and version, and the variant of the endpoint that it stood behind."""

    model: str
    version: str
    variant: str


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Probabilities that the price rises, float64 (n,), 0 to 1, and what gave them."""

    probability: Float64
    origin: Origin


class Forecaster(Protocol):
    """Gives probabilities of rows of :data:`tickwire.model.features.SCHEMA`."""

    def prepare(self) -> None:
        """Load what :meth:`forecast` needs, so that the first minute does not wait for it."""

    def forecast(self, rows: Float32, *, symbols: Sequence[Key], end: int) -> Forecast:
        """Ask about rows, float32 (n, 960), NaN where masked, of the minute that ended at ``end``, ns UTC.

        ``symbols`` : (venue, symbol) of each row

        Raises
        ------
        NoForecast
            If there is no answer, or none that can be used. It must not raise anything else: a model that fails stops
            no bars.
        """
