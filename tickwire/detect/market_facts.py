"""What the market as a whole needs to know of one partition's symbols: their last minutes and their last whales."""

from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

import msgspec

from tickwire.conclusions import Whale
from tickwire.detect.sentiment import MinuteFacts
from tickwire.errors import CounterJump, UnreadableState
from tickwire.records import Bar, Record
from tickwire.stages.stage import Stage, StageOutput

_VERSION = 1
_SECOND = 1_000_000_000
MINUTE = 60 * _SECOND
KEPT_MINUTES = 10
"""Facts and whales older than so many minutes before the partition's newest minute are forgotten."""
_AHEAD = 5 * _SECOND
"""A minute that begins so long after its record was created is the error of some clock."""

WhaleKey: TypeAlias = tuple[tuple[str, ...], str, int, int]
"""Venues, symbol, side, first trade id."""


def whale_key(whale: Whale) -> WhaleKey:
    """Give what tells a whale from all others."""
    return (whale.venues, whale.symbol, whale.side, whale.first_id)


class _Packed(msgspec.Struct, array_like=True):
    source: int
    clock: int
    begun: list[tuple[int, int]]
    minutes: list[MinuteFacts]
    whales: list[Whale]


@dataclass(slots=True)
class PartitionFacts:
    """Of one partition.

    Attributes
    ----------
    source : counter of the last record
    clock : when the newest record was created, ns UTC
    begun : start of a minute → when the first record that told of it was created
    minutes : (venue, symbol) → start of a minute → what is known of it
    whales : by what tells them apart
    """

    source: int = 0
    clock: int = 0
    begun: dict[int, int] = field(default_factory=dict)
    minutes: dict[tuple[str, str], dict[int, MinuteFacts]] = field(default_factory=dict)
    whales: dict[WhaleKey, Whale] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        """The start of the newest minute, 0 where none is known."""
        return max(self.begun, default=0)


class MarketFactsStage(Stage[PartitionFacts]):
    """Keeps the facts of EVENTS records; gives no records itself.

    ``partitions`` is the number of those that have symbols. Records of the partitions beyond, which are about the
    market as a whole, are passed over.
    """

    name = "market_facts"

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def new_state(self) -> PartitionFacts:
        """Give the state of a partition that has seen nothing."""
        return PartitionFacts()

    def load(self, data: bytes) -> PartitionFacts:
        """Read a state; raises UnreadableState."""
        if data[:1] != bytes([_VERSION]):
            raise UnreadableState(f"market facts of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
        try:
            packed = msgspec.msgpack.decode(memoryview(data)[1:], type=_Packed)
        except msgspec.MsgspecError as error:
            raise UnreadableState(f"damaged market facts: {error}") from error
        state = PartitionFacts(packed.source, packed.clock, dict(packed.begun))
        for facts in packed.minutes:
            state.minutes.setdefault((facts.venue, facts.symbol), {})[facts.start] = facts
        state.whales = {whale_key(whale): whale for whale in packed.whales}
        return state

    def dump(self, state: PartitionFacts) -> bytes:
        """Give the bytes of a state, some 60 a symbol and minute."""
        minutes = [state.minutes[key][start] for key in sorted(state.minutes) for start in sorted(state.minutes[key])]
        whales = [state.whales[key] for key in sorted(state.whales)]
        packed = _Packed(state.source, state.clock, sorted(state.begun.items()), minutes, whales)
        return bytes([_VERSION]) + msgspec.msgpack.encode(packed)

    def process(self, state: PartitionFacts, record: Record, source: int) -> StageOutput:
        """Take in one record; see :meth:`Stage.process`.

        The first record of a partition may have any counter, since the stream may have forgotten those before it.
        """
        header = record.header
        if header.partition >= self._partitions:
            return StageOutput(None)
        if source <= state.source:
            return StageOutput(None, repeat=True)
        if state.source and source != state.source + 1:
            raise CounterJump(f"partition {header.partition}: record {source} after {state.source}")
        state.source = source
        state.clock = max(state.clock, header.created)
        newest = state.newest
        oldest, latest = newest - KEPT_MINUTES * MINUTE, header.created + _AHEAD
        for bar in record.bars:
            if bar.interval == 60 and oldest <= bar.start <= latest:
                state.minutes.setdefault((bar.venue, bar.symbol), {})[bar.start] = facts_of(bar)
                state.begun.setdefault(bar.start, header.created)
        for whale in record.whales:
            state.whales[whale_key(whale)] = whale
        if state.newest != newest or record.whales:
            _forget(state)
        return StageOutput(None)


def facts_of(bar: Bar) -> MinuteFacts:
    """Give what the market needs of a bar of one minute."""
    unit, notional = float(f"1e-{bar.price_scale}"), float(bar.notional)
    bought = notional * (bar.buy_volume / bar.volume) if bar.volume else 0.0
    opened, closed = bar.open * unit, bar.close * unit
    return MinuteFacts(bar.venue, bar.symbol, bar.start, opened, closed, notional, bought, bar.trades)


def _forget(state: PartitionFacts) -> None:
    oldest = state.newest - KEPT_MINUTES * MINUTE
    if all(start >= oldest for start in chain(state.begun, (whale.ended for whale in state.whales.values()))):
        return
    state.begun = {start: created for start, created in state.begun.items() if start >= oldest}
    kept = {
        key: {start: one for start, one in minutes.items() if start >= oldest} for key, minutes in state.minutes.items()
    }
    state.minutes = {key: minutes for key, minutes in kept.items() if minutes}
    state.whales = {key: whale for key, whale in state.whales.items() if whale.ended >= oldest}
