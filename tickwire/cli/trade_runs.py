"""Trades of any number and order, sorted and without repeats, in bounded memory.

Rows are kept as sorted runs, on disk once they are many. Each symbol's runs are then merged a
window of ids at a time, which shows every repeat and every hole, however far apart they came.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from tickwire.columns import Int64, TradeBatch
from tickwire.symbols import Instrument
from tickwire.validation.sequence import CONFIRMATIONS

RUN_ROWS = 500_000
COLUMNS = ("trade_id", "price", "size", "side", "exchange_time", "receive_time", "late")
"""Rows of a window; ``late`` is 1 where a higher id of the symbol had come before."""


@dataclass(slots=True)
class IdAccount:
    """What the ids of one symbol say; ``missing`` are inclusive (first, last) ranges.

    ``distrusted`` are ranges of so few ids, so far from all others, that they are not believed.
    """

    trades: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    first_id: int = 0
    last_id: int = -1
    missing: list[tuple[int, int]] = field(default_factory=list)
    distrusted: list[tuple[int, int]] = field(default_factory=list)


class TradeRuns:
    """Collects trades; ``folder`` takes the runs that do not fit into memory."""

    def __init__(self, folder: Path, *, run_rows: int = RUN_ROWS) -> None:
        self._folder = folder
        self._run_rows = run_rows
        self._pending: dict[Instrument, list[Int64]] = {}
        self._pending_rows = 0
        self._highest: dict[Instrument, int] = {}
        self._runs: dict[Instrument, list[Int64]] = {}
        self._files = 0

    def add(self, batch: TradeBatch) -> None:
        """Take in trades in the order in which they came."""
        for index in np.unique(batch.instrument).tolist():
            rows = batch.take(batch.instrument == index)
            traded = batch.instruments[index]
            highest_before = np.maximum.accumulate(
                np.concatenate(([self._highest.get(traded, -1)], rows.trade_id)), dtype=np.int64
            )
            self._highest[traded] = int(highest_before[-1])
            late = rows.trade_id < highest_before[:-1]
            columns = [*(getattr(rows, name) for name in COLUMNS[:-1]), late]
            self._pending.setdefault(traded, []).append(np.array(columns, np.int64))
            self._pending_rows += len(rows)
        if self._pending_rows >= self._run_rows:
            self._close_run(on_disk=True)

    def instruments(self) -> list[Instrument]:
        """Give all instruments, in order of venue and symbol."""
        self._close_run(on_disk=False)
        return sorted(self._runs)

    def windows(self, traded: Instrument, rows: int = RUN_ROWS // 2) -> Iterator[Int64]:
        """Give a symbol's rows, repeats among them, by rising id; int64 (columns, n) each.

        Of repeats the one that came first is first. Rows of one id are never in two windows.
        """
        runs = self._runs[traded]
        start = [0] * len(runs)
        while True:
            open_runs = [k for k, run in enumerate(runs) if start[k] < run.shape[1]]
            if not open_runs:
                return
            step = max(1, rows // len(open_runs))
            highest = min(int(runs[k][0, min(start[k] + step, runs[k].shape[1]) - 1]) for k in open_runs)
            parts = []
            for k in open_runs:
                stop = int(np.searchsorted(runs[k][0], highest, "right"))
                parts.append(runs[k][:, start[k] : stop])
                start[k] = stop
            merged = np.concatenate(parts, axis=1)
            yield merged[:, np.argsort(merged[0], kind="stable")]

    def distinct(self, traded: Instrument, account: IdAccount) -> Iterator[tuple[TradeBatch, bool]]:
        """Give a symbol's trades by rising id, each once, in batches, and whether their ids are believed."""
        for window in self.windows(traded):
            rows = window[:, first_of_each(window[0])]
            far = np.zeros(rows.shape[1], np.bool_)
            for first, last in account.distrusted:
                far |= (rows[0] >= first) & (rows[0] <= last)
            for chosen, believed in ((~far, True), (far, False)):
                if chosen.any():
                    yield _batch(traded, rows[:, chosen]), believed

    def account(self, traded: Instrument, *, quarantined: Int64, last_id: int, max_jump: int) -> IdAccount:
        """Go through a symbol's ids once and say what they are.

        ``quarantined`` : sorted ids of rows that broke a rule: seen, so not missing. ``last_id`` :
        the last id that the venue announced, or -1. ``max_jump`` : ids further than this from all
        others need :data:`CONFIRMATIONS` of them to be believed.
        """
        account = IdAccount()
        # Stretches of ids with no jump inside: first, last, trades, duplicates, late, missing ranges.
        stretches: list[_Stretch] = []
        for window in self.windows(traded):
            ids = window[0]
            kept = first_of_each(ids)
            account_late = window[-1, kept]
            unique = ids[kept]
            cuts = [0, *(np.flatnonzero(np.diff(unique) > max_jump) + 1).tolist(), len(unique)]
            repeats = np.diff(np.append(np.flatnonzero(kept), len(ids))) - 1
            for low, high in pairwise(cuts):
                part = unique[low:high]
                if not stretches or part[0] - stretches[-1].last > max_jump:
                    stretches.append(_Stretch(int(part[0]), int(part[0]) - 1))
                stretches[-1].extend(part, int(repeats[low:high].sum()), int(account_late[low:high].sum()))
        believed = [s for s in stretches if s.trades >= CONFIRMATIONS] or stretches
        account.distrusted = [(s.first, s.last) for s in stretches if s not in believed]
        for stretch in believed:
            if account.last_id >= 0:
                account.missing.append((account.last_id + 1, stretch.first - 1))
            else:
                account.first_id = stretch.first
            account.missing += stretch.missing
            account.last_id = stretch.last
            account.trades += stretch.trades
            account.duplicates += stretch.duplicates
            account.out_of_order += stretch.late
        if account.last_id < last_id <= account.last_id + max_jump:
            account.missing.append((account.last_id + 1, last_id))
        account.missing = _without(account.missing, quarantined)
        return account

    def _close_run(self, *, on_disk: bool) -> None:
        if not self._pending:
            return
        parts = [np.concatenate(rows, axis=1) for rows in self._pending.values()]
        rows = np.concatenate([part[:, np.argsort(part[0], kind="stable")] for part in parts], axis=1)
        if on_disk:
            path = self._folder / f"{self._files}.npy"
            self._files += 1
            np.save(path, rows)
            rows = np.load(path, mmap_mode="r")
        stop = 0
        for traded, part in zip(self._pending, parts, strict=True):
            start, stop = stop, stop + part.shape[1]
            self._runs.setdefault(traded, []).append(rows[:, start:stop])
        self._pending.clear()
        self._pending_rows = 0


