"""What the audit waits for, each asked again and again until it is done; ``say`` is told how far it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tickwire.cli.audit_lake import LakeReader
from tickwire.cli.audit_ledger import LedgerReader, Look, SymbolKey
from tickwire.intervals import IntervalSet

Say = Callable[[str], None]


@dataclass(slots=True)
class Settled:
    """Done when nothing is missing of what was missing in the first look."""

    look: Callable[[], Look]
    first: Look
    say: Say
    last: Look = field(init=False)

    def __post_init__(self) -> None:
        self.last = self.first

    def __call__(self) -> bool:
        self.last = self.look()
        left = sum(
            len(found.missing.within(*span))
            for key, symbol in self.first.symbols.items()
            if (found := self.last.symbols.get(key)) is not None
            for span in symbol.missing.ranges()
        )
        self.say(f"waiting for {left:,} ranges of missing ids")
        return not left


@dataclass(slots=True)
class Committed:
    """Done when the lake holds every record that the ledger has taken in."""

    lake: LakeReader
    wanted: Mapping[int, int]
    say: Say
    behind: dict[int, str] = field(default_factory=dict)

    def __call__(self) -> bool:
        held = self.lake.counters()
        self.behind = {
            partition: f"it holds {held.get(partition, 0):,} of {counter:,}"
            for partition, counter in sorted(self.wanted.items())
            if held.get(partition, 0) < counter
        }
        self.say(f"waiting for the lake's next commit: {len(self.behind)} partitions are behind the ledger")
        return not self.behind


@dataclass(slots=True)
class Stored:
    """Done when the ledger has taken in the reopenings of ``time_ns``, and calls all ids accepted."""

    ledger: LedgerReader
    awaited: Mapping[SymbolKey, IntervalSet]
    reopened: Mapping[SymbolKey, IntervalSet]
    time_ns: int
    say: Say
    stored: int = 0

    def __call__(self) -> bool:
        for key, ids in self.reopened.items():
            if ids.difference(self.ledger.reopened(key, ids, self.time_ns)):
                self.say(f"waiting for the ledger to reopen {ids.count:,} ids of {':'.join(key)}")
                return False
        symbols = self.ledger.look().symbols
        total = sum(ids.count for ids in self.awaited.values())
        self.stored = total - sum(
            ids.difference(symbols[key].accepted()).count for key, ids in self.awaited.items() if key in symbols
        )
        self.say(f"waiting for the ledger: {self.stored:,} of {total:,} trades")
        return self.stored >= total
