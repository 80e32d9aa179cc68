"""What each topic's data are, to read them back from JSON. Light, as ``messages``."""

from collections.abc import Mapping
from typing import Any

import msgspec

from lambdas.broadcaster.conclusions import (
    AnomalyData,
    IndicatorsData,
    OutcomeData,
    PredictionData,
    SentimentData,
    SignalData,
    WhaleData,
)
from lambdas.broadcaster.health import HealthData
from lambdas.broadcaster.messages import BAR_TOPICS, BarData, Data, QuoteData, TradeData

DATA_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(BAR_TOPICS.values(), BarData),
    "trades": TradeData,
    "quotes": QuoteData,
    "health": HealthData,
    "indicators": IndicatorsData,
    "predictions": PredictionData | OutcomeData,
    "signals": SignalData,
    "whales": WhaleData,
    "anomalies": AnomalyData,
    "sentiment": SentimentData,
}
_one: Mapping[str, msgspec.json.Decoder[Any]] = {
    topic: msgspec.json.Decoder(kind) for topic, kind in DATA_TYPES.items()
}
_list: Mapping[str, msgspec.json.Decoder[Any]] = {
    topic: msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
    for topic, kind in DATA_TYPES.items()
}


def decode_data(topic: str, text: bytes | msgspec.Raw) -> Data:
    """Read one datum of a topic.

    Raises
    ------
    msgspec.DecodeError
        If it is not one.
    KeyError
        If there is no such topic.
    """
    data: Data = _one[topic].decode(text)
    return data


def decode_list(topic: str, text: str) -> list[Data]:
    """Read an array of a topic's data; raises as :func:`decode_data` does."""
    data: list[Data] = _list[topic].decode(text)
    return data
