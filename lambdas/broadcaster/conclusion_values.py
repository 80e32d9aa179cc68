"""What records conclude from the market, as values for clients. Pure, as ``values``."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from lambdas.broadcaster.conclusions import (
    MARKET,
    AnomalyData,
    IndicatorsData,
    OutcomeData,
    PredictionData,
    SentimentData,
    SentimentPartData,
    SignalData,
    WhaleData,
)
from lambdas.broadcaster.messages import Data
from lambdas.broadcaster.value import BY_PARTITION_AT, LATEST_AT, Value
from tickwire.conclusions import Anomaly, IndicatorValues, Outcome, Prediction, Sentiment, TradingSignal, Whale
from tickwire.features.indicators import Indicators
from tickwire.records import Record

FRAME_CONCLUSIONS = 50
"""The newest outcomes, signals, whales and anomalies of a symbol that go out at once."""

KEPT_CONCLUSIONS = 50
"""As many are kept for snapshots."""

_MILLISECOND = 1_000_000
_SIDES = {1: "buy", -1: "sell"}


def conclusion_values(records: Sequence[Record], *, partition: int) -> Iterator[Value]:
    """Give what clients should see of these records' conclusions.

    Of indicators, predictions and the mood only the last; it stands at the interval or the horizon that it is for.
    """
    yield from _latest(records)
    lists: defaultdict[tuple[str, str, int], list[Data]] = defaultdict(list)
    for record in records:
        for outcome in record.outcomes:
            lists["predictions", f"{outcome.venue}:{outcome.symbol}", LATEST_AT].append(_outcome(outcome))
        for signal in record.signals:
            lists["signals", f"{signal.venue}:{signal.symbol}", LATEST_AT].append(_signal(signal))
        for whale in record.whales:
            for venue in whale.venues:
                lists["whales", f"{venue}:{whale.symbol}", BY_PARTITION_AT + partition].append(_whale(whale))
        for odd in record.anomalies:
            # A disagreement is of the venues lowest/highest.
            for venue in odd.venue.split("/"):
                lists["anomalies", f"{venue}:{odd.symbol}", BY_PARTITION_AT + partition].append(_anomaly(odd))
    for (topic, symbol, at), some in lists.items():
        for data in some[-FRAME_CONCLUSIONS:]:
            yield Value(topic, symbol, at, KEPT_CONCLUSIONS, data)


def _latest(records: Sequence[Record]) -> Iterator[Value]:
    indicators: dict[tuple[str, int], IndicatorValues] = {}
    predictions: dict[tuple[str, int], Prediction] = {}
    sentiment: Sentiment | None = None
    for record in records:
        for one in record.indicators:
            indicators[f"{one.venue}:{one.symbol}", one.interval] = one
        for prediction in record.predictions:
            predictions[f"{prediction.venue}:{prediction.symbol}", prediction.horizon] = prediction
        for mood in record.sentiment:
            sentiment = mood
    for (symbol, interval), one in indicators.items():
        # Names are only ever added at the end, so that a record of before has fewer values.
        values = dict(zip(Indicators.INDICATORS, one.values, strict=False))
        yield Value("indicators", symbol, interval, 1, IndicatorsData(interval, one.start // _MILLISECOND, values))
    for (symbol, horizon), prediction in predictions.items():
        yield Value("predictions", symbol, horizon, 1, _prediction(prediction))
    if sentiment is not None:
        yield Value("sentiment", MARKET, LATEST_AT, 1, _sentiment(sentiment))


def _prediction(one: Prediction) -> PredictionData:
    return PredictionData(
        time=one.time // _MILLISECOND,
        horizon=one.horizon,
        close=one.close,
        probability=one.probability,
        absent=one.absent,
        model=one.model,
        version=one.version,
        variant=one.variant,
    )


def _outcome(one: Outcome) -> OutcomeData:
    return OutcomeData(
        time=one.time // _MILLISECOND,
        horizon=one.horizon,
        probability=one.probability,
        model=one.model,
        version=one.version,
        variant=one.variant,
        close=one.close,
        closed_at=one.closed_at,
        rose=one.rose,
    )


def _signal(one: TradingSignal) -> SignalData:
    return SignalData(
        time=one.time // _MILLISECOND,
        horizon=one.horizon,
        direction=one.direction.value,
        confidence=one.confidence,
        price=one.price,
        invalidation=one.invalidation,
        expected_move=one.expected_move,
        reason=one.reason,
    )


def _whale(one: Whale) -> WhaleData:
    return WhaleData(
        venues=one.venues,
        side=_SIDES.get(one.side, "unknown"),
        started=one.started // _MILLISECOND,
        ended=one.ended // _MILLISECOND,
        trades=one.trades,
        notional=one.notional,
        price=one.price,
        threshold=one.threshold,
        first_id=one.first_id,
        last_id=one.last_id,
    )


def _anomaly(one: Anomaly) -> AnomalyData:
    return AnomalyData(one.kind.value, one.time // _MILLISECOND, one.value, one.usual, one.unit, one.reason)


def _sentiment(one: Sentiment) -> SentimentData:
    parts = tuple(SentimentPartData(*msgspec.structs.astuple(part)) for part in one.parts)
    return SentimentData(one.time // _MILLISECOND, one.index, one.symbols, parts)
