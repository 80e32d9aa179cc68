"""What an audit says: figures of each symbol and findings, as ``tickwire audit --json`` prints them."""

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

import msgspec

from tickwire.intervals import IntervalSet
from tickwire.records import Ranges

VERSION = 1


class Kind(StrEnum):
    """What a finding is about."""

    MISSING = "missing"
    """The venue must have sent these ids, and they are nowhere here."""
    NOT_SEEN = "not_seen"
    """The exchange has newer trades than the ledger knows of."""
    LOST = "lost"
    """Accepted, and not in the lake."""
    UNACCOUNTED = "unaccounted"
    """In the lake, and the ledger does not call them accepted."""
    STORED_TWICE = "stored_twice"
    """More than one row in the lake."""
    STATE_DIFFERS = "state_differs"
    """The validator's state and the ledger disagree."""
    TOTALS_DIFFER = "totals_differ"
    """The ledger's sets do not add up to the validator's totals."""
    NO_REASON = "no_reason"
    """Quarantined, and no dead letter says why."""
    NOT_COMPARED = "not_compared"
    """A check could not be made."""
    ABSENT = "absent"
    """The venue itself does not have them; no problem."""


class AuditFinding(msgspec.Struct, frozen=True):
    """Ids of one symbol about which there is one thing to say.

    Attributes
    ----------
    ids : how many
    ranges : which, as inclusive [first, last] pairs; empty where it is about the symbol as a whole
    cause : how they came about, in a sentence
    detail : what more is known: what the exchange says of them, or the evidence
    problem : whether the record is incomplete because of it
    """

    kind: Kind
    venue: str
    symbol: str
    ids: int
    ranges: Ranges
    cause: str
    detail: str = ""
    problem: bool = True


class SymbolFigures(msgspec.Struct, frozen=True):
    """One symbol, in ids, from ``first_id`` (or where the audit begins) to ``last_id``.

    ``stored`` counts accepted ids that are in the lake; None where the lake was not compared.
    ``ids == accepted + quarantined + absent + missing``. ``completeness`` is the share of the ids that
    is accounted for, 0 to 1: all but the missing and the lost.
    """

    venue: str
    symbol: str
    partition: int
    first_id: int
    last_id: int
    ids: int
    accepted: int
    stored: int | None
    quarantined: int
    absent: int
    missing: int
    completeness: float
    quarantined_by_rule: dict[str, int]
    exchange_last_id: int | None = None


class Repair(msgspec.Struct, frozen=True):
    """What ``--repair`` did, in ids.

    ``reopened`` were accepted and lost, ``sent`` were fetched from the exchange and put on trades-raw,
    ``stored`` of the reopened and sent ones were in the ledger as accepted when it ended.
    """

    reopened: int
    sent: int
    stored: int
    seconds: float


class AuditReport(msgspec.Struct, frozen=True):
    """All of it.

    Attributes
    ----------
    time : ns UTC when the ledger was read
    since : ns UTC from which on trades were compared, or None for all
    checks : what was compared with the ledger (``lake``, ``validator``, ``dead_letters``, ``exchange``) → ``done``,
        or why not
    complete : no finding is a problem
    """

    version: int
    time: int
    since: int | None
    symbols: list[SymbolFigures]
    findings: list[AuditFinding]
    checks: dict[str, str]
    complete: bool
    repair: Repair | None = None


def finding(
    kind: Kind,
    key: tuple[str, str],
    ids: IntervalSet | Iterable[tuple[int, int]],
    cause: str,
    detail: str = "",
    *,
    problem: bool = True,
) -> AuditFinding:
    """Make a finding about some ids of a (venue, symbol)."""
    chosen = ids if isinstance(ids, IntervalSet) else IntervalSet(sorted(ids))
    return AuditFinding(kind, *key, chosen.count, tuple(chosen.ranges()), cause, detail, problem)


def percent(accounted: int, ids: int) -> str:
    """Give a share with so many digits that what lacks shows, never rounded up: ``99.99987 %``."""
    if accounted >= ids:
        return "100 %"
    lacking = Decimal(ids - accounted) * 100 / ids
    digits = max(2, 1 - lacking.adjusted())
    share = Decimal(accounted) * 100 / ids
    return f"{share.quantize(Decimal(1).scaleb(-digits), ROUND_DOWN):f} %"