def _batch(traded: Instrument, rows: Int64) -> TradeBatch:
    trade_id, price, size, side, exchange_time, receive_time = rows[:-1]
    count = rows.shape[1]
    return TradeBatch(
        (traded,),
        np.zeros(count, np.int32),
        trade_id,
        price,
        size,
        side.astype(np.int8),
        exchange_time,
        receive_time,
        np.zeros(count, np.int8),
    )


@dataclass(slots=True, eq=False)
class _Stretch:
    first: int
    last: int
    trades: int = 0
    duplicates: int = 0
    late: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)

    def extend(self, ids: Int64, duplicates: int, late: int) -> None:
        padded = np.concatenate(([self.last], ids))
        holes = np.flatnonzero(np.diff(padded) > 1)
        self.missing += [(int(padded[k]) + 1, int(padded[k + 1]) - 1) for k in holes]
        self.last = int(ids[-1])
        self.trades += len(ids)
        self.duplicates += duplicates
        self.late += late


def first_of_each(ids: Int64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark the first of each run of equal ids in sorted ids."""
    return np.concatenate(([True], ids[1:] != ids[:-1])) if len(ids) else np.empty(0, np.bool_)


def _without(ranges: list[tuple[int, int]], ids: Int64) -> list[tuple[int, int]]:
    rest = []
    for first, last in ranges:
        for known in ids[np.searchsorted(ids, first) : np.searchsorted(ids, last, "right")].tolist():
            if first < known:
                rest.append((first, known - 1))
            first = known + 1
        if first <= last:
            rest.append((first, last))
    return rest
