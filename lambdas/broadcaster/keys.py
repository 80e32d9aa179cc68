"""Which topics and symbols a record speaks of: what its numbers are counted by. Pure.

Keys do not depend on what else is in a batch, so numbers do not depend on how the stream was cut into batches.
"""

from collections.abc import Iterator, Mapping

from lambdas.broadcaster.conclusions import MARKET
from lambdas.broadcaster.messages import BAR_TOPICS
from lambdas.broadcaster.roll_up import MINUTES, TOPICS
from lambdas.broadcaster.value import Key
from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.records import Record

ROLLED_UP: Mapping[str, tuple[str, ...]] = {MINUTES: tuple(TOPICS)}
"""Topics whose values are made from those of another topic, by that topic."""


def keys_of(record: Record) -> frozenset[Key]:
    """Give the (topic, symbol) pairs of the values that :func:`lambdas.broadcaster.values.values_of` makes of it."""
    return frozenset((*_market_keys(record), *_health_keys(record), *_conclusion_keys(record)))


def _market_keys(record: Record) -> Iterator[Key]:
    for bar in record.bars:
        if bar.interval in BAR_TOPICS:
            topic, symbol = BAR_TOPICS[bar.interval], f"{bar.venue}:{bar.symbol}"
            yield topic, symbol
            for longer in ROLLED_UP.get(topic, ()):
                yield longer, symbol
    for symbol in _symbols(record.trades):
        yield "trades", symbol
    for symbol in _symbols(record.quotes):
        yield "quotes", symbol


def _symbols(batch: TradeBatch | QuoteBatch) -> Iterator[str]:
    for index in set(batch.instrument.tolist()):
        instrument = batch.instruments[index]
        yield f"{instrument.venue}:{instrument.symbol}"


def _health_keys(record: Record) -> Iterator[Key]:
    for part in (record.progress, record.continuity, record.gaps, record.quarantined):
        for one in part:
            yield "health", f"{one.venue}:{one.symbol}"
    for notice in record.notices:
        yield "health", f"{notice.venue}:*"


def _conclusion_keys(record: Record) -> Iterator[Key]:
    for part, topic in (
        (record.indicators, "indicators"),
        (record.predictions, "predictions"),
        (record.outcomes, "predictions"),
        (record.signals, "signals"),
    ):
        for one in part:
            yield topic, f"{one.venue}:{one.symbol}"
    for whale in record.whales:
        for venue in whale.venues:
            yield "whales", f"{venue}:{whale.symbol}"
    for odd in record.anomalies:
        for venue in odd.venue.split("/"):
            yield "anomalies", f"{venue}:{odd.symbol}"
    if record.sentiment:
        yield "sentiment", MARKET
