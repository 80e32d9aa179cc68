"""What is concluded from several symbols or venues, once a minute of the market is complete."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from tickwire.detect.disagreement import DisagreementDetector
from tickwire.detect.market_facts import MINUTE, PartitionFacts, WhaleKey, whale_key
from tickwire.detect.sentiment import MinuteFacts, SentimentIndex
from tickwire.detect.venue_whales import clusters
from tickwire.envelope import decode, encode
from tickwire.errors import UnreadableState
from tickwire.records import Header, Record, RecordKind
from tickwire.stages.stage import StateCodec

_VERSION = 1
_SECOND = 1_000_000_000
LIVE_MINUTES = 5
"""A symbol that traded within so many minutes is waited for."""
GRACE = 2 * _SECOND
"""So long after the first symbol has left a minute, by the records' own clock, the others are waited for no more."""
SILENT_GRACE = 30 * _SECOND
"""And so long, where a partition has told nothing at all since: its shard may lag behind the others."""
MAX_RECORDS = 30
"""Minutes concluded at a time; the rest comes with the next record."""
_TOLD_MINUTES = 20


@dataclass(slots=True)
class MarketState:
    """What is remembered of the market.

    Attributes
    ----------
    counter : of the last record given
    minute : start of the last minute concluded, ns UTC; 0 before the first one
    sentiment, disagreements : of all symbols
    told : whales that were told as part of a cluster → when they ended
    waiting : records that were given and may not have been put into the stream
    """

    counter: int = 0
    minute: int = 0
    sentiment: SentimentIndex = field(default_factory=SentimentIndex)
    disagreements: DisagreementDetector = field(default_factory=DisagreementDetector)
    told: dict[WhaleKey, int] = field(default_factory=dict)
    waiting: tuple[Record, ...] = ()


class _Packed(msgspec.Struct, array_like=True):
    counter: int
    minute: int
    sentiment: bytes
    disagreements: bytes
    told: list[tuple[WhaleKey, int]]
    waiting: list[bytes]


class Market(StateCodec[MarketState]):
    """Concludes minutes of the market; its records lie in the logical partition ``partition``."""

    name = "market"

    def __init__(self, partition: int) -> None:
        self._partition = partition

    def new_state(self) -> MarketState:
        """Give the state of a market that has seen nothing."""
        return MarketState()

    def load(self, data: bytes) -> MarketState:
        """Read a state; raises UnreadableState, and DamagedRecord where a waiting record is damaged."""
        if data[:1] != bytes([_VERSION]):
            raise UnreadableState(f"market of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
        try:
            packed = msgspec.msgpack.decode(memoryview(data)[1:], type=_Packed)
        except msgspec.MsgspecError as error:
            raise UnreadableState(f"damaged state of the market: {error}") from error
        return MarketState(
            packed.counter,
            packed.minute,
            SentimentIndex.load(packed.sentiment),
            DisagreementDetector.load(packed.disagreements),
            dict(packed.told),
            tuple(decode(one) for one in packed.waiting),
        )

    def dump(self, state: MarketState) -> bytes:
        """Give the bytes of a state, at most 0.7 kB a symbol."""
        packed = _Packed(
            state.counter,
            state.minute,
            state.sentiment.dump(),
            state.disagreements.dump(),
            sorted(state.told.items()),
            [encode(record) for record in state.waiting],
        )
        return bytes([_VERSION]) + msgspec.msgpack.encode(packed)

    def advance(self, state: MarketState, facts: Mapping[int, PartitionFacts]) -> bool:
        """Conclude the minutes that are complete, in place; their records go to ``state.waiting``.

        ``facts`` are those of all partitions of symbols. A minute without a trade is no minute. Gives whether any
        was concluded.
        """
        records: list[Record] = []
        concluded = False
        while len(records) < MAX_RECORDS:
            starts = (start for one in facts.values() for start in one.begun if start > state.minute)
            minute = min(starts, default=None)
            if minute is None or not is_complete(minute, facts):
                break
            records += self._conclude(state, minute, facts)
            concluded = True
        if records:
            state.waiting = (*state.waiting, *records)
        return concluded

    def _conclude(self, state: MarketState, minute: int, facts: Mapping[int, PartitionFacts]) -> Iterator[Record]:
        state.minute = minute
        ended = minute + MINUTE
        mine = _facts_of(minute, facts)
        sentiment = state.sentiment.update(minute, mine)
        anomalies = state.disagreements.update(minute, mine)
        whales = []
        untold = [whale for one in facts.values() for key, whale in one.whales.items() if key not in state.told]
        for cluster, members in clusters(untold, before=ended):
            whales.append(cluster)
            state.told.update((whale_key(whale), whale.ended) for whale in members)
        oldest = ended - _TOLD_MINUTES * MINUTE
        state.told = {key: time for key, time in state.told.items() if time >= oldest}
        if sentiment is None and not anomalies and not whales:
            return
        state.counter += 1
        # It comes from no one record: whoever asks up to which record of trades-clean it goes gets none.
        header = Header(
            RecordKind.EVENTS,
            self._partition,
            state.counter,
            source="0",
            created=max(one.clock for one in facts.values()),
        )
        moods = () if sentiment is None else (sentiment,)
        yield Record(header=header, whales=tuple(whales), anomalies=tuple(anomalies), sentiment=moods)


def is_complete(minute: int, facts: Mapping[int, PartitionFacts]) -> bool:
    """Say whether nothing more is waited for of a minute.

    It takes a trade of a later minute. Then each symbol that traded within :data:`LIVE_MINUTES` must have left the
    minute too, or its partition must have told of :data:`GRACE` more, or any partition of :data:`SILENT_GRACE`.
    """
    left = min(
        (created for one in facts.values() for start, created in one.begun.items() if start > minute), default=None
    )
    if left is None:
        return False
    if max(one.clock for one in facts.values()) >= left + SILENT_GRACE:
        return True
    for one in facts.values():
        if one.clock >= left + GRACE:
            continue
        for minutes in one.minutes.values():
            newest = max(minutes)
            if minute - LIVE_MINUTES * MINUTE <= newest <= minute:
                return False
    return True


def _facts_of(minute: int, facts: Mapping[int, PartitionFacts]) -> list[MinuteFacts]:
    found = [minutes[minute] for one in facts.values() for minutes in one.minutes.values() if minute in minutes]
    return sorted(found, key=lambda one: (one.venue, one.symbol))
