"""The rows that a model learns from or is judged on: windows of bars whose next move is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.features.bar_features import LOOKBACK, bar_features
from tickwire.features.bar_grid import on_grid
from tickwire.model.bars import BarColumns
from tickwire.model.features import MIN_PRESENT, SCHEMA, WINDOW, labels_of, moves_of

_INTERVAL = SCHEMA.interval * 1_000_000_000
PURGE = (WINDOW + LOOKBACK) * _INTERVAL
"""ns between the starts of two rows that have no bar in common: the 96 that a row is computed from, and the one whose
close it predicts."""

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """n rows of all instruments together.

    A row is 60 bars, and its neighbour has 59 of them too; so the bars are kept once, and :meth:`windows` gives rows.

    Attributes
    ----------
    start : int64 (n,), ns UTC, of the newest bar, at whose close the row is known
    label : float64 (n,), 1 where the next bar closes higher, else 0
    move : float64 (n,), log return from this close to the next
    instrument : int64 (n,), place in ``instruments``
    last : int64 (n,), place of the newest bar in ``bars``
    bars : float32 (m, 16), the features of all bars, NaN where masked
    instruments : ``venue:SYMBOL``
    """

    start: Int64
    label: Float64
    move: Float64
    instrument: Int64
    last: Int64
    bars: Float32
    instruments: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "LabelledRows":
        """Give some of the rows; the bars are shared."""
        columns = {name: getattr(self, name)[rows] for name in ("start", "label", "move", "instrument", "last")}
        return LabelledRows(**columns, bars=self.bars, instruments=self.instruments)

    def windows(self) -> Float32:
        """Give the rows as models get them: float32 (n, 960), bar after bar, oldest first, NaN where masked."""
        places = self.last[:, None] + np.arange(1 - WINDOW, 1)
        rows: Float32 = self.bars[places].reshape(len(self), SCHEMA.width)
        return rows

    def newest(self) -> Float32:
        """Give the features of each row's newest bar: float32 (n, 16)."""
        bars: Float32 = self.bars[self.last]
        return bars


def labelled_rows(instruments: Sequence[BarColumns]) -> LabelledRows:
    """Give every row that may be predicted from (:func:`usable`) and has a label."""
    parts: dict[str, list[npt.NDArray[np.generic]]] = {
        name: [] for name in ("start", "label", "move", "instrument", "last")
    }
    features: list[Float32] = [np.empty((0, len(SCHEMA.names)), np.float32)]
    known = 0
    for number, bars in enumerate(instruments):
        grid, place = on_grid(bars.start, bars.columns, interval=_INTERVAL)
        of_bars = bar_features(grid).astype(np.float32)
        label = labels_of(bars)
        good = usable(of_bars)[place] & np.isfinite(label) if len(bars) else np.empty(0, np.bool_)
        parts["start"].append(bars.start[good])
        parts["label"].append(label[good])
        parts["move"].append(moves_of(bars)[good])
        parts["instrument"].append(np.full(np.count_nonzero(good), number, np.int64))
        parts["last"].append(place[good] + known)
        features.append(of_bars)
        known += len(of_bars)
    types = {"start": np.int64, "label": np.float64, "move": np.float64, "instrument": np.int64, "last": np.int64}
    columns = {name: np.concatenate([np.empty(0, types[name]), *part]) for name, part in parts.items()}
    return LabelledRows(**columns, bars=np.concatenate(features), instruments=tuple(bars.name for bars in instruments))


def usable(features: Float32 | Float64) -> npt.NDArray[np.bool_]:
    """Say of each of n neighbouring bars whether the row that ends with it may be predicted from: bool (…, n).

    It needs its newest bar, and 48 of its 60. ``features`` : float (…, n, 16).
    """
    present = np.isfinite(features[..., 0])
    enough = np.zeros(present.shape, np.bool_)
    if present.shape[-1] >= WINDOW:
        windows = np.lib.stride_tricks.sliding_window_view(present, WINDOW, axis=-1)
        enough[..., WINDOW - 1 :] = windows.sum(axis=-1) >= MIN_PRESENT
    return enough & present
