"""Predictions whose horizon has not come yet, and their compact form within the state of the signals stage."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig, standalone

from tickwire.columns import Int64
from tickwire.features.minutes import MINUTE_NS
from tickwire.forecast.forecaster import Origin

PREDICTED = np.dtype(
    [("symbol", "<i8"), ("minute", "<i8"), ("origin", "<i8"), ("probability", "<f4"), ("close", "<f8")]
)
"""A prediction: the symbol's row of the table of bars, its time in minutes since 1970, the place of what gave it among
``origins``, and the price then. The probability is as exact as the model's own, float32."""

Predicted = npt.NDArray[np.void]
"""(n,) of :data:`PREDICTED`, by minute, then by symbol."""

_COLUMNS = PREDICTED.names or ()
_CONFIG = ChunkConfig(compression_level=4)
_MAX_PREDICTIONS = 10_000_000


class PackedPending(msgspec.Struct, array_like=True):
    """What :meth:`Pending.unpack` reads: what gave them, how many there are, and a column each."""

    origins: list[tuple[str, str, str]]
    number: int
    columns: list[bytes]


class Pending:
    """Predictions that wait for their outcome; never changed, so that its bytes are made once a minute."""

    def __init__(self, rows: Predicted, origins: Sequence[Origin]) -> None:
        self.rows = rows
        self.origins = tuple(origins)

    @classmethod
    def none(cls) -> "Pending":
        """Give no predictions."""
        return cls(np.empty(0, PREDICTED), ())

    def __len__(self) -> int:
        return len(self.rows)

    def due(self, end: int, *, horizon: int) -> "tuple[Pending, Pending]":
        """Give those whose horizon (ns) has come at ``end``, ns UTC, and the others."""
        due = self.rows["minute"] * MINUTE_NS + horizon <= end
        return Pending(self.rows[due], self.origins), Pending(self.rows[~due], self.origins)

    def also(self, rows: Predicted, origins: Sequence[Origin]) -> "Pending":
        """Give these and later ones, of other ``origins``; what gave none of them any more is forgotten."""
        places = {origin: place for place, origin in enumerate(dict.fromkeys((*self.origins, *origins)))}
        later = rows.copy()
        later["origin"] = np.array([places[one] for one in origins], np.int64)[rows["origin"]]
        together = np.concatenate((self.rows, later))
        used, together["origin"] = np.unique(together["origin"], return_inverse=True)
        named = list(places)
        return Pending(together, [named[one] for one in used.tolist()])

    def pack(self) -> PackedPending:
        """Give the compact form; the same predictions always have the same."""
        return self._packed

    @cached_property
    def _packed(self) -> PackedPending:
        named = [(one.model, one.version, one.variant) for one in self.origins]
        columns = [_pack(self.rows[name]) for name in _COLUMNS] if len(self) else []
        return PackedPending(named, len(self), columns)

    @classmethod
    def unpack(cls, packed: PackedPending, *, symbols: int) -> "Pending":
        """Read the compact form.

        Raises
        ------
        ValueError
            If that is not what :meth:`pack` made of predictions of so many symbols.
        """
        names = _COLUMNS if packed.number else ()
        if len(packed.columns) != len(names) or not 0 <= packed.number <= _MAX_PREDICTIONS:
            raise ValueError(f"{len(packed.columns)} columns of pending predictions")
        rows = np.empty(packed.number, PREDICTED)
        for name, data in zip(names, packed.columns, strict=True):
            rows[name] = _column(data, packed.number, PREDICTED[name])
        if not (_within(rows["symbol"], symbols) and _within(rows["origin"], len(packed.origins))):
            raise ValueError("pending predictions of a symbol or a model that there is not")
        return cls(rows, [Origin(*one) for one in packed.origins])


def _pack(column: npt.NDArray[Any]) -> bytes:
    # A column of a single row passes for contiguous, and is not aligned.
    return bytes(standalone.simple_compress(column.copy(), _CONFIG))


def _column(data: bytes, number: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    try:
        column: Any = standalone.simple_decompress(data)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if column is None or column.dtype != dtype or len(column) != number:
        raise ValueError("a column of pending predictions has the wrong length or type")
    values: npt.NDArray[Any] = column
    return values


def _within(places: Int64, number: int) -> bool:
    return not len(places) or (int(places.min()) >= 0 and int(places.max()) < number)
