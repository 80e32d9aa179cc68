"""The minutes that a partition's bars become: taken out of the table of live bars, kept in rings, and stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tickwire.bar_rows import (
    ALL_SLOTS,
    BAR_WIDTH,
    BUY_VOLUME,
    CLOSE,
    FINAL,
    HIGH,
    INTERVAL,
    LOW,
    NOTIONAL,
    OPEN,
    PRICE_SCALE,
    SIZE_SCALE,
    SLOTS,
    START,
    SYMBOL,
    SYMBOL_PRICE_SCALE,
    SYMBOL_SIZE_SCALE,
    TRADES,
    VOLUME,
    Rows,
)
from tickwire.bar_table import BarTable, Key
from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.features.minutes import MINUTE, MINUTE_NS, Minutes, minute_rows, new_rings, slots_of
from tickwire.features.minutes import SLOTS as RING_SLOTS
from tickwire.records import Bar

MINUTE_SECONDS = 60
DAY_NS = RING_SLOTS * MINUTE_NS


class MinuteHistory(Protocol):
    """Where rings outlive the process; ``lambdas/delivery/minute_store.py`` is the one in Valkey."""

    def put(self, rows: Mapping[Key, Minutes]) -> None:
        """Write rows of symbols into their slots."""

    def read(self, symbols: Iterable[Key]) -> dict[Key, Minutes]:
        """Give the rings of symbols."""


@dataclass(frozen=True, slots=True, eq=False)
class SymbolMinutes:
    """n rows of minutes, and the row of the table that the symbol of each is: intp (n,)."""

    symbol: npt.NDArray[np.intp]
    rows: Minutes

    def __len__(self) -> int:
        return len(self.rows)

    def between(self, first: int, last: int) -> "SymbolMinutes":
        """Give those that start in [``first``, ``last``), ns UTC."""
        kept = (self.rows["start"] >= first) & (self.rows["start"] < last)
        return SymbolMinutes(self.symbol[kept], self.rows[kept])

    def by_key(self, keys: list[Key]) -> dict[Key, Minutes]:
        """Give the rows of each symbol; ``keys`` are the table's."""
        return {keys[one]: self.rows[self.symbol == one] for one in np.unique(self.symbol).tolist()}


class Rings:
    """The rings of a partition's symbols, by their rows of the table of bars.

    They are no part of a saved state, which they would make large. They belong to a state in memory, and go with it:
    whoever reads a state from its bytes (a new process, one whose state another advanced in between, one that begins
    again after an error) has none, and reads them from the store.

    Attributes
    ----------
    known : symbols that were read
    lacking : bool (known,), those of which history may yet come to the store
    """

    def __init__(self) -> None:
        self._rings = new_rings(0)
        self.known = 0
        self.lacking: npt.NDArray[np.bool_] = np.empty(0, np.bool_)

    @property
    def minutes(self) -> Minutes:
        """(known, SLOTS)."""
        return self._rings[: self.known]

    def put(self, minutes: SymbolMinutes) -> SymbolMinutes:
        """Write rows; gives those that were not there already, which the store does not have either.

        Those of symbols that are not known come from the store, and are among them.
        """
        known = minutes.symbol < self.known
        slots = slots_of(minutes.rows["start"])
        new = np.ones(len(minutes), np.bool_)
        new[known] = self._rings[minutes.symbol[known], slots[known]] != minutes.rows[known]
        self._rings[minutes.symbol[known], slots[known]] = minutes.rows[known]
        return SymbolMinutes(minutes.symbol[new], minutes.rows[new])

    def missing(self, symbols: int) -> list[int]:
        """Give those of so many symbols that are to be read: not known, or lacking."""
        return [*np.flatnonzero(self.lacking).tolist(), *range(self.known, symbols)]

    def read(self, missing: list[int], keys: list[Key], history: MinuteHistory) -> None:
        """Read the rings of the symbols that are ``missing``; ``keys`` are the table's."""
        if len(keys) > len(self._rings):
            # Twice as many, so that symbols that come one by one are not copied each time.
            more = max(2 * len(self._rings), len(keys)) - len(self._rings)
            self._rings = np.concatenate((self._rings, new_rings(more)))
        stored = history.read(keys[one] for one in missing)
        for one in missing:
            self._rings[one] = stored[keys[one]]
        self.known = len(keys)


