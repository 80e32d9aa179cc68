"""The audit's checks: each holds the ledger against one other place, and gives findings."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tickwire.audit.compare import (
    LakeDifference,
    LedgerSymbol,
    StateDifference,
    compare_lake,
    compare_state,
    intersection,
    without_reason,
)
from tickwire.audit.report import AuditFinding, Kind, finding
from tickwire.audit.stored import StoredIds
from tickwire.cli.audit_ledger import LedgerReader, Look, SymbolKey
from tickwire.cli.audit_state import StateReader, StateUnreachable
from tickwire.intervals import IntervalSet
from tickwire.timestamps import format_rfc3339
from tickwire.validation.sequence import TradeSequence

_POLL_SECONDS = 0.5
_BETWEEN_LOOKS_SECONDS = 1.0
_LOOKS = 4
"""Looks at the validator's state before ids that differ in all of them are believed to differ."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Patience:
    """How long the audit waits for one place to catch up with another."""

    seconds: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def until(self, done: Callable[[], bool], *, seconds: float | None = None) -> bool:
        """Ask again and again until it is done; False when the time is over."""
        deadline = self.clock() + (self.seconds if seconds is None else seconds)
        while not done():
            if self.clock() >= deadline:
                return False
            self.sleep(_POLL_SECONDS)
        return True


@dataclass(slots=True)
class LakeCheck:
    """What holding the ledger against the lake gave, by (venue, symbol) of those that could be compared."""

    differences: dict[SymbolKey, LakeDifference] = field(default_factory=dict)
    stored: dict[SymbolKey, StoredIds] = field(default_factory=dict)
    findings: list[AuditFinding] = field(default_factory=list)


def check_lake(
    symbols: Mapping[SymbolKey, LedgerSymbol],
    stored: Mapping[SymbolKey, StoredIds],
    *,
    behind: Mapping[int, str],
    from_ids: Mapping[SymbolKey, int],
) -> LakeCheck:
    """Compare symbols with what the lake holds of them; ``behind`` are partitions of which it lacks records."""
    result = LakeCheck()
    for key, symbol in symbols.items():
        if symbol.partition in behind:
            why = f"the lake lacks records of partition {symbol.partition}: {behind[symbol.partition]}"
            result.findings.append(finding(Kind.NOT_COMPARED, key, (), why))
            continue
        found = stored.get(key, StoredIds())
        difference = compare_lake(symbol, found, from_id=from_ids.get(key))
        result.differences[key], result.stored[key] = difference, found
        told = {
            Kind.LOST: (difference.lost, "accepted, and not in the lake"),
            Kind.UNACCOUNTED: (difference.unaccounted, "in the lake, and not accepted by the ledger"),
            Kind.STORED_TWICE: (difference.twice, "more than one row in the lake"),
        }
        result.findings += [finding(kind, key, ids, cause) for kind, (ids, cause) in told.items() if ids]
    result.findings += [
        finding(Kind.UNACCOUNTED, key, found.ids, "in the lake, of a symbol that the ledger does not know")
        for key, found in sorted(stored.items())
        if key not in symbols and found.ids
    ]
    return result


def check_state(look: Callable[[], Look], states: StateReader, patience: Patience) -> tuple[list[AuditFinding], str]:
    """Compare the ledger with the validator's states; gives findings, and ``done`` or why it could not be.

    Both move on meanwhile. A state is read between two looks at the ledger, of which the second has taken in
    its last record, and an id is believed to differ when it does so in several looks.
    """
    differences: dict[SymbolKey, StateDifference] = {}
    before = look()
    partitions = sorted({*before.counters, *(symbol.partition for symbol in before.symbols.values())})
    for attempt in range(_LOOKS):
        patience.sleep(_BETWEEN_LOOKS_SECONDS * attempt)
        try:
            read = states.validator(partitions)
            caught_up = _CaughtUp(
                look, states, {p: state.counter for p, state in read.items() if state.counter}, before
            )
            if not patience.until(caught_up):
                why = f"the ledger did not take in the validator's last records within {patience.seconds:g} s"
                return [finding(Kind.NOT_COMPARED, key, (), why) for key in before.symbols], why
        except StateUnreachable as error:
            return [], str(error)
        after = caught_up.last
        sequences = {key: symbol.sequence for state in read.values() for key, symbol in state.symbols.items()}
        found = {
            key: compare_state(
                before.symbols.get(key, _nothing(key)),
                sequences.get(key, TradeSequence()),
                after.symbols.get(key, _nothing(key)),
            )
            # A look of one symbol says nothing of the others in the state.
            for key in {*before.symbols, *(sequences if not before.chosen else ())}
        }
        differences = {
            key: found[key].still(differences[key]) if attempt else found[key]
            for key in (differences if attempt else found)
            if key in found
        }
        differences = {key: difference for key, difference in differences.items() if difference}
        if not differences:
            return [], "done"
        before = after
    return [_state_finding(key, difference) for key, difference in sorted(differences.items())], "done"


