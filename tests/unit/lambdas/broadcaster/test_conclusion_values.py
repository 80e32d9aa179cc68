"""Conclusions to values: what is left of them for a screen, and in which shape."""

import json
from typing import Any

import msgspec

from lambdas.broadcaster.messages import TOPICS
from lambdas.broadcaster.values import values_of
from tickwire.conclusions import (
    Anomaly,
    AnomalyKind,
    Direction,
    IndicatorValues,
    Outcome,
    Prediction,
    Sentiment,
    SentimentPart,
    TradingSignal,
    Whale,
)
from tickwire.records import Header, Record, RecordKind

MILLISECOND = 1_000_000
MINUTE = 60_000  # ms


def record(**sections: Any) -> Record:
    return Record(header=Header(RecordKind.EVENTS, 3, 1), **sections)


def prediction(minute: int, horizon: int = 900, probability: float | None = 0.5, absent: str = "") -> Prediction:
    time = minute * MINUTE * MILLISECOND
    return Prediction("v", "A-B", time, horizon, 100.25, probability, absent, "direction", "7", "champion", (0.5, None))


def whale(first_id: int, venues: tuple[str, ...] = ("v",), **changes: Any) -> Whale:
    started = 5 * MILLISECOND + 999_999
    plain = Whale(venues, "A-B", -1, started, 2 * started, 1, 9e5, 100.5, 8e5, first_id, first_id)
    return msgspec.structs.replace(plain, **changes)


def shown(*records: Record) -> list[tuple[str, str, int, int, Any]]:
    """Give each value with its data as JSON has it."""
    values = values_of(records, partition=3)
    assert {value.topic for value in values} <= set(TOPICS)
    return [(*value[:4], json.loads(msgspec.json.encode(value.data))) for value in values]


def test_indicators_are_named_and_only_the_last_of_each_interval_is_left() -> None:
    def values(first: float | None) -> tuple[float | None, ...]:
        return (first, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, None)

    minute = MINUTE * MILLISECOND
    records = [
        record(indicators=(IndicatorValues("v", "A-B", 60, minute, values(40.0)),)),
        record(
            indicators=(
                IndicatorValues("v", "A-B", 60, 2 * minute, values(None)),
                IndicatorValues("v", "A-B", 1, minute, values(55.5)),
            )
        ),
    ]
    rest = {
        "macd": 1.0,
        "macd_signal": 2.0,
        "bollinger_upper": 3.0,
        "bollinger_lower": 4.0,
        "atr_14": 5.0,
        "vwap_20": 6.0,
        "volatility_30": 7.0,
        "imbalance_20": None,
    }
    assert shown(*records) == [
        ("indicators", "v:A-B", 60, 1, {"interval": 60, "start": 2 * MINUTE, "values": {"rsi_14": None, **rest}}),
        ("indicators", "v:A-B", 1, 1, {"interval": 1, "start": MINUTE, "values": {"rsi_14": 55.5, **rest}}),
    ]


def test_the_last_prediction_of_each_horizon_is_left_without_its_features() -> None:
    found = shown(
        record(predictions=(prediction(1), prediction(1, 300))), record(predictions=(prediction(2, 900, None, "late"),))
    )
    model = {"close": 100.25, "model": "direction", "version": "7", "variant": "champion", "kind": "prediction"}
    late = {"time": 120_000, "horizon": 900, "probability": None, "absent": "late", **model}
    shorter = {"time": 60_000, "horizon": 300, "probability": 0.5, "absent": "", **model}
    assert found == [("predictions", "v:A-B", 900, 1, late), ("predictions", "v:A-B", 300, 1, shorter)]


def test_an_outcome_names_its_prediction() -> None:
    time = 7 * MINUTE * MILLISECOND
    (found,) = shown(
        record(outcomes=(Outcome("v", "A-B", time, 900, 0.53, "direction", "7", "challenger", 100.0, 101.5, True),))
    )
    assert found == (
        "predictions", "v:A-B", 0, 50,
        {
            "kind": "outcome", "time": 420_000, "horizon": 900, "probability": 0.53, "model": "direction",
            "version": "7", "variant": "challenger", "close": 100.0, "closed_at": 101.5, "rose": True,
        },
    )  # fmt: skip


def test_a_signal_says_what_to_do_and_why() -> None:
    time = 7 * MINUTE * MILLISECOND
    flat = TradingSignal("v", "A-B", time, 900, Direction.FLAT, 0.06, 100.25, None, -0.0004, "costs eat it")
    assert shown(record(signals=(flat,))) == [
        (
            "signals", "v:A-B", 0, 50,
            {
                "time": 420_000, "horizon": 900, "direction": "flat", "confidence": 0.06, "price": 100.25,
                "invalidation": None, "expected_move": -0.0004, "reason": "costs eat it",
            },
        )
    ]  # fmt: skip


def test_a_whale_over_several_venues_is_told_to_each() -> None:
    found = shown(record(whales=(whale(0, ("v", "w"), trades=4),)))
    data = {
        "venues": ["v", "w"], "side": "sell", "started": 5, "ended": 11, "trades": 4, "notional": 9e5,
        "price": 100.5, "threshold": 8e5, "first_id": 0, "last_id": 0,
    }  # fmt: skip
    # The list of partition 3: other symbols' partitions may tell the same pair of a cluster over venues.
    assert found == [("whales", "v:A-B", 1_003, 50, data), ("whales", "w:A-B", 1_003, 50, data)]


def test_of_a_flood_of_whales_the_newest_fifty_are_left() -> None:
    found = shown(record(whales=tuple(whale(n) for n in range(1, 81))))
    assert [data["first_id"] for *_, data in found] == list(range(31, 81))


def test_an_anomaly_has_its_reason() -> None:
    odd = Anomaly("v", "A-B", AnomalyKind.SILENCE, 9 * MILLISECOND, 61.0, 20.0, "s", "no trade for 61 s")
    data = {"anomaly": "silence", "time": 9, "value": 61.0, "usual": 20.0, "unit": "s", "reason": "no trade for 61 s"}
    assert shown(record(anomalies=(odd,))) == [("anomalies", "v:A-B", 1_003, 50, data)]


def test_a_disagreement_is_shown_with_both_venues() -> None:
    odd = Anomaly("low/high", "A-B", AnomalyKind.DISAGREEMENT, 9_000_000, 61.0, 20.0, "bp", "they differ")
    assert [key for _, key, *_ in shown(record(anomalies=(odd,)))] == ["low:A-B", "high:A-B"]


def test_the_mood_is_the_markets_and_the_last_one_wins() -> None:
    part = SentimentPart("momentum", 70.0, 1.0, 0.002)
    early, late = (Sentiment(n * MINUTE * MILLISECOND, 60.0 + n, 5, (part,)) for n in (1, 2))
    parts = [{"name": "momentum", "score": 70.0, "weight": 1.0, "value": 0.002}]
    assert shown(record(sentiment=(early,)), record(sentiment=(late,))) == [
        ("sentiment", "market:*", 0, 1, {"time": 120_000, "index": 62.0, "symbols": 5, "parts": parts})
    ]
