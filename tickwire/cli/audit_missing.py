"""What the exchange says of missing ids, and of trades that nobody here has seen."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tickwire.audit.compare import LedgerSymbol
from tickwire.audit.report import AuditFinding, Kind, finding
from tickwire.cli.audit_checks import Patience
from tickwire.cli.audit_exchange import Answer, ExchangeReader, NoAnswer, NoHistory
from tickwire.cli.audit_ledger import Look, SymbolKey
from tickwire.columns import TradeBatch
from tickwire.intervals import IntervalSet

_TOGETHER = 1_000
"""Ids that are asked for with one another: a page's worth."""
_TAIL_SECONDS = 30.0
"""How long trades that the exchange has, and the ledger has not, may be on their way."""

Say = Callable[[str], None]
Piece = tuple[tuple[int, int], str, int]
"""Missing range, why it is missing, exchange time (ns) of a trade before it or 0."""


@dataclass(slots=True)
class ExchangeCheck:
    """What asking gave.

    Attributes
    ----------
    newest : the exchange's newest trade id by symbol
    not_seen : by symbol, the first and the last id beyond what the ledger knows of
    """

    findings: list[AuditFinding] = field(default_factory=list)
    newest: dict[SymbolKey, int] = field(default_factory=dict)
    not_seen: dict[SymbolKey, tuple[int, int]] = field(default_factory=dict)


def together(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join rising ranges as long as a page spans them, so that many small holes cost few requests."""
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and last - joined[-1][0] < _TOGETHER:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return joined


def check_tails(
    exchange: ExchangeReader,
    symbols: Mapping[SymbolKey, LedgerSymbol],
    look: Callable[[], Look],
    patience: Patience,
    say: Say,
) -> ExchangeCheck:
    """Ask for the newest trade of each symbol, and wait until the ledger knows it too."""
    result = ExchangeCheck()
    for number, key in enumerate([key for key, symbol in symbols.items() if symbol.last_id > 0], 1):
        say(f"exchange: newest trade of {':'.join(key)} ({number} of {len(symbols)})")
        try:
            newest = exchange.newest(key)
        except NoAnswer as error:
            unknown = isinstance(error, NoHistory)
            result.findings.append(finding(Kind.NOT_COMPARED, key, (), f"exchange: {error}", problem=not unknown))
            continue
        if newest is not None:
            result.newest[key] = newest
    behind = _Behind(look, result.newest)
    patience.until(behind, seconds=min(patience.seconds, _TAIL_SECONDS))
    result.not_seen = {key: (last + 1, result.newest[key]) for key, last in sorted(behind.left.items())}
    result.findings += [
        finding(Kind.NOT_SEEN, key, [ids], "the exchange has these newer trades; the ledger knows nothing of them")
        for key, ids in result.not_seen.items()
    ]
    return result


def describe_missing(
    key: SymbolKey, pieces: list[Piece], said: Callable[[int, int], list[tuple[IntervalSet, str]]] | None
) -> list[AuditFinding]:
    """Give findings of missing ids, those of one cause and one answer of the exchange together.

    ``said`` gives what the exchange says of a range, part by part; None where it was not asked.
    """
    groups: dict[tuple[str, str], IntervalSet] = {}
    for (first, last), cause, _ in pieces:
        parts = [(IntervalSet([(first, last)]), "")] if said is None else said(first, last)
        for ids, detail in parts:
            group = groups.setdefault((cause, detail), IntervalSet())
            for part in ids.ranges():
                group.add(*part)
    return [finding(Kind.MISSING, key, ids, cause, detail) for (cause, detail), ids in groups.items() if ids]


def ask_missing(
    exchange: ExchangeReader,
    key: SymbolKey,
    pieces: list[Piece],
    *,
    time_before: Callable[[int], int],
    received: Callable[[TradeBatch], None],
    say: Say,
) -> Callable[[int, int], list[tuple[IntervalSet, str]]]:
    """Ask the exchange for missing ids; gives what tells of a range what it said.

    ``time_before`` gives an exchange time (ns) before that of an id, 0 where unknown. ``received`` gets
    the trades page by page, those between the missing ones too.
    """
    total = Answer()
    refused: dict[str, IntervalSet] = {}
    times = {first: after for (first, _), _, after in pieces}
    asked = together(ids for ids, _, _ in pieces)
    for number, (first, last) in enumerate(asked, 1):
        say(f"exchange: {':'.join(key)} ids {first:,} to {last:,} ({number:,} of {len(asked):,})")
        try:
            answer = exchange.ask(
                key, first, last, after_time=times.get(first) or time_before(first), received=received
            )
        except NoAnswer as error:
            refused.setdefault(f"the exchange could not be asked: {error}", IntervalSet()).add(first, last)
            continue
        total.has = total.has.union(answer.has)
        total.absent += answer.absent
        total.unreadable = total.unreadable.union(answer.unreadable)
        for part in answer.unresolved.ranges():
            refused.setdefault(f"the exchange does not say: {answer.reason}", IntervalSet()).add(*part)

    def said(first: int, last: int) -> list[tuple[IntervalSet, str]]:
        parts = [
            (IntervalSet(total.has.within(first, last)), "the exchange has them"),
            (IntervalSet(total.unreadable.within(first, last)), "the exchange has them in rows that cannot be read"),
        ]
        parts += [
            (IntervalSet([(max(first, a.first), min(last, a.last))]), f"the exchange does not have them: {a.evidence}")
            for a in total.absent
            if a.first <= last and first <= a.last
        ]
        parts += [(IntervalSet(ids.within(first, last)), why) for why, ids in refused.items()]
        return parts

    return said


@dataclass(slots=True)
class _Behind:
    """Done when the ledger knows of every symbol's newest trade."""

    look: Callable[[], Look]
    newest: Mapping[SymbolKey, int]
    left: dict[SymbolKey, int] = field(default_factory=dict)

    def __call__(self) -> bool:
        if not self.newest:
            return True
        symbols = self.look().symbols
        self.left = {
            key: symbols[key].last_id
            for key, newest in self.newest.items()
            if key in symbols and symbols[key].last_id < newest
        }
        return not self.left
