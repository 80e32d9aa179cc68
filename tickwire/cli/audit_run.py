"""One audit from the first look at the ledger to the report, and the repair of what it found."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from tickwire.audit.compare import LedgerSymbol
from tickwire.audit.report import VERSION, AuditFinding, AuditReport, Kind, Repair, SymbolFigures, finding
from tickwire.cli.audit_checks import (
    LakeCheck,
    Patience,
    absences,
    causes,
    check_lake,
    check_reasons,
    check_state,
)
from tickwire.cli.audit_exchange import ExchangeReader
from tickwire.cli.audit_lake import LakeReader
from tickwire.cli.audit_ledger import LedgerReader, Look, SymbolKey
from tickwire.cli.audit_missing import ExchangeCheck, Piece, ask_missing, check_tails, describe_missing
from tickwire.cli.audit_repair import RawStream
from tickwire.cli.audit_state import StateReader
from tickwire.cli.audit_waits import Committed, Settled, Stored
from tickwire.columns import TradeBatch
from tickwire.intervals import IntervalSet
from tickwire.records import Finding, FindingKind

_SETTLE_SECONDS = 15.0
"""How long ids that are missing at first sight may be on their way: a gap is filled within seconds."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What the ledger is held against; None where it is not known or not wanted, with the reason in ``skipped``."""

    ledger: LedgerReader
    lake: LakeReader | None
    states: StateReader | None
    exchange: ExchangeReader | None
    skipped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``since`` in ns UTC or None; ``venue`` and ``symbol`` choose what is audited."""

    since: int | None = None
    venue: str | None = None
    symbol: str | None = None


class Audit:
    """Runs the checks; ``say`` is told what it is doing."""

    def __init__(self, places: Places, options: Options, patience: Patience, say: Say) -> None:
        self._places = places
        self._options = options
        self._patience = patience
        self._say = say
        self._lost: dict[SymbolKey, IntervalSet] = {}
        self._not_seen: dict[SymbolKey, tuple[int, int]] = {}
        self._pieces: dict[SymbolKey, list[Piece]] = {}

    def run(self, *, ask_missing_ids: bool = True) -> AuditReport:
        """Audit once; the exchange is asked for the missing ids if it is one of the places, and that is wanted."""
        places, say = self._places, self._say
        say("reading the ledger")
        look = self._settled()
        from_ids = {} if self._options.since is None else places.ledger.first_ids(self._options.since)
        symbols = {
            key: symbol.from_on(from_ids[key]) if key in from_ids else symbol for key, symbol in look.symbols.items()
        }
        checks = dict(places.skipped)
        findings = [finding(Kind.TOTALS_DIFFER, key, (), text) for key, text in sorted(look.totals_differ.items())]
        lake = LakeCheck()
        if places.lake is not None:
            lake = self._check_lake(places.lake, look, symbols, from_ids)
            findings += lake.findings
            checks["lake"] = "done"
        if places.states is not None:
            say("comparing with the validator's state")
            differing, checks["validator"] = check_state(places.ledger.look, places.states, self._patience)
            findings += differing
        say("looking for the dead letters of quarantined ids")
        unexplained, rules = check_reasons(places.ledger, symbols, self._patience)
        findings += unexplained + absences(places.ledger, symbols)
        checks["dead_letters"] = "done"
        self._lost = {key: difference.lost for key, difference in lake.differences.items() if difference.lost}
        self._pieces = {key: causes(places.ledger, symbol) for key, symbol in symbols.items() if symbol.missing}
        asked = ExchangeCheck()
        if places.exchange is not None:
            asked = check_tails(places.exchange, symbols, places.ledger.look, self._patience, say)
            checks["exchange"] = "done"
        self._not_seen = asked.not_seen
        findings += [*self._missing(self._pieces, ask=ask_missing_ids), *asked.findings]
        figures = [_figures(symbol, lake, rules.get(key, {}), asked.newest.get(key)) for key, symbol in symbols.items()]
        return AuditReport(
            version=VERSION,
            time=look.time,
            since=self._options.since,
            symbols=figures,
            findings=sorted(findings, key=lambda found: (not found.problem, found.venue, found.symbol, found.kind)),
            checks=checks,
            complete=not any(found.problem for found in findings),
        )

    def repair(self, stream: RawStream) -> AuditReport:
        """Put what the last :meth:`run` found to be nowhere on trades-raw, wait for it, and audit again.

        Lost ids are reopened first, or the validator would take their trades for repeats. Where the
        exchange is not asked, their trades are left to the backfiller.
        """
        started = time.monotonic()
        time_ns = time.time_ns()
        for key, lost in self._lost.items():
            self._say(f"reopening {lost.count:,} ids of {':'.join(key)}")
            stream.findings([self._reopening(key, *span, time_ns=time_ns) for span in lost.ranges()])
        wanted = {key: list(pieces) for key, pieces in self._pieces.items()}
        for key, lost in self._lost.items():
            wanted.setdefault(key, []).extend((span, "lost", 0) for span in lost.ranges())
        for key, span in self._not_seen.items():
            wanted.setdefault(key, []).append((span, "not seen", 0))
        fetched: dict[SymbolKey, IntervalSet] = {}

        def received(batch: TradeBatch) -> None:
            key = batch.instruments[0].venue, batch.instruments[0].symbol
            for trade_id in batch.trade_id.tolist():
                fetched.setdefault(key, IntervalSet()).add(trade_id, trade_id)
            stream.trades(batch)

        self._missing({key: sorted(pieces) for key, pieces in wanted.items()}, received=received)
        sent = {
            key: IntervalSet(sorted(part for span, _, _ in wanted[key] for part in ids.within(*span)))
            for key, ids in fetched.items()
        }
        awaited = self._lost if self._places.exchange is None else sent
        progress = Stored(self._places.ledger, awaited, self._lost, time_ns, self._say)
        self._patience.until(progress)
        repair = Repair(
            reopened=sum(ids.count for ids in self._lost.values()),
            sent=sum(ids.count for ids in sent.values()),
            stored=progress.stored,
            seconds=round(time.monotonic() - started, 3),
        )
        return msgspec.structs.replace(self.run(), repair=repair)

    def _settled(self) -> Look:
        """Look at the ledger when what was missing at first sight is filled, or does not get filled."""
        first = look = self._places.ledger.look()
        if first.missing:
            settled = Settled(self._places.ledger.look, first, self._say)
            self._patience.until(settled, seconds=min(self._patience.seconds, _SETTLE_SECONDS))
            look = settled.last
        return look

    def _check_lake(
        self,
        lake: LakeReader,
        look: Look,
        symbols: Mapping[SymbolKey, LedgerSymbol],
        from_ids: Mapping[SymbolKey, int],
    ) -> LakeCheck:
        wanted = {symbol.partition: look.counters.get(symbol.partition, 0) for symbol in symbols.values()}
        committed = Committed(lake, wanted, self._say)
        self._patience.until(committed)
        options = self._options
        stored = lake.ids(
            until=look.counters,
            venue=options.venue,
            symbol=options.symbol,
            since=options.since,
            progress=lambda rows: self._say(f"reading the lake: {rows:,} trades"),
        )
        result = check_lake(symbols, stored, behind=committed.behind, from_ids=from_ids)
        for key, found in result.stored.items():
            self._places.ledger.write_stored(key, found.ids, from_ids.get(key))
        return result

    def _missing(
        self,
        wanted: Mapping[SymbolKey, list[Piece]],
        *,
        ask: bool = True,
        received: Callable[[TradeBatch], None] = lambda _: None,
    ) -> list[AuditFinding]:
        findings = []
        for key, pieces in wanted.items():
            said = None
            if self._places.exchange is not None and ask:
                said = ask_missing(
                    self._places.exchange,
                    key,
                    pieces,
                    time_before=self._time_before(key),
                    received=received,
                    say=self._say,
                )
            findings += describe_missing(key, pieces, said)
        return findings

    def _time_before(self, key: SymbolKey) -> Callable[[int], int]:
        """Give what finds a time before that of an id: of the stored trade before it, or the start of its hour."""

        def find(trade_id: int) -> int:
            lake = self._places.lake
            stored = lake.time_of(key, trade_id - 1) if lake is not None else 0
            return stored or self._places.ledger.hour_of(key, trade_id)

        return find

    def _reopening(self, key: SymbolKey, first: int, last: int, *, time_ns: int) -> Finding:
        return Finding(
            venue=key[0],
            symbol=key[1],
            first=first,
            last=last,
            kind=FindingKind.REOPEN,
            evidence="an audit found them accepted and not in the lake",
            time=time_ns,
            after_time=self._time_before(key)(first),
        )


def _figures(
    symbol: LedgerSymbol, lake: LakeCheck, rules: dict[str, int], exchange_last_id: int | None
) -> SymbolFigures:
    accepted = symbol.accepted().count
    ids = max(symbol.last_id - symbol.first_id + 1, 0)
    difference = lake.differences.get(symbol.key)
    lost = difference.lost.count if difference is not None else 0
    return SymbolFigures(
        venue=symbol.venue,
        symbol=symbol.symbol,
        partition=symbol.partition,
        first_id=symbol.first_id,
        last_id=symbol.last_id,
        ids=ids,
        accepted=accepted,
        stored=accepted - lost if difference is not None else None,
        quarantined=symbol.quarantined.count,
        absent=symbol.absent.count,
        missing=symbol.missing.count,
        completeness=1 - (symbol.missing.count + lost) / ids if ids else 1.0,
        quarantined_by_rule=rules,
        exchange_last_id=exchange_last_id,
    )
