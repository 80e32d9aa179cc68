"""Trades, and runs of trades on one side, far in the tail of a symbol's own notionals."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from pcodec import ChunkConfig, standalone

from tickwire.bar_rows import FROM_THE_PAST
from tickwire.bars import kernel_columns
from tickwire.columns import Int64, TradeBatch
from tickwire.conclusions import Whale
from tickwire.errors import UnreadableState
from tickwire.features import Float64
from tickwire.symbols import Instrument

_VERSION = 1
_CONFIG = ChunkConfig(compression_level=4)
_ROOM = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WhaleSettings:
    """What counts as a whale.

    Attributes
    ----------
    one_in : a trade (a run) is one if no more than one of so many before it were as large
    medians : and if its notional is at least so many times their median
    min_trades : so many trades of a symbol come first
    window_seconds : how long a run of one side lasts from its first trade on
    min_runs : so many runs of a symbol come first
    multiple : a run's notional is at least so many times what makes a single trade a whale
    """

    one_in: int = 10_000
    medians: float = 20.0
    min_trades: int = 2_000
    window_seconds: float = 2.0
    min_runs: int = 500
    multiple: float = 2.0


class _Packed(msgspec.Struct, array_like=True):
    symbols: list[tuple[str, str]]
    clock: bytes
    seen: bytes
    runs: bytes
    sums: bytes
    # Of each histogram the bins from the first that is not empty on, and those bins one behind the other.
    spans: bytes
    counts: bytes


class WhaleDetector:
    """The histograms and open runs of any number of symbols.

    Time is the exchange's, and a symbol's clock never goes back, as in ``OrderFlow``. Trades that fill a gap or were
    sent again are left out: what they tell happened long ago, and elsewhere in the order of trades.
    """

    def __init__(self, settings: WhaleSettings | None = None) -> None:
        from tickwire.detect import whales_kernel

        self._kernel = whales_kernel
        self._settings = WhaleSettings() if settings is None else settings
        self._rows: dict[tuple[str, str], int] = {}
        self._known: dict[Instrument, tuple[int, float, float]] = {}
        self._clock: Int64 = np.empty(0, np.int64)
        self._counts: Int64 = np.empty((0, whales_kernel.BINS), np.int64)
        self._marks: Int64 = np.empty((0, whales_kernel.MARKS), np.int64)
        self._runs: Int64 = np.empty((0, 2, whales_kernel.RUN), np.int64)
        self._sums: Float64 = np.empty((0, 2, 2))
        self._number: Int64 = np.zeros(1, np.int64)
        self._found: Int64 = np.empty((_ROOM, whales_kernel.FOUND), np.int64)
        self._found_sums: Float64 = np.empty((_ROOM, 3))

    def update(self, batch: TradeBatch) -> list[Whale]:
        """Take in n trades, and give what was found, in the order in which it was.

        The trades of a symbol come in the order of their ids and have passed the rules. A run shows when a trade comes
        that lies more than ``window_seconds`` after its first one.

        Raises
        ------
        IndexError
            If a row's instrument is not in the table of the batch. Nothing has been taken in.
        """
        if not len(batch):
            return []
        if batch.instrument.min() < 0 or batch.instrument.max() >= len(batch.instruments):
            raise IndexError(f"instrument {batch.instrument.max()} of {len(batch.instruments)}")
        row, price_unit, size_unit = self._know(batch.instruments)
        instrument, trade_id, price, size, side, exchange_time, _, flags = kernel_columns(batch)
        settings, found, place = self._settings, [], 0
        while place < len(batch):
            place = self._kernel.whales(
                place,
                *(instrument, trade_id, price, size, side, exchange_time, flags),
                *(row, price_unit, size_unit),
                *(settings.one_in, settings.min_trades, settings.min_runs, round(settings.window_seconds * 1e9)),
                *(settings.medians, settings.multiple, int(FROM_THE_PAST)),
                self._clock,
                self._counts,
                self._marks,
                self._runs,
                self._sums,
                self._number,
                self._found,
                self._found_sums,
            )
            number = int(self._number[0])
            rows = zip(self._found[:number].tolist(), self._found_sums[:number].tolist(), strict=True)
            found += [_whale(batch.instruments, *one) for one in rows]
        return found

    def dump(self) -> bytes:
        """Give the bytes of the state, some 0.6 kB a symbol; the same state always gives the same bytes."""
        symbols = sorted(self._rows)
        rows = np.array([self._rows[symbol] for symbol in symbols], np.int64)
        histograms = np.stack((2 * rows, 2 * rows + 1), axis=1).ravel()
        counts, runs, sums = self._counts[histograms], self._runs[rows], self._sums[rows]
        # What is left of a run that ended is no part of the state.
        ended = runs[:, :, self._kernel.TRADES] == 0
        runs[ended], sums[ended] = 0, 0.0
        filled = counts != 0
        first = filled.argmax(axis=1)
        last = counts.shape[1] - filled[:, ::-1].argmax(axis=1)
        last[~filled.any(axis=1)] = 0
        places = np.arange(counts.shape[1])
        kept = counts[(places >= first[:, None]) & (places < last[:, None])]
        packed = _Packed(
            symbols,
            _pack(self._clock[rows]),
            _pack(self._marks[histograms, self._kernel.SEEN]),
            _pack(runs.ravel()),
            sums.astype("<f8").tobytes(),
            np.stack((first, last), axis=1).astype("<u2").tobytes(),
            _pack(kept),
        )
        return bytes([_VERSION]) + msgspec.msgpack.encode(packed)

    @classmethod
    def load(cls, data: bytes, settings: WhaleSettings | None = None) -> "WhaleDetector":
        """Read what :meth:`dump` gave.

        Raises
        ------
        UnreadableState
            If the bytes are of another version, or damaged.
        """
        if data[:1] != bytes([_VERSION]):
            raise UnreadableState(f"whales of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
        table = cls(settings)
        try:
            table._read(msgspec.msgpack.decode(memoryview(data)[1:], type=_Packed))
        except (msgspec.MsgspecError, ValueError, RuntimeError) as error:
            raise UnreadableState(f"damaged state of whales: {error}") from error
        return table

    def _read(self, packed: _Packed) -> None:
        number = len(packed.symbols)
        self._rows = {symbol: row for row, symbol in enumerate(packed.symbols)}
        if len(self._rows) != number:
            raise ValueError("a symbol stands there twice")
        self._grow()
        kernel = self._kernel
        self._clock[:number] = _unpack(packed.clock, number)
        self._marks[: 2 * number, kernel.SEEN] = _unpack(packed.seen, 2 * number)
        self._runs[:number] = _unpack(packed.runs, number * 2 * kernel.RUN).reshape(number, 2, kernel.RUN)
        self._sums[:number] = np.frombuffer(packed.sums, "<f8").reshape(number, 2, 2)
        spans = np.frombuffer(packed.spans, "<u2").reshape(2 * number, 2).astype(np.int64)
        places = np.arange(kernel.BINS)
        kept = (places >= spans[:, :1]) & (places < spans[:, 1:])
        counts = _unpack(packed.counts, int(np.count_nonzero(kept)))
        if np.any(counts < 0) or np.any(counts >= kernel.FULL):
            raise ValueError("counts out of bounds")
        self._counts[: 2 * number][kept] = counts
        kernel.recount(self._counts, self._marks, self._settings.one_in)

    def _know(self, instruments: tuple[Instrument, ...]) -> tuple[Int64, Float64, Float64]:
        for instrument in instruments:
            if instrument not in self._known:
                row = self._rows.setdefault(instrument[:2], len(self._rows))
                units = float(f"1e-{instrument.price_scale}"), float(f"1e-{instrument.size_scale}")
                self._known[instrument] = row, *units
        self._grow()
        rows, price_units, size_units = zip(*map(self._known.__getitem__, instruments), strict=True)
        return np.array(rows, np.int64), np.array(price_units), np.array(size_units)

    def _grow(self) -> None:
        if len(self._rows) <= len(self._clock):
            return
        more = max(len(self._rows), 2 * len(self._clock)) - len(self._clock)
        marks = np.zeros((2 * more, self._kernel.MARKS), np.int64)
        marks[:, self._kernel.TAIL] = -1
        self._clock = np.concatenate((self._clock, np.zeros(more, np.int64)))
        self._counts = np.concatenate((self._counts, np.zeros((2 * more, self._kernel.BINS), np.int64)))
        self._marks = np.concatenate((self._marks, marks))
        self._runs = np.concatenate((self._runs, np.zeros((more, 2, self._kernel.RUN), np.int64)))
        self._sums = np.concatenate((self._sums, np.zeros((more, 2, 2))))


def _whale(instruments: tuple[Instrument, ...], row: list[int], sums: list[float]) -> Whale:
    started, ended, trades, first_id, last_id, side, which = row
    notional, volume, threshold = sums
    return Whale(
        venues=(instruments[which].venue,),
        symbol=instruments[which].symbol,
        side=-1 if side else 1,
        started=started,
        ended=ended,
        trades=trades,
        notional=notional,
        price=notional / volume,
        threshold=threshold,
        first_id=first_id,
        last_id=last_id,
    )


def _pack(column: Int64) -> bytes:
    return bytes(standalone.simple_compress(np.ascontiguousarray(column), _CONFIG)) if len(column) else b""


def _unpack(data: bytes, number: int) -> Int64:
    column: Any = standalone.simple_decompress(data) if data else np.empty(0, np.int64)
    if column is None or column.dtype != np.int64 or len(column) != number:
        raise ValueError("a column has the wrong length or type")
    values: Int64 = column
    return values
