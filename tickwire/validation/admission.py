"""Which trades of a batch come in, in one pass over its columns.

The rules, the ids and the prices of most symbols are judged by a kernel, on rows of integers that lie side
by side for all symbols of a partition (:mod:`tickwire.validation.sequence_table`). Where a symbol gets old
ids, the kernel is told which of them are missing or in quarantine. Symbols of which it cannot judge a row
still (an id far ahead, one behind the first, too many holes) are judged row by row by
:class:`~tickwire.validation.sequence.TradeSequence`, which works on the same rows. All come to the same: which
of them judges changes nothing but the speed.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tickwire.columns import Bool, Int8, Int64, TradeBatch, TradeFlag
from tickwire.decimals import INT64_MAX
from tickwire.symbols import Instrument
from tickwire.validation.id_changes import BatchChanges
from tickwire.validation.price_band import BandSettings
from tickwire.validation.rules import RULE_CODES, Rule
from tickwire.validation.sequence import Verdict
from tickwire.validation.sequence_table import NOT_CARRIED, UNPLACED, SequenceTable, SymbolState
from tickwire.validation.spans import Span

HOUR = 3_600 * 10**9
"""ns."""

ACCEPTED = 0
"""Code of a row that came in; a row that breaks a rule has the rule's, of ``RULE_CODES``."""
DUPLICATE = len(RULE_CODES) + 1
"""Code of a good row whose id came in before."""

OPENED, LEFT_MISSING, QUARANTINED, LEFT_QUARANTINED = range(4)
"""Kinds of events: ids became missing, and still are after the batch; an id is known only from a bad row, and still."""

MAX_TOLD = 256
"""Ranges missing, and ids in quarantine, that the kernel can be told of a symbol."""

