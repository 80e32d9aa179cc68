"""What is looked for in each record of one partition: whales and anomalies of its symbols."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from tickwire.conclusions import Anomaly, Whale
from tickwire.detect.anomalies import AnomalyDetector
from tickwire.detect.whales import WhaleDetector
from tickwire.records import Bar, Record


class PackedDetectors(msgspec.Struct, array_like=True):
    """The states of both."""

    whales: bytes
    anomalies: bytes


@dataclass(slots=True)
class Detectors:
    """Both detectors of a partition."""

    whales: WhaleDetector = field(default_factory=WhaleDetector)
    anomalies: AnomalyDetector = field(default_factory=AnomalyDetector)

    def take(self, record: Record, bars: Iterable[Bar]) -> tuple[tuple[Whale, ...], tuple[Anomaly, ...]]:
        """Take in a CLEAN record, and the bars that its trades changed; give what was found."""
        whales = self.whales.update(record.trades)
        anomalies = self.anomalies.update(
            bars=bars, trades=record.trades, quotes=record.quotes, now=record.header.created
        )
        return tuple(whales), tuple(anomalies)

    def pack(self) -> PackedDetectors:
        """Give what :meth:`unpack` reads; the same state always gives the same."""
        return PackedDetectors(self.whales.dump(), self.anomalies.dump())

    @classmethod
    def unpack(cls, packed: PackedDetectors) -> "Detectors":
        """Give the detectors; raises UnreadableState."""
        return cls(WhaleDetector.load(packed.whales), AnomalyDetector.load(packed.anomalies))
