"""Quotes are state: of each symbol only the latest one matters, a few times a second."""

import numpy as np

from tickwire.columns import QuoteBatch, QuoteRows
from tickwire.symbols import Instrument

_NAMES = tuple(name for name in QuoteBatch.COLUMNS if name != "instrument")
_UPDATE_ID = _NAMES.index("update_id")
_EXCHANGE_TIME = _NAMES.index("exchange_time")


class QuoteConflater:
    """Holds the latest quote of each instrument and gives it at most every ``interval`` ns.

    Latest is by the venue's update id, then its time, then arrival. Memory is one row an instrument.
    """

    __slots__ = ("_given", "_interval", "_latest")

    def __init__(self, *, interval: int) -> None:
        self._interval = interval
        self._latest: dict[Instrument, tuple[int, ...]] = {}
        self._given: dict[Instrument, int] = {}

    def __len__(self) -> int:
        return len(self._latest)

    def offer(self, batch: QuoteBatch) -> list[tuple[Instrument, int]]:
        """Take in quotes; gives each instrument among them with its number of rows."""
        arrival = np.arange(len(batch))
        order = np.lexsort((arrival, batch.exchange_time, batch.update_id, batch.instrument))
        counts = np.bincount(batch.instrument, minlength=len(batch.instruments))
        present = np.flatnonzero(counts)
        last = order[np.cumsum(counts)[present] - 1]
        rows = zip(*(getattr(batch, name)[last].tolist() for name in _NAMES), strict=True)
        seen = []
        for index, row in zip(present.tolist(), rows, strict=True):
            instrument = batch.instruments[index]
            seen.append((instrument, int(counts[index])))
            held = self._latest.get(instrument)
            if held is None or _order(row) >= _order(held):
                self._latest[instrument] = row
        return seen

    def is_due(self, now: int) -> bool:
        """Say whether :meth:`take` at ``now`` (monotonic ns) would give anything."""
        return any(now - self._given.get(instrument, -self._interval) >= self._interval for instrument in self._latest)

    def take(self, now: int, *, final: bool = False) -> QuoteBatch:
        """Give what is due at ``now`` (monotonic ns), or everything held if ``final``."""
        rows = QuoteRows()
        for instrument in list(self._latest):
            if final or now - self._given.get(instrument, -self._interval) >= self._interval:
                rows.append(instrument, **dict(zip(_NAMES, self._latest.pop(instrument), strict=True)))
                self._given[instrument] = now
        return rows.batch()


def _order(row: tuple[int, ...]) -> tuple[int, int]:
    return row[_UPDATE_ID], row[_EXCHANGE_TIME]