_RULES = {code: rule for rule, code in RULE_CODES.items()}
_VERDICT_CODES = {
    Verdict.NEW: ACCEPTED,
    Verdict.DUPLICATE: DUPLICATE,
    Verdict.STALE: RULE_CODES[Rule.STALE_ID],
    Verdict.JUMP: RULE_CODES[Rule.ID_JUMP],
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How far times and ids may lie apart.

    Attributes
    ----------
    max_age, max_ahead : ns that the exchange time may lie before and after the receive time
    max_jump : an id further ahead than this has to be confirmed
    band : of the price anomaly
    """

    max_age: int
    max_ahead: int
    max_jump: int
    band: BandSettings
    times: Int64 = field(init=False, repr=False, compare=False)
    band_numbers: Int64 = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # As the kernels take them, made once.
        object.__setattr__(self, "times", np.array([self.max_age, self.max_ahead], np.int64))
        object.__setattr__(self, "band_numbers", self.band.numbers())


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """What became of a batch.

    Attributes
    ----------
    trades : those that came in, by (instrument, trade id), with their flags
    ends : int64 (instruments + 1,), where the trades of each instrument begin and end
    codes : int8 (n,), of the batch's rows: ACCEPTED, DUPLICATE, or of the rule that it breaks
    judged : int64 (instruments,), how many rows of each were judged
    """

    trades: TradeBatch
    ends: Int64
    codes: Int8
    judged: Int64

    def broken(self) -> list[tuple[int, Rule]]:
        """Give (row of the batch, rule) of those that break one, in the order of rows."""
        rows = np.flatnonzero((self.codes != ACCEPTED) & (self.codes != DUPLICATE))
        return [(row, _RULES[code]) for row, code in zip(rows.tolist(), self.codes[rows].tolist(), strict=True)]


def admit(batch: TradeBatch, places: Int64, table: SequenceTable, limits: Limits) -> Admission:
    """Judge a batch's trades in their order of arrival, and give those that come in.

    ``places`` (instruments,) says which row of ``table`` is each instrument's; a negative one marks a symbol that
    is not carried. The table, and the sequences and bands bound to it, are changed.
    """
    from tickwire.validation.admission_kernel import apply_rules
    from tickwire.validation.arrange_kernel import arrange, gather, group

    count = len(batch)
    scratch = table.room(count, told=2 * MAX_TOLD)
    order, bounds = scratch.order[:count], np.empty(len(places) + 1, np.int64)
    group(batch.instrument, order, bounds)
    codes, flags = np.empty(count, np.int8), batch.flags.copy()
    columns = (batch.trade_id, batch.price, batch.size, batch.side, batch.exchange_time, batch.receive_time)
    apply_rules(batch.instrument, *columns, flags, places, limits.times, codes)
    judging = _Judging(batch, places, table, limits, codes, flags)
    for index in judging.judge(order, bounds):
        judging.judge_symbol(index, order[bounds[index] : bounds[index + 1]])
    rows, ends = scratch.rows[:count], np.empty(len(places) + 1, np.int64)
    judged = bounds[1:] - bounds[:-1]
    if arrange(order, bounds, batch.trade_id, codes, rows, ends):
        return Admission(TradeBatch(batch.instruments, batch.instrument, *columns, flags), ends, codes, judged)
    rows = rows[: ends[-1]]
    trades = tuple(np.empty(len(rows), dtype) for dtype in TradeBatch.COLUMNS.values())
    gather(rows, batch.instrument, *columns, flags, *trades)
    return Admission(TradeBatch(batch.instruments, *trades), ends, codes, judged)


@dataclass(frozen=True, slots=True, eq=False)
class _Judging:
    """A batch while its rows are judged; ``codes`` and ``flags`` are being written."""

    batch: TradeBatch
    places: Int64
    table: SequenceTable
    limits: Limits
    codes: Int8
    flags: Int8

    def judge(self, order: Int64, bounds: Int64) -> list[int]:
        """Judge all symbols by what is above their last ids; give the instruments that this did not do for."""
        by_row = np.empty(len(self.places), np.bool_)
        events = self._run(order, bounds, self.places, by_row, _UNTOLD)
        if events:
            self._tell(events, self.places)
        return np.flatnonzero(by_row).tolist() if by_row.any() else []

    def judge_symbol(self, index: int, rows: Int64) -> None:
        """Judge one symbol's rows, with all that is known of the older ids among them."""
        symbol = self.table.symbols[self.places[index]]
        told = _told(symbol, self.batch.trade_id[rows])
        if told is not None:
            place, by_row = self.places[index : index + 1], np.empty(1, np.bool_)
            events = self._run(rows, np.array([0, len(rows)], np.int64), place, by_row, told)
            if not by_row[0]:
                self._tell(events, place, told_from=told.first)
                return
        self._judge_by_row(symbol, rows)

    def _run(self, order: Int64, bounds: Int64, places: Int64, by_row: Bool, told: "_Told") -> list[list[int]]:
        from tickwire.validation.admission_kernel import judge

        scratch = self.table.scratch
        events = scratch.events
        count = judge(
            order,
            bounds,
            self.batch.trade_id,
            self.batch.price,
            self.batch.exchange_time,
            self.flags,
            places,
            self.table.rows,
            self.table.rings,
            self.limits.band_numbers,
            self.limits.max_jump,
            self.codes,
            by_row,
            events,
            told.first,
            told.missing,
            told.quarantined,
            scratch.wanted,
        )
        found: list[list[int]] = events[:count].tolist()
        return found

    def _tell(self, events: list[list[int]], places: Int64, *, told_from: int | None = None) -> None:
        """Tell the sequences what the kernel did to their ids, those from ``told_from`` on if that is given."""
        changes: dict[int, BatchChanges] = defaultdict(BatchChanges)
        if told_from is not None:
            changes[0].told_from = told_from
        for kind, index, first, last, opened_in, _ in events:
            change = changes[index]
            if kind == OPENED:
                change.opened.append((first, last))
            elif kind == LEFT_MISSING and opened_in < 0:
                change.still_missing.append((first, last))
            elif kind == LEFT_MISSING:
                _, _, *ids, after, before = events[opened_in]
                change.missing.append((first, last, Span(ids[0], ids[1], "id_jump", after, before)))
            elif kind == QUARANTINED:
                change.quarantined.append(first)
            else:
                change.quarantined_only.append(first)
        for index, change in changes.items():
            self.table.symbols[places[index]].sequence.take_batch(change)

    def _judge_by_row(self, symbol: SymbolState, rows: Int64) -> None:
        """Judge one symbol's rows one after the other.

        Only trades among the symbol's newest ids meet the price band: an old trade that fills a gap belongs to
        the prices of its own time.
        """
        sequence, band, limits = symbol.sequence, symbol.band, self.limits
        batch = self.batch
        columns = (batch.trade_id, batch.price, batch.exchange_time, self.codes, batch.flags)
        lists = (column[rows].tolist() for column in columns)
        for row, trade_id, price, time, code, flag in zip(rows.tolist(), *lists, strict=True):
            again = flag & TradeFlag.REDRIVEN != 0
            if code == RULE_CODES[Rule.TRADE_ID]:
                sequence.quarantined += not again
                continue
            verdict = sequence.observe(trade_id, good=code == 0, max_jump=limits.max_jump, time=time, redriven=again)
            if code != 0:
                continue
            self.codes[row] = _VERDICT_CODES[verdict]
            newest = trade_id > sequence.last_id - limits.band.prices
            if verdict is Verdict.NEW and newest and band.observe(price, limits.band):
                self.flags[row] |= TradeFlag.PRICE_ANOMALY


class _Told(NamedTuple):
    """What is known of a symbol's ids from ``first`` on: ranges (k, 2) still missing, ids (k,) in quarantine."""

    first: int
    missing: Int64
    quarantined: Int64


_UNTOLD = _Told(INT64_MAX, np.empty((0, 2), np.int64), np.empty(0, np.int64))


def _told(symbol: SymbolState, trade_ids: Int64) -> _Told | None:
    """Give what the kernel must know of a symbol to judge these ids; None where that is too much for it."""
    sequence = symbol.sequence
    good = trade_ids[trade_ids > 0]
    first = int(good.min()) if len(good) else 0
    if sequence.far_ids or first < sequence.first_id or first <= sequence.forgotten_until:
        return None
    span = (first, max(first, sequence.last_id))
    missing, quarantined = sequence.missing.within(*span), sequence.quarantined_ids.within(*span)
    if (
        len(missing) > MAX_TOLD
        or sum(last - low + 1 for low, last in quarantined) > MAX_TOLD
        or sequence.absent.within(*span)
    ):
        return None
    ids = [trade_id for low, last in quarantined for trade_id in range(low, last + 1)]
    return _Told(first, np.array(missing, np.int64).reshape(len(missing), 2), np.array(ids, np.int64))


def places_of(
    batch: TradeBatch,
    symbols: dict[tuple[str, str], SymbolState],
    table: SequenceTable,
    *,
    known: frozenset[str] | None,
) -> Int64:
    """Give the row of the table of each of the batch's instruments, made where it has none yet.

    It is negative where no trade is the instrument's, and where ``known``, the ``venue:SYMBOL`` that are
    carried, has it not; None carries whatever comes. Batch after batch of the same instruments finds them at once.
    """
    if table.instruments is not batch.instruments and table.instruments != batch.instruments:
        table.instruments, table.places = batch.instruments, np.full(len(batch.instruments), UNPLACED, np.int64)
    places = table.places
    if places.min(initial=0) == UNPLACED:
        present = np.zeros(len(places), np.bool_)
        present[batch.instrument] = True
        for index in np.flatnonzero(present & (places == UNPLACED)).tolist():
            instrument = batch.instruments[index]
            if is_carried(instrument, known):
                places[index] = table.place(symbol_state(symbols, instrument))
            else:
                places[index] = NOT_CARRIED
    return places


def is_carried(instrument: Instrument, known: frozenset[str] | None) -> bool:
    """Say whether an instrument is one of ``known``, ``venue:SYMBOL`` each; None carries whatever comes."""
    return known is None or f"{instrument.venue}:{instrument.symbol}" in known


def symbol_state(symbols: dict[tuple[str, str], SymbolState], instrument: Instrument) -> SymbolState:
    """Give what is remembered of an instrument; a band at other scales is forgotten."""
    key = (instrument.venue, instrument.symbol)
    symbol = symbols.get(key)
    if symbol is None:
        symbol = symbols[key] = SymbolState(instrument.price_scale)
    elif symbol.price_scale != instrument.price_scale:
        symbol.rescale(instrument.price_scale)
    return symbol
