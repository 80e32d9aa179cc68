"""The live bars of a partition's symbols, as columns: those that can still be amended.

Lateness: a bar is final once its symbol's watermark (the newest exchange time seen) has reached the bar's end plus
:data:`~tickwire.bar_rows.LATENESS_SECONDS`. A trade that comes before that amends its bar; one that comes after it
cannot, is reported as late, and its bar has to be recomputed from the stored trades.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tickwire.bar_rows import (
    ALL_SLOTS,
    BAR_WIDTH,
    BEGINNING,
    CHANGED_WIDTH,
    CLOSED,
    INSTRUMENT,
    NEWEST_ID,
    SLOTS,
    SYMBOL_WIDTH,
    Rows,
)
from tickwire.bars import bars_of_rows, kernel_columns, runs_of_trades
from tickwire.columns import Int64, TradeBatch
from tickwire.records import Bar
from tickwire.symbols import Instrument

Key = tuple[str, str]
"""Venue and canonical symbol."""


@dataclass(frozen=True, slots=True, eq=False)
class BarChanges:
    """What a batch changed.

    Attributes
    ----------
    symbols : (venue, symbol) of each row of the table
    rows : int64 (n, CHANGED_WIDTH), the bars that changed or became final, each with its revision raised by one,
        laid out as ``tickwire/bar_rows.py`` says; in order of instrument, interval and start
    late : int64 (m, 4), the trades that came when their bar was final already: row of the table, interval (s),
        start (ns), number of trades; in the same order
    """

    symbols: Sequence[Key]
    rows: Rows
    late: Int64

    def bars(self) -> list[Bar]:
        """Give the bars that changed as objects."""
        return bars_of_rows(self.rows, self.symbols)


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Of each of n instruments its row of the table, int64 (n,), and its scales, int64 (n, 2); and their order."""

    instruments: tuple[Instrument, ...]
    rows: Int64
    scales: Int64
    order: Int64


class BarTable:
    """Takes in the trades of any number of symbols and amends their bars.

    Attributes
    ----------
    symbols : (venue, symbol) of each row, in order of appearance
    states : int64 (rows or more, SYMBOL_WIDTH), see ``tickwire/bar_rows.py``
    slots : int64 (ALL_SLOTS for each of these, BAR_WIDTH), the open bars; a slot without trades is free
    """

    def __init__(self) -> None:
        self.symbols: list[Key] = []
        self.states: Rows = np.empty((0, SYMBOL_WIDTH), np.int64)
        self.slots: Rows = np.empty((0, BAR_WIDTH), np.int64)
        self._row_of: dict[Key, int] = {}
        self._instruments: dict[Instrument, int] = {}
        # Of each instrument: row, price scale, size scale, place in the order of instruments.
        self._facts: Int64 = np.empty((0, 4), np.int64)
        self._placed: _Places | None = None

    def __len__(self) -> int:
        return len(self.symbols)

    def update(self, batch: TradeBatch) -> BarChanges:
        """Take in trades, in any order, none of which was taken in before.

        All trades of a batch are counted before any bar becomes final. Where a symbol comes with other scales than
        before, its open bars become final; but if all its trades are of the past, these are late instead.
        """
        from tickwire.bar_table_kernel import apply_runs

        if not len(batch):
            return BarChanges(self.symbols, np.empty((0, CHANGED_WIDTH), np.int64), np.empty((0, 4), np.int64))
        runs = runs_of_trades(batch, 1)
        if self._places(batch.instruments) is not self._placed:
            # A record may name instruments of which nothing was let through, without end: they take no room here.
            self._add_instruments([batch.instruments[k] for k in np.unique(runs[:, INSTRUMENT]).tolist()])
        places = self._places(batch.instruments)
        most = 2 * len(runs) + ALL_SLOTS * min(len(runs), len(batch.instruments))
        changed = np.empty((most, CHANGED_WIDTH), np.int64)
        late = np.empty((2 * len(runs), 4), np.int64)
        n, m = apply_runs(runs, places.order, places.rows, places.scales, self.states, self.slots, changed, late)
        return BarChanges(self.symbols, changed[:n], late[:m])

    def last_trades(self, batch: TradeBatch, *, limit: int, behind: int) -> TradeBatch:
        """Give the last trades of each instrument of a batch that was taken in, by instrument and id.

        That is at most ``limit`` of each, with ids less than ``behind`` below the highest of the symbol so far.
        """
        from tickwire.bar_table_kernel import last_rows

        if not len(batch):
            return batch
        rows = np.empty(len(batch), np.int64)
        instrument, trade_id, *_ = kernel_columns(batch)
        places = self._places(batch.instruments)
        begin = last_rows(instrument, trade_id, places.rows, self.states, limit, behind, rows)
        if begin < 0:
            order = np.lexsort((batch.trade_id, batch.instrument))
            return self.last_trades(batch.take(order), limit=limit, behind=behind)
        return batch.take(rows[begin:])

    def add_symbols(self, keys: Iterable[Key]) -> None:
        """Add rows for symbols that have none, as before their first trade."""
        new = [key for key in dict.fromkeys(keys) if key not in self._row_of]
        self._row_of.update((key, row) for row, key in enumerate(new, len(self.symbols)))
        self.symbols += new
        if len(self.symbols) > len(self.states):
            # Twice as many, so that symbols that come one by one are not copied each time.
            more = max(2 * len(self.states), len(self.symbols)) - len(self.states)
            fresh = np.full((more, SYMBOL_WIDTH), -1, np.int64)
            fresh[:, : CLOSED + len(SLOTS)] = BEGINNING
            fresh[:, NEWEST_ID] = 0
            self.states = np.concatenate((self.states, fresh))
            self.slots = np.concatenate((self.slots, np.zeros((more * ALL_SLOTS, BAR_WIDTH), np.int64)))

    def _places(self, instruments: tuple[Instrument, ...]) -> _Places:
        """Look up instruments; those that the table does not know get places that mean nothing."""
        # A record's batch is looked up twice, and the batches of a replay share their instruments.
        if self._placed is not None and self._placed.instruments is instruments:
            return self._placed
        numbers = [self._instruments.get(instrument, -1) for instrument in instruments]
        facts = self._facts[numbers] if len(self._facts) else np.zeros((len(numbers), 4), np.int64)
        rows, scales = (np.ascontiguousarray(facts[:, part]) for part in (0, slice(1, 3)))
        places = _Places(instruments, rows, scales, np.argsort(facts[:, 3]))
        self._placed = places if -1 not in numbers else None
        return places

    def _add_instruments(self, instruments: Sequence[Instrument]) -> None:
        known = self._instruments
        if all(instrument in known for instrument in instruments):
            return
        for instrument in instruments:
            known.setdefault(instrument, len(known))
        self.add_symbols((instrument.venue, instrument.symbol) for instrument in instruments)
        self._facts = np.empty((len(known), 4), np.int64)
        for place, instrument in enumerate(sorted(known)):
            row = self._row_of[instrument.venue, instrument.symbol]
            self._facts[known[instrument]] = row, instrument.price_scale, instrument.size_scale, place
        self._placed = None