def check_reasons(
    ledger: LedgerReader, symbols: Mapping[SymbolKey, LedgerSymbol], patience: Patience
) -> tuple[list[AuditFinding], dict[SymbolKey, dict[str, int]]]:
    """Look up why ids are quarantined; gives findings, and how many ids each rule has, by symbol.

    Letters come by a queue of their own, so those that are not there yet are waited for.
    """
    findings = []
    rules: dict[SymbolKey, dict[str, int]] = {}
    for key, symbol in symbols.items():
        if not symbol.quarantined:
            continue
        unreadable = IntervalSet(
            sorted((f, last) for f, last, _ in ledger.evidence(key, symbol.quarantined, "unreadable"))
        )
        seen = _Reasons(ledger, key, symbol.quarantined, unreadable)
        patience.until(seen)
        counts: dict[str, int] = {}
        for rule in seen.rules.values():
            counts[rule] = counts.get(rule, 0) + 1
        only_unreadable = intersection(symbol.quarantined, unreadable).difference(_each(seen.rules))
        if only_unreadable:
            counts["unreadable"] = only_unreadable.count
        rules[key] = counts
        if seen.left:
            findings.append(finding(Kind.NO_REASON, key, seen.left, "quarantined, and no dead letter says why"))
    return findings, rules


def absences(ledger: LedgerReader, symbols: Mapping[SymbolKey, LedgerSymbol]) -> list[AuditFinding]:
    """Give the ids that the venue itself does not have, each with the newest evidence of it."""
    findings = []
    for key, symbol in symbols.items():
        left = IntervalSet(symbol.absent.ranges())
        for first, last, evidence in reversed(ledger.evidence(key, symbol.absent, "absent")):
            ids = IntervalSet(left.within(first, last))
            if ids:
                findings.append(finding(Kind.ABSENT, key, ids, "the venue does not have them", evidence, problem=False))
                left.remove(first, last)
        if left:
            findings.append(finding(Kind.ABSENT, key, left, "absent without a finding that shows it"))
    return findings


def causes(ledger: LedgerReader, symbol: LedgerSymbol) -> list[tuple[tuple[int, int], str, int]]:
    """Give the missing ids of a symbol as (range, why they are missing, exchange time of a trade before them)."""
    pieces: list[tuple[tuple[int, int], str, int]] = []
    left = IntervalSet(symbol.missing.ranges())
    for gap in reversed(ledger.gaps(symbol.key, symbol.missing)):
        cause = f"{gap.cause}, noticed {format_rfc3339(gap.noticed)[:19]}Z"
        pieces += [(piece, cause, gap.after_time) for piece in left.within(gap.first, gap.last)]
        left.remove(gap.first, gap.last)
    return sorted([*pieces, *((piece, "noticed in a record that is on its way", 0) for piece in left.ranges())])


@dataclass(slots=True)
class _CaughtUp:
    """Done when the ledger has taken in all that came of the records of trades-clean up to ``counters``.

    Not every one of them makes an event, so the stage between is asked how far it is.
    """

    look: Callable[[], Look]
    states: StateReader
    counters: Mapping[int, int]
    last: Look

    def __call__(self) -> bool:
        signals = self.states.signals(self.counters)
        if any(p not in signals or signals[p].source < counter for p, counter in self.counters.items()):
            return False
        self.last = self.look()
        return all(self.last.events.get(p, 0) >= state.counter for p, state in signals.items())


@dataclass(slots=True)
class _Reasons:
    """Done when every quarantined id has a reason."""

    ledger: LedgerReader
    key: SymbolKey
    ids: IntervalSet
    unreadable: IntervalSet
    rules: dict[int, str] = field(default_factory=dict)
    left: IntervalSet = field(default_factory=IntervalSet)

    def __call__(self) -> bool:
        self.rules = self.ledger.rules(self.key, self.ids)
        self.left = without_reason(self.ids, [*_each(self.rules).ranges(), *self.unreadable.ranges()])
        return not self.left


def _each(rules: Mapping[int, str]) -> IntervalSet:
    return IntervalSet((trade_id, trade_id) for trade_id in sorted(rules))


def _nothing(key: SymbolKey) -> LedgerSymbol:
    return LedgerSymbol(venue=key[0], symbol=key[1], partition=0, first_id=0, last_id=-1)


def _state_finding(key: SymbolKey, difference: StateDifference) -> AuditFinding:
    parts = {
        "missing": difference.missing,
        "quarantined": difference.quarantined,
        "absent": difference.absent,
        "within the range": difference.beyond,
    }
    named = [name for name, ids in parts.items() if ids]
    ids = IntervalSet()
    for part in parts.values():
        ids = ids.union(part)
    cause = f"the validator and the ledger disagree which ids are {', '.join(named)}"
    return finding(Kind.STATE_DIFFERS, key, ids, cause)
