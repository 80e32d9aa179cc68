"""What is concluded from the market: the sections of a market-events record beyond bars, trades and quotes.

Times are ns UTC. Numbers are float64, since they are estimates and not the exchange's own; a number that there is
none of is None, never 0 or NaN.
"""

from enum import StrEnum

import msgspec


class IndicatorValues(msgspec.Struct, frozen=True, array_like=True):
    """The indicators of a symbol after one closed bar.

    ``values`` has one for each of :attr:`tickwire.features.indicators.Indicators.INDICATORS`, in that order; ``start``
    is the bar's, ``interval`` its seconds.
    """

    venue: str
    symbol: str
    interval: int
    start: int
    values: tuple[float | None, ...]


class Whale(msgspec.Struct, frozen=True, array_like=True):
    """A trade, or trades close together on one side, far in the tail of the symbol's own notionals.

    Attributes
    ----------
    venues : on which it took place; one unless it is a cluster over several
    side : +1 if the aggressor bought, -1 if he sold
    started, ended : exchange times of its first and its last trade
    trades : how many it is made of; 1 is a single trade
    notional : quote currency
    price : volume-weighted average, quote currency
    threshold : the notional above which it counts as one, from the symbol's own distribution
    first_id, last_id : trade ids between which it lies; 0 over several venues
    """

    venues: tuple[str, ...]
    symbol: str
    side: int
    started: int
    ended: int
    trades: int
    notional: float
    price: float
    threshold: float
    first_id: int = 0
    last_id: int = 0


class AnomalyKind(StrEnum):
    """What is out of the ordinary."""

    PRICE = "price"
    RATE = "rate"
    SPREAD = "spread"
    SILENCE = "silence"
    DISAGREEMENT = "disagreement"


class Anomaly(msgspec.Struct, frozen=True, array_like=True):
    """Something about a symbol that its own recent past makes unlikely, with the reason in a sentence.

    ``value`` is what was seen and ``usual`` the bound that it passed, both in ``unit``.
    """

    venue: str
    symbol: str
    kind: AnomalyKind
    time: int
    value: float
    usual: float
    unit: str
    reason: str


class Prediction(msgspec.Struct, frozen=True, array_like=True):
    """The probability that a symbol stands higher ``horizon`` seconds after ``time``, or why there is none.

    Attributes
    ----------
    time : end of the newest minute that it knows
    close : price then, quote currency
    probability : 0 to 1; None where ``absent`` says why
    absent : ``warming_up`` (history is short), ``halted`` (too many bars are missing), ``late`` (the minute lies too
        far back), ``unavailable`` (the endpoint did not answer), ``refused`` (it did not take the rows); else empty
    model, version, variant : what answered
    features : of the newest bar, in the order of the schema, for drift
    """

    venue: str
    symbol: str
    time: int
    horizon: int
    close: float
    probability: float | None = None
    absent: str = ""
    model: str = ""
    version: str = ""
    variant: str = ""
    features: tuple[float | None, ...] = ()


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What became of a prediction: the close at its horizon. ``rose`` is None where it closed level."""

    venue: str
    symbol: str
    time: int
    """The prediction's."""
    horizon: int
    probability: float
    model: str
    version: str
    variant: str
    close: float
    closed_at: float
    rose: bool | None


class Direction(StrEnum):
    """What a trading signal says to do."""

    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


class TradingSignal(msgspec.Struct, frozen=True, array_like=True):
    """What a prediction is worth after costs.

    Attributes
    ----------
    confidence : 0 to 1, ``|2 p - 1|``
    price : at ``time``
    invalidation : the price at which the signal is void; None where flat
    expected_move : fraction of the price within ``horizon`` seconds, after costs; negative where they eat it
    reason : a sentence
    """

    venue: str
    symbol: str
    time: int
    horizon: int
    direction: Direction
    confidence: float
    price: float
    invalidation: float | None
    expected_move: float
    reason: str


class SentimentPart(msgspec.Struct, frozen=True, array_like=True):
    """One part of the index: 0 (fear) to 100 (greed), its weight, and the number it comes from."""

    name: str
    score: float
    weight: float
    value: float


class Sentiment(msgspec.Struct, frozen=True, array_like=True):
    """The mood of the market over the minute that ends at ``time``: 0 (fear) to 100 (greed), 50 neutral.

    ``index`` is the weighted mean of the scores of ``parts``, which together weigh 1.
    """

    time: int
    index: float
    symbols: int
    parts: tuple[SentimentPart, ...]
