"""Rows of all connections, gathered per logical partition until a record of them is sent.

Nothing is queued as bytes: while a partition's last record is on its way, its rows simply gather,
and the next record is larger. So under load records grow instead of growing in number.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecs_tasks.ingestor.notices import NoticeBoard
from ecs_tasks.ingestor.quotes import QuoteConflater
from tickwire.columns import TradeBatch
from tickwire.partitions import partition_of
from tickwire.records import Header, Heartbeat, Record, RecordKind
from tickwire.symbols import Instrument
from tickwire.venues.feed import ParsedFrames

MAX_ROWS = 8_192
"""Trades in one record: 48 bytes each unpacked, so that even incompressible ones stay well below 1 MiB, as
must what later stages say of each of them: its bar, and the range of ids that it opens."""


class Seen(NamedTuple):
    """What one hand-over held of one instrument."""

    instrument: Instrument
    first_id: int
    last_id: int
    trades: int


@dataclass(frozen=True, slots=True)
class Added:
    """What one hand-over held, for the statistics and the watch over single streams."""

    trades: tuple[Seen, ...] = ()
    quotes: tuple[tuple[Instrument, int], ...] = ()


@dataclass(slots=True)
class _Lane:
    """One partition's rows that are in no record yet."""

    quotes: QuoteConflater
    batches: deque[TradeBatch] = field(default_factory=deque)
    rows: int = 0
    heartbeats: dict[tuple[str, str], Heartbeat] = field(default_factory=dict)


class Batcher:
    """Sorts parsed rows into partitions and gives them as records.

    Trades are never merged or dropped, and keep their order within a symbol. Of quotes and
    heartbeats, which are state, the latest of a symbol stands.
    """

    def __init__(
        self, *, partitions: int, notices: NoticeBoard, quotes_per_second: float = 10.0, max_rows: int = MAX_ROWS
    ) -> None:
        self._partitions = partitions
        self._notices = notices
        self._max_rows = max_rows
        interval = round(1e9 / quotes_per_second)
        self._lanes = [_Lane(QuoteConflater(interval=interval)) for _ in range(partitions)]
        self._partition: dict[Instrument, int] = {}
        self.pending_trades = 0
        """Trades held here, in no record yet."""

    def add(self, parsed: ParsedFrames) -> Added:
        """Take the rows and heartbeats of a hand-over; ``parsed`` holds no rows afterwards."""
        trades: tuple[Seen, ...] = ()
        quotes: list[tuple[Instrument, int]] = []
        if len(parsed.trades):
            trades = self._add_trades(parsed.trades.batch())
        if len(parsed.quotes):
            batch = parsed.quotes.batch()
            if self._partitions == 1:
                quotes = self._lanes[0].quotes.offer(batch)
            else:
                of = np.array([self._partition_of(i) for i in batch.instruments])[batch.instrument]
                for partition in np.unique(of).tolist():
                    quotes += self._lanes[partition].quotes.offer(batch.take(of == partition))
        for heartbeat in parsed.heartbeats:
            lane = self._lanes[partition_of(heartbeat.venue, heartbeat.symbol, self._partitions)]
            lane.heartbeats[heartbeat.venue, heartbeat.symbol] = heartbeat
        parsed.heartbeats.clear()
        return Added(trades, tuple(quotes))

    def rows(self, partition: int) -> int:
        """Give the number of trades that wait in a partition."""
        return self._lanes[partition].rows

    def is_due(self, partition: int, now: int) -> bool:
        """Say whether a partition has anything to send at ``now`` (monotonic ns)."""
        lane = self._lanes[partition]
        return bool(lane.rows or lane.heartbeats or lane.quotes.is_due(now) or self._notices.is_due(partition, now))

    def take(self, partition: int, *, now: int, created: int, final: bool = False) -> Record | None:
        """Give a partition's next record, or None if there is nothing to send.

        ``now`` is monotonic ns and paces quotes and notices; ``created`` is ns UTC for the header;
        ``final`` gives everything, as when the task stops.
        """
        lane = self._lanes[partition]
        trades = self._take_trades(lane)
        heartbeats: tuple[Heartbeat, ...] = ()
        if not lane.rows:
            # A heartbeat names the last trade before it, so it must not overtake that trade.
            heartbeats = tuple(lane.heartbeats.values())
            lane.heartbeats.clear()
        quotes = lane.quotes.take(now, final=final)
        notices = self._notices.take(partition, now, final=final)
        if not (len(trades) or len(quotes) or heartbeats or notices):
            return None
        header = Header(RecordKind.RAW, partition, created=created, hops=(("ingestor", created),))
        return Record(header=header, trades=trades, quotes=quotes, heartbeats=heartbeats, notices=notices)

    def _partition_of(self, instrument: Instrument) -> int:
        partition = self._partition.get(instrument)
        if partition is None:
            partition = partition_of(instrument.venue, instrument.symbol, self._partitions)
            self._partition[instrument] = partition
        return partition

    def _add_trades(self, batch: TradeBatch) -> tuple[Seen, ...]:
        self.pending_trades += len(batch)
        counts = np.bincount(batch.instrument, minlength=len(batch.instruments))
        by_instrument = batch.take(np.argsort(batch.instrument, kind="stable"))
        ends = np.cumsum(counts)
        starts = ends - counts
        present = np.flatnonzero(counts)
        lowest = np.minimum.reduceat(by_instrument.trade_id, starts[present])
        highest = np.maximum.reduceat(by_instrument.trade_id, starts[present])
        instruments: dict[int, list[int]] = {}
        for index in present.tolist():
            instruments.setdefault(self._partition_of(batch.instruments[index]), []).append(index)
        for partition, indexes in instruments.items():
            lane = self._lanes[partition]
            part = by_instrument
            if len(indexes) < len(batch.instruments):
                part = _pick(by_instrument, indexes, starts=starts, ends=ends)
            lane.batches.append(part)
            lane.rows += len(part)
        return tuple(
            Seen(batch.instruments[index], first, last, count)
            for index, first, last, count in zip(
                present.tolist(), lowest.tolist(), highest.tolist(), counts[present].tolist(), strict=True
            )
        )

    def _take_trades(self, lane: _Lane) -> TradeBatch:
        if not lane.rows:
            return TradeBatch.empty()
        taken: list[TradeBatch] = []
        room = self._max_rows
        while lane.batches and room:
            batch = lane.batches.popleft()
            if len(batch) > room:
                rows = np.arange(len(batch))
                lane.batches.appendleft(batch.take(rows[room:]))
                batch = batch.take(rows[:room])
            taken.append(batch)
            room -= len(batch)
        batch = taken[0] if len(taken) == 1 else TradeBatch.concat(taken)
        lane.rows -= len(batch)
        self.pending_trades -= len(batch)
        return batch


def _pick(
    batch: TradeBatch, indexes: Sequence[int], *, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> TradeBatch:
    """Give the rows of some instruments of a batch that is sorted by instrument, with a table of only those."""
    rows = np.concatenate([np.arange(starts[k], ends[k]) for k in indexes])
    picked = batch.take(rows)
    table = np.zeros(len(batch.instruments), np.int32)
    table[list(indexes)] = np.arange(len(indexes), dtype=np.int32)
    columns = {name: getattr(picked, name) for name in TradeBatch.COLUMNS if name != "instrument"}
    return TradeBatch(tuple(batch.instruments[k] for k in indexes), table[picked.instrument], **columns)
