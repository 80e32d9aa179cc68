"""What some records conclude from the market, gathered to be written. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tickwire.conclusions import Anomaly, Outcome, Prediction, Sentiment, TradingSignal, Whale
from tickwire.records import Record


class Scored(NamedTuple):
    """An outcome, and when the record that tells it was made: ns UTC."""

    outcome: Outcome
    time: int


@dataclass(frozen=True, slots=True)
class Conclusions:
    """Rows to write, each symbol's in the order of its records. What comes twice does no harm."""

    predictions: list[Prediction] = field(default_factory=list)
    outcomes: list[Scored] = field(default_factory=list)
    whales: list[Whale] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)
    signals: list[TradingSignal] = field(default_factory=list)
    sentiment: list[Sentiment] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Take the next record of its partition in."""
        self.predictions.extend(record.predictions)
        self.outcomes.extend(Scored(outcome, record.header.created) for outcome in record.outcomes)
        self.whales.extend(record.whales)
        self.anomalies.extend(record.anomalies)
        self.signals.extend(record.signals)
        self.sentiment.extend(record.sentiment)


def times_of(record: Record) -> Iterator[int]:
    """Give the time (ns UTC) of each conclusion whose table has a part for each month."""
    for section in (record.predictions, record.outcomes, record.anomalies, record.signals):
        for one in section:
            yield one.time
    for whale in record.whales:
        yield whale.started
