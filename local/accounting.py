"""The books of a run: every trade received is stored, a duplicate, or quarantined; every id announced
is stored, quarantined, or named as missing. Pure: figures in, verdict out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tickwire.intervals import IntervalSet
from tickwire.records import Progress

MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SymbolBooks:
    """One symbol's figures, from four independent places.

    Attributes
    ----------
    received : rows that the ingestor parsed, and those that the backfiller fetched
    progress : the validator's totals as PostgreSQL has them, or None if it saw nothing
    stored : ids in the lake
    stored_rows : rows in the lake; more than ids means that a trade was stored twice
    made : ids of the trades that the local exchange has, or None when there is no such witness
    absent : ids that the ledger says the venue does not have
    reopened : ids that an audit found lost after they were stored; those that came again were received twice
    redriven : rows in the lake that came from a dead letter: counted as quarantined, and stored after all
    quarantined_ids : ids named in dead letters
    """

    received: int
    progress: Progress | None
    stored: IntervalSet
    stored_rows: int
    made: IntervalSet | None
    quarantined_ids: frozenset[int]
    absent: IntervalSet = field(default_factory=IntervalSet)
    reopened: IntervalSet = field(default_factory=IntervalSet)
    redriven: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What does not add up, a sentence each; ``unaccounted`` counts trades."""

    unaccounted: int
    stored_twice: int
    problems: tuple[str, ...] = field(default=())


def audit(books: Mapping[str, SymbolBooks]) -> Verdict:
    """Compare the figures of every symbol.

    Two sums must hold for each: received = stored + duplicates + quarantined, and every trade that the
    exchange has, from the first one seen here on, is stored, quarantined or missing by name. What
    the ledger calls absent, the exchange must not have.
    """
    unaccounted = twice = 0
    problems: list[str] = []
    for key, book in sorted(books.items()):
        duplicates = book.progress.duplicates if book.progress else 0
        quarantined = book.progress.quarantined if book.progress else 0
        again = sum(last - first + 1 for span in book.reopened.ranges() for first, last in book.stored.within(*span))
        difference = book.received + book.redriven - again - (book.stored.count + duplicates + quarantined)
        lost: list[int] = []
        if difference:
            problems.append(
                f"{key}: received {book.received}, but stored {book.stored.count} + duplicates {duplicates}"
                f" + quarantined {quarantined} differ by {difference}"
            )
        if book.stored_rows != book.stored.count:
            twice += book.stored_rows - book.stored.count
            problems.append(f"{key}: {book.stored_rows} rows for {book.stored.count} ids in the lake")
        if book.made is not None and book.progress is not None:
            known = IntervalSet(book.stored.ranges())
            for first, last in book.progress.missing_ranges:
                known.add(first, last)
            expected = IntervalSet(book.made.within(book.progress.first_id, MAX_ID))
            lost = [
                trade_id
                for first, last in expected.difference(known).ranges()
                for trade_id in range(first, last + 1)
                if trade_id not in book.quarantined_ids
            ]
            if lost:
                problems.append(f"{key}: the exchange has them, and they are nowhere here: {_some(lost)}")
            denied = [span for absent in book.absent.ranges() for span in book.made.within(*absent)]
            if denied:
                problems.append(f"{key}: called absent, but the exchange has them: {denied[:10]}")
        # The same trade can fail both sums.
        unaccounted += max(abs(difference), len(lost))
    return Verdict(unaccounted, twice, tuple(problems))


def quantiles(seconds: Sequence[float]) -> dict[str, float | None]:
    """Give p50 and p99 in milliseconds (nearest rank), None where there is no sample."""
    ordered = sorted(seconds)
    if not ordered:
        return {"p50": None, "p99": None}
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def hop_latencies(hops: Sequence[Sequence[tuple[str, int]]]) -> dict[str, dict[str, float | None]]:
    """Turn the hops of many records into p50 and p99 per stage: ms since the hop before it."""
    samples: dict[str, list[float]] = {}
    for record in hops:
        for (_, before), (stage, at) in pairwise(record):
            samples.setdefault(stage, []).append((at - before) / 1e9)
    return {stage: quantiles(seconds) for stage, seconds in samples.items()}


def _some(ids: Sequence[int], limit: int = 10) -> str:
    shown = ", ".join(map(str, ids[:limit]))
    return shown if len(ids) <= limit else f"{shown} and {len(ids) - limit} more"


def summary_line(summary: Mapping[str, Any]) -> str:
    """Say a finished run in one sentence, for people."""
    trades = summary["trades"]
    return (
        f"{trades['received']:,} trades received: {trades['stored']:,} stored, {trades['duplicates']:,} duplicates,"
        f" {trades['quarantined']:,} quarantined, {trades['missing']:,} missing, {trades['absent']:,} not with the"
        f" exchange either, {trades['unaccounted']:,} unaccounted"
    )
