"""What the topics of conclusions carry: ``indicators``, ``predictions``, ``signals``, ``whales``, ``anomalies``,
``sentiment``. Light, as ``messages``.

All numbers are JSON numbers, since they are estimates and not the exchange's own; what there is none of is null.
Times are ms UTC.
"""

import msgspec

from lambdas.broadcaster.health import Order

CONCLUSION_TOPICS = ("indicators", "predictions", "signals", "whales", "anomalies", "sentiment")

MARKET = "market:*"
"""The symbol of ``sentiment``, which is of all symbols together."""


class IndicatorsData(msgspec.Struct, frozen=True):
    """The indicators after the bar of ``interval`` seconds that began at ``start``, by name."""

    interval: int
    start: int
    values: dict[str, float | None]

    @property
    def order(self) -> Order:
        """The newer bar's win."""
        return (self.start,)


class PredictionData(msgspec.Struct, frozen=True, tag_field="kind", tag="prediction"):
    """The probability of a higher close ``horizon`` seconds after ``time``, or in ``absent`` why there is none.

    ``absent`` is a word of :attr:`tickwire.conclusions.Prediction.absent`, else empty; ``close`` is the price at
    ``time``; ``model``, ``version`` and ``variant`` are what answered.
    """

    time: int
    horizon: int
    close: float
    probability: float | None
    absent: str
    model: str
    version: str
    variant: str

    @property
    def order(self) -> Order:
        """The later one wins."""
        return (self.time,)


class OutcomeData(msgspec.Struct, frozen=True, tag_field="kind", tag="outcome"):
    """What became of the prediction of ``time``: ``closed_at`` the horizon. ``rose`` is null where it closed level."""

    time: int
    horizon: int
    probability: float
    model: str
    version: str
    variant: str
    close: float
    closed_at: float
    rose: bool | None

    @property
    def order(self) -> Order:
        """Each prediction has one."""
        return (self.time, self.horizon)


class SignalData(msgspec.Struct, frozen=True):
    """What a prediction is worth: ``direction`` is ``long``, ``short`` or ``flat``, ``confidence`` 0 to 1.

    ``expected_move`` is a fraction of ``price`` within ``horizon`` seconds, after costs; ``invalidation`` the price
    at which the signal is void, null where flat.
    """

    time: int
    horizon: int
    direction: str
    confidence: float
    price: float
    invalidation: float | None
    expected_move: float
    reason: str

    @property
    def order(self) -> Order:
        """Each prediction has one."""
        return (self.time, self.horizon)


class WhaleData(msgspec.Struct, frozen=True):
    """A large trade, or a cluster of ``trades`` on one side; one of the same ``started`` and ids replaces it.

    ``side`` is the aggressor's, ``notional`` and ``threshold`` are quote currency, ``price`` is volume-weighted.
    ``first_id`` and ``last_id`` are 0 where it lies on several venues; each of those hears of it.
    """

    venues: tuple[str, ...]
    side: str
    started: int
    ended: int
    trades: int
    notional: float
    price: float
    threshold: float
    first_id: int
    last_id: int

    @property
    def order(self) -> Order:
        """Ordered by when they began; a cluster that grows stays where it is."""
        return (self.started, self.side, self.first_id, ",".join(self.venues))


class AnomalyData(msgspec.Struct, frozen=True):
    """Something unlikely: ``anomaly`` is its kind, ``value`` what was seen, ``usual`` the bound that it passed."""

    anomaly: str
    time: int
    value: float
    usual: float
    unit: str
    reason: str

    @property
    def order(self) -> Order:
        """Ordered by when they were seen."""
        return (self.time, self.anomaly)


class SentimentPartData(msgspec.Struct, frozen=True):
    """One part of the index: its score (0 to 100), its weight, and the number that it comes from."""

    name: str
    score: float
    weight: float
    value: float


class SentimentData(msgspec.Struct, frozen=True):
    """The mood of the market over the minute that ends at ``time``: 0 (fear) to 100 (greed), over ``symbols``."""

    time: int
    index: float
    symbols: int
    parts: tuple[SentimentPartData, ...]

    @property
    def order(self) -> Order:
        """The later one wins."""
        return (self.time,)


ConclusionData = IndicatorsData | PredictionData | OutcomeData | SignalData | WhaleData | AnomalyData | SentimentData
