"""Six exponentially decayed features of order flow, after every trade; the package says what they are."""

from typing import ClassVar

import msgspec
import numpy as np

from tickwire.columns import Int64, TradeBatch
from tickwire.errors import UnreadableState
from tickwire.features import Float64
from tickwire.symbols import Instrument

_VERSION = 1


class _Packed(msgspec.Struct, array_like=True):
    symbols: list[tuple[str, str]]
    clock: bytes
    sums: bytes


class OrderFlow:
    """The decayed sums of any number of symbols.

    Time is the exchange's. A symbol's clock is the newest exchange time among its trades, and it never goes
    back: a trade that is older than the one before it counts as if it had happened at the clock's time. So its
    weight is a little too great, what came before does not decay for it, and no later trade is counted otherwise.
    """

    FEATURES: ClassVar[tuple[str, ...]] = (
        "price_ewma_1s",
        "price_ewma_30s",
        "vwap_30s",
        "imbalance_30s",
        "volatility_30s",
        "trend",
    )

    def __init__(self) -> None:
        from tickwire.features import order_flow_kernel

        self._kernel = order_flow_kernel
        self._rows: dict[tuple[str, str], int] = {}
        self._clock: Int64 = np.empty(0, np.int64)
        self._sums: Float64 = np.empty((0, order_flow_kernel.SUMS))
        self._known: dict[Instrument, tuple[int, float, float]] = {}
        # Of the last batch's instruments: their rows, and what one unit of price and of size is worth.
        self._instruments: tuple[Instrument, ...] = ()
        self._row: Int64 = np.empty(0, np.int64)
        self._units: tuple[Float64, Float64] = (np.empty(0), np.empty(0))

    def update(self, batch: TradeBatch, *, out: Float64 | None = None) -> Float64:
        """Take in n trades, and give the features after each: float64 (n, 6), columns as ``FEATURES``.

        The trades of a symbol come in the order of their ids; trades of different symbols may alternate, but
        grouped, as after a sort by (instrument, trade_id), they are faster. They have passed the rules: a row
        whose price or size is not positive is no trade, changes nothing and has NaN for features. A trade of
        unknown side counts for the volume but neither bought nor sold. A symbol whose scales change goes on.

        ``out`` : float64 (n, 6), contiguous, to be written and given back instead of a new array. A caller
        that keeps one saves the cost of new memory.

        Raises
        ------
        IndexError
            If a row's instrument is not in the table of the batch. Nothing has been taken in.
        ValueError
            If the columns, or ``out``, have different lengths.
        TypeError
            If a column is not contiguous, not writable, or not of the type that a batch has.
        """
        n = len(batch)
        if out is None:
            out = np.empty((n, len(self.FEATURES)))
        columns = (batch.instrument, batch.price, batch.size, batch.side, batch.exchange_time)
        if out.shape != (n, len(self.FEATURES)) or any(len(column) != n for column in columns):
            raise ValueError(f"columns of {[len(column) for column in columns]} rows and a result of {out.shape}")
        if not n:
            return out
        if batch.instrument.min() < 0 or batch.instrument.max() >= len(batch.instruments):
            raise IndexError(f"instrument {batch.instrument.max()} of {len(batch.instruments)}")
        self._know(batch.instruments)
        self._kernel.order_flow(*columns, self._row, *self._units, self._clock, self._sums, out)
        return out

    def dump(self) -> bytes:
        """Give the bytes of the state; the same state always gives the same bytes."""
        symbols = sorted(self._rows)
        rows = [self._rows[symbol] for symbol in symbols]
        clock, sums = self._clock[rows].astype("<i8").tobytes(), self._sums[rows].astype("<f8").tobytes()
        return bytes([_VERSION]) + msgspec.msgpack.encode(_Packed(symbols, clock, sums))

    @classmethod
    def load(cls, data: bytes) -> "OrderFlow":
        """Read what :meth:`dump` gave.

        Raises
        ------
        UnreadableState
            If the bytes are of another version, or damaged.
        """
        if data[:1] != bytes([_VERSION]):
            raise UnreadableState(f"order flow of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
        table = cls()
        try:
            packed = msgspec.msgpack.decode(memoryview(data)[1:], type=_Packed)
            table._clock = np.frombuffer(packed.clock, "<i8").astype(np.int64)
            table._sums = np.frombuffer(packed.sums, "<f8").astype(np.float64).reshape(-1, table._sums.shape[1])
        except (msgspec.MsgspecError, ValueError) as error:
            raise UnreadableState(f"damaged order flow: {error}") from error
        table._rows = {symbol: row for row, symbol in enumerate(packed.symbols)}
        sizes = {len(packed.symbols), len(table._rows), len(table._clock), len(table._sums)}
        if len(sizes) > 1:
            raise UnreadableState(f"damaged order flow: symbols, clocks and sums are {sorted(sizes)}")
        return table

    def _know(self, instruments: tuple[Instrument, ...]) -> None:
        """Find the rows and units of a batch's instruments, anew only where its table is another one."""
        if instruments is self._instruments or instruments == self._instruments:
            return
        for instrument in instruments:
            if instrument not in self._known:
                row = self._rows.setdefault(instrument[:2], len(self._rows))
                units = float(f"1e-{instrument.price_scale}"), float(f"1e-{instrument.size_scale}")
                self._known[instrument] = row, *units
        rows, price_units, size_units = zip(*map(self._known.__getitem__, instruments), strict=True)
        self._row = np.array(rows, np.int64)
        self._units = np.array(price_units), np.array(size_units)
        self._instruments = instruments
        if len(self._rows) > len(self._clock):
            more = max(len(self._rows), 2 * len(self._clock)) - len(self._clock)
            self._clock = np.concatenate((self._clock, np.full(more, -1, np.int64)))
            self._sums = np.concatenate((self._sums, np.zeros((more, self._kernel.SUMS))))
