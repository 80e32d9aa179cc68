"""Nine indicators after every closed bar; the package says what they are."""

from typing import ClassVar

import numpy as np

from tickwire.columns import Int32
from tickwire.errors import UnreadableState
from tickwire.features import Float64

_VERSION = 1


class Indicators:
    """What is remembered of the bars of ``symbols`` symbols, which the caller numbers from 0."""

    INDICATORS: ClassVar[tuple[str, ...]] = (
        "rsi_14",
        "macd",
        "macd_signal",
        "bollinger_upper",
        "bollinger_lower",
        "atr_14",
        "vwap_20",
        "volatility_30",
        "imbalance_20",
    )

    def __init__(self, symbols: int) -> None:
        from tickwire.features import indicators_kernel

        self._kernel = indicators_kernel
        self._cells: Float64 = np.zeros((symbols, indicators_kernel.CELLS))

    def __len__(self) -> int:
        return len(self._cells)

    def reserve(self, symbols: int) -> None:
        """Make room for so many symbols, if there is less; those that are known keep their numbers."""
        if symbols > len(self._cells):
            more = np.zeros((symbols - len(self._cells), self._kernel.CELLS))
            self._cells = np.concatenate((self._cells, more))

    def update(
        self,
        symbol: Int32,
        *,
        high: Float64,
        low: Float64,
        close: Float64,
        volume: Float64,
        buy_volume: Float64,
        notional: Float64,
        out: Float64 | None = None,
    ) -> Float64:
        """Take in n closed bars, and give the indicators after each: float64 (n, 9), columns as ``INDICATORS``.

        The bars of a symbol come in the order of time; how those of different symbols alternate does not matter.

        ``symbol`` : int32 (n,), the number of each bar's symbol
        ``high``, ``low``, ``close`` : float64 (n,), positive, in quote currency
        ``volume``, ``buy_volume`` : float64 (n,), in base currency, not negative; by buying aggressors the second
        ``notional`` : float64 (n,), sum of price times size, in quote currency, not negative
        ``out`` : float64 (n, 9), contiguous, to be written and given back instead of a new array

        ``vwap_20`` and ``imbalance_20`` are NaN where 20 bars have no volume at all.

        Raises
        ------
        IndexError
            If a symbol's number is not one that there is room for. Nothing has been taken in.
        ValueError
            If the columns, or ``out``, have different lengths.
        TypeError
            If a column is not contiguous, not writable, or of another type.
        """
        n = len(symbol)
        if out is None:
            out = np.empty((n, len(self.INDICATORS)))
        columns = (high, low, close, volume, buy_volume, notional)
        if out.shape != (n, len(self.INDICATORS)) or any(len(column) != n for column in columns):
            raise ValueError(f"{n} symbols, columns of {[len(c) for c in columns]} rows, and a result of {out.shape}")
        if n and (symbol.min() < 0 or symbol.max() >= len(self)):
            raise IndexError(f"symbols {symbol.min()} to {symbol.max()}, where there is room for {len(self)}")
        self._kernel.indicators(symbol, *columns, self._cells, out)
        return out

    def dump(self) -> bytes:
        """Give the bytes of the state, some 1.1 kB a symbol; the same state always gives the same bytes."""
        return bytes([_VERSION]) + self._cells.astype("<f8").tobytes()

    @classmethod
    def load(cls, data: bytes) -> "Indicators":
        """Read what :meth:`dump` gave.

        Raises
        ------
        UnreadableState
            If the bytes are of another version, or cut short.
        """
        if data[:1] != bytes([_VERSION]):
            raise UnreadableState(f"indicators of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
        table = cls(0)
        try:
            cells = np.frombuffer(memoryview(data)[1:], "<f8").reshape(-1, table._kernel.CELLS)
        except ValueError as error:
            raise UnreadableState(f"damaged indicators: {error}") from error
        table._cells = cells.astype(np.float64)
        return table
