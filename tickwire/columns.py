"""Trades and quotes as columns: int64 fixed point, int64 nanoseconds UTC, one scale pair a symbol."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from tickwire.symbols import Instrument

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]


class Side(IntEnum):
    """The aggressor's (taker's) side of a trade; a row with UNKNOWN breaks the rule ``side``."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


class TradeFlag(IntFlag):
    """What is worth knowing of a trade that is nevertheless good."""

    SNAPSHOT = 1
    """Came in a venue's snapshot of recent trades, so it may overlap what was already seen."""
    PRICE_ANOMALY = 2
    """Lies outside the robust band of the symbol's recent prices: flagged, never dropped."""
    BACKFILL = 4
    """Fetched from the venue's REST history to fill a gap."""
    REDRIVEN = 8
    """Sent again from a dead letter, after a parser or a rule was mended."""


@dataclass(frozen=True, slots=True, eq=False)
class TradeBatch:
    """n trades of any number of instruments, as parallel columns.

    Attributes
    ----------
    instruments : table that ``instrument`` indexes; holds venue, symbol and both scales
    instrument : int32 (n,), row into ``instruments``
    trade_id : int64 (n,), the venue's id, contiguous per instrument
    price : int64 (n,), units of 10**-price_scale quote currency
    size : int64 (n,), units of 10**-size_scale base currency
    side : int8 (n,), :class:`Side` of the aggressor
    exchange_time, receive_time : int64 (n,), ns UTC; receive may lie before exchange time
    flags : int8 (n,), :class:`TradeFlag`
    """

    instruments: tuple[Instrument, ...]
    instrument: Int32
    trade_id: Int64
    price: Int64
    size: Int64
    side: Int8
    exchange_time: Int64
    receive_time: Int64
    flags: Int8

    COLUMNS: ClassVar[dict[str, type[np.signedinteger[Any]]]] = {
        "instrument": np.int32,
        "trade_id": np.int64,
        "price": np.int64,
        "size": np.int64,
        "side": np.int8,
        "exchange_time": np.int64,
        "receive_time": np.int64,
        "flags": np.int8,
    }

    def __len__(self) -> int:
        return len(self.trade_id)

    def take(self, rows: npt.NDArray[np.generic]) -> "TradeBatch":
        """Give the rows picked by an index or boolean array, in that order, same instruments."""
        return TradeBatch(self.instruments, *(getattr(self, name)[rows] for name in self.COLUMNS))

    @classmethod
    def empty(cls) -> "TradeBatch":
        return TradeRows().batch()

    @classmethod
    def concat(cls, batches: Sequence["TradeBatch"]) -> "TradeBatch":
        """Join batches in order, merging their instrument tables."""
        return _concat(cls, batches)


@dataclass(frozen=True, slots=True, eq=False)
class QuoteBatch:
    """n best bids and offers, as parallel columns. State, not events: the latest one wins.

    Attributes
    ----------
    instruments, instrument : as in :class:`TradeBatch`
    bid_price, ask_price : int64 (n,), units of 10**-price_scale
    bid_size, ask_size : int64 (n,), units of 10**-size_scale; 0 where the feed gives none
    update_id : int64 (n,), grows per instrument where the venue has one, else 0
    exchange_time : int64 (n,), ns UTC; the receive time where the venue sends none (Binance)
    receive_time : int64 (n,), ns UTC
    """

    instruments: tuple[Instrument, ...]
    instrument: Int32
    bid_price: Int64
    bid_size: Int64
    ask_price: Int64
    ask_size: Int64
    update_id: Int64
    exchange_time: Int64
    receive_time: Int64

    COLUMNS: ClassVar[dict[str, type[np.signedinteger[Any]]]] = {
        "instrument": np.int32,
        "bid_price": np.int64,
        "bid_size": np.int64,
        "ask_price": np.int64,
        "ask_size": np.int64,
        "update_id": np.int64,
        "exchange_time": np.int64,
        "receive_time": np.int64,
    }

    def __len__(self) -> int:
        return len(self.update_id)

    def take(self, rows: npt.NDArray[np.generic]) -> "QuoteBatch":
        """Give the rows picked by an index or boolean array, in that order, same instruments."""
        return QuoteBatch(self.instruments, *(getattr(self, name)[rows] for name in self.COLUMNS))

    @classmethod
    def empty(cls) -> "QuoteBatch":
        return QuoteRows().batch()

    @classmethod
    def concat(cls, batches: Sequence["QuoteBatch"]) -> "QuoteBatch":
        """Join batches in order, merging their instrument tables."""
        return _concat(cls, batches)