def final_minutes(rows: Rows) -> SymbolMinutes:
    """Give the bars of a minute that became final, out of those that changed, int64 (n, CHANGED_WIDTH)."""
    rows = rows[(rows[:, INTERVAL] == MINUTE_SECONDS) & (rows[:, FINAL] == 1)]
    return SymbolMinutes(
        rows[:, SYMBOL].astype(np.intp),
        _minutes(rows, price_scale=rows[:, PRICE_SCALE], size_scale=rows[:, SIZE_SCALE]),
    )


def open_minutes(table: BarTable) -> SymbolMinutes:
    """Give the bars of a minute that are not final, as they stand."""
    number = len(table)
    slots = table.slots[: number * ALL_SLOTS].reshape(number, ALL_SLOTS, BAR_WIDTH)[:, SLOTS[0] :]
    symbol, slot = np.nonzero(slots[:, :, TRADES])
    states = table.states[symbol]
    rows = _minutes(
        slots[symbol, slot], price_scale=states[:, SYMBOL_PRICE_SCALE], size_scale=states[:, SYMBOL_SIZE_SCALE]
    )
    return SymbolMinutes(symbol, rows)


def repaired_minutes(bars: Iterable[Bar], table: BarTable) -> SymbolMinutes:
    """Give the bars of a minute that were computed again, of symbols that the table knows."""
    row_of = {key: row for row, key in enumerate(table.symbols)}
    kept = [bar for bar in bars if bar.interval == MINUTE_SECONDS and (bar.venue, bar.symbol) in row_of]
    rows = np.empty(len(kept), MINUTE)
    for row, bar in zip(rows, kept, strict=True):
        price, size = 10.0**bar.price_scale, 10.0**bar.size_scale
        row["start"], row["trades"], row["notional"] = bar.start, bar.trades, float(bar.notional)
        for name in ("open", "high", "low", "close"):
            row[name] = getattr(bar, name) / price
        row["volume"], row["buy_volume"] = bar.volume / size, bar.buy_volume / size
    return SymbolMinutes(np.array([row_of[bar.venue, bar.symbol] for bar in kept], np.intp), rows)


def joined(parts: list[SymbolMinutes]) -> SymbolMinutes:
    """Put rows behind each other; of one minute's the last counts."""
    return SymbolMinutes(np.concatenate([one.symbol for one in parts]), np.concatenate([one.rows for one in parts]))


def _minutes(rows: Rows, *, price_scale: Int64, size_scale: Int64) -> Minutes:
    price, size = 10.0**price_scale, 10.0**size_scale
    return minute_rows(
        rows[:, START],
        open=rows[:, OPEN] / price,
        high=rows[:, HIGH] / price,
        low=rows[:, LOW] / price,
        close=rows[:, CLOSE] / price,
        volume=_limbs(rows[:, VOLUME:BUY_VOLUME]) / size,
        buy_volume=_limbs(rows[:, BUY_VOLUME:NOTIONAL]) / size,
        notional=_limbs(rows[:, NOTIONAL : NOTIONAL + 3]) / (price * size),
        trades=rows[:, TRADES].astype(np.float64),
    )


def _limbs(limbs: Rows) -> Float64:
    """Give sums of several words, the lowest first, of which the highest has the sign."""
    value: Float64 = limbs[:, -1].astype(np.float64)
    for word in range(limbs.shape[1] - 2, -1, -1):
        value = value * 2.0**64 + limbs[:, word].astype(np.uint64).astype(np.float64)
    return value