Batch = TypeVar("Batch", TradeBatch, QuoteBatch)


def _concat(cls: type[Batch], batches: Sequence[Batch]) -> Batch:
    table: dict[Instrument, int] = {}
    indexes = []
    for batch in batches:
        mapping = np.array([table.setdefault(i, len(table)) for i in batch.instruments], np.int32)
        indexes.append(mapping[batch.instrument] if len(batch) else batch.instrument)
    names = [name for name in cls.COLUMNS if name != "instrument"]
    columns = [
        np.concatenate([getattr(b, name) for b in batches] or [np.empty(0, cls.COLUMNS[name])]) for name in names
    ]
    index = np.concatenate(indexes) if indexes else np.empty(0, np.int32)
    return cls(tuple(table), index, *columns)


class _Rows(Generic[Batch]):
    """Grows row by row, or batch by batch, while frames are parsed; `batch` turns it into columns and empties it."""

    __slots__ = ("_batches", "_in_batches", "_rows", "_table")

    _batch_type: type[Batch]

    def __init__(self) -> None:
        self._table: dict[Instrument, int] = {}
        self._rows: list[tuple[int, ...]] = []
        self._batches: list[Batch] = []
        self._in_batches = 0

    def __len__(self) -> int:
        return self._in_batches + len(self._rows)

    def extend(self, batch: Batch) -> None:
        """Add a batch behind the rows so far. It is kept, not copied, so it must not change any more."""
        if len(batch):
            self._close_rows()
            self._batches.append(batch)
            self._in_batches += len(batch)

    def batch(self) -> Batch:
        """Give the rows so far, in order of arrival, and start anew."""
        self._close_rows()
        batches, self._batches, self._in_batches = self._batches, [], 0
        if len(batches) == 1:
            return batches[0]
        if batches and all(one.instruments is batches[0].instruments for one in batches):
            names = self._batch_type.COLUMNS
            columns = [np.concatenate([getattr(one, name) for one in batches]) for name in names]
            return self._batch_type(batches[0].instruments, *columns)
        return _concat(self._batch_type, batches)

    def _index(self, instrument: Instrument) -> int:
        return self._table.setdefault(instrument, len(self._table))

    def _close_rows(self) -> None:
        """Make a batch of the rows that were added one by one."""
        if not self._rows:
            return
        dtypes = self._batch_type.COLUMNS
        rows, self._rows = self._rows, []
        matrix = np.array(rows, np.int64).reshape(len(rows), len(dtypes))
        columns = [np.ascontiguousarray(matrix[:, k], dtype) for k, dtype in enumerate(dtypes.values())]
        table, self._table = tuple(self._table), {}
        self._batches.append(self._batch_type(table, *columns))
        self._in_batches += len(rows)


class TradeRows(_Rows[TradeBatch]):
    """Collects trades one by one, or in batches, and gives them as a :class:`TradeBatch`."""

    __slots__ = ()

    _batch_type = TradeBatch

    def append(
        self,
        instrument: Instrument,
        *,
        trade_id: int,
        price: int,
        size: int,
        side: Side,
        exchange_time: int,
        receive_time: int,
        flags: int = 0,
    ) -> None:
        """Add one trade; units as in :class:`TradeBatch`."""
        index = self._index(instrument)
        self._rows.append((index, trade_id, price, size, side, exchange_time, receive_time, flags))


class QuoteRows(_Rows[QuoteBatch]):
    """Collects quotes one by one, or in batches, and gives them as a :class:`QuoteBatch`."""

    __slots__ = ()

    _batch_type = QuoteBatch

    def append(
        self,
        instrument: Instrument,
        *,
        bid_price: int,
        bid_size: int,
        ask_price: int,
        ask_size: int,
        update_id: int,
        exchange_time: int,
        receive_time: int,
    ) -> None:
        """Add one quote; units as in :class:`QuoteBatch`."""
        index = self._index(instrument)
        self._rows.append((index, bid_price, bid_size, ask_price, ask_size, update_id, exchange_time, receive_time))
