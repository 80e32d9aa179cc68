"""From frames, or from records, to features: the stages of the platform's tasks, one after the other in one process."""

import numpy as np

from tickwire.bar_rows import (
    BUY_VOLUME,
    CLOSE,
    FINAL,
    HIGH,
    INTERVAL,
    LOW,
    NOTIONAL,
    PRICE_SCALE,
    REVISION,
    SIZE_SCALE,
    SYMBOL,
    VOLUME,
    Rows,
)
from tickwire.bar_table import BarTable
from tickwire.columns import TradeBatch
from tickwire.features import Float64
from tickwire.features.indicators import Indicators
from tickwire.features.order_flow import OrderFlow
from tickwire.validation.admission import Admission, Limits, admit, places_of
from tickwire.validation.price_band import BandSettings
from tickwire.validation.sequence_table import SequenceTable, SymbolState

LIMITS = Limits(max_age=86_400 * 10**9, max_ahead=60 * 10**9, max_jump=1_000_000, band=BandSettings())
_LIMB = 2.0**64


class Validation:
    """What is remembered of the ids and prices of a partition's symbols."""

    def __init__(self) -> None:
        self.symbols: dict[tuple[str, str], SymbolState] = {}
        self._table = SequenceTable(prices=LIMITS.band.prices)

    def admit(self, batch: TradeBatch) -> Admission:
        """Judge a batch; see :func:`tickwire.validation.admission.admit`."""
        return admit(batch, places_of(batch, self.symbols, self._table, known=None), self._table, LIMITS)


class Features:
    """Bars, order flow and indicators of what was admitted."""

    def __init__(self) -> None:
        self.bars = BarTable()
        self.order_flow = OrderFlow()
        self.indicators = Indicators(0)
        self.trades = 0
        self.closed_bars = 0
        self._out: Float64 = np.empty((0, len(OrderFlow.FEATURES)))
        self.newest: Float64 = np.empty((0, len(Indicators.INDICATORS)))
        """The indicators of the bars that closed last."""

    def update(self, trades: TradeBatch) -> Float64:
        """Take in trades by instrument and id; gives the order flow after each, float64 (n, 6)."""
        if len(self._out) < len(trades):
            self._out = np.empty((len(trades), len(OrderFlow.FEATURES)))
        closed = closed_seconds(self.bars.update(trades).rows)
        flow = self.order_flow.update(trades, out=self._out[: len(trades)])
        if len(closed):
            self.indicators.reserve(len(self.bars))
            self.newest = update_indicators(self.indicators, closed)
            self.closed_bars += len(closed)
        self.trades += len(trades)
        return flow


def closed_seconds(rows: Rows) -> Rows:
    """Give those of changed bars that are of one second and final."""
    closed: Rows = rows[(rows[:, INTERVAL] == 1) & (rows[:, FINAL] == 1)]
    return closed


def update_indicators(indicators: Indicators, rows: Rows) -> Float64:
    """Give the indicators after each closed bar of ``rows``, laid out as in ``tickwire/bar_rows.py``."""
    price_unit, size_unit = 10.0 ** -rows[:, PRICE_SCALE], 10.0 ** -rows[:, SIZE_SCALE]
    return indicators.update(
        rows[:, SYMBOL].astype(np.int32),
        high=rows[:, HIGH] * price_unit,
        low=rows[:, LOW] * price_unit,
        close=rows[:, CLOSE] * price_unit,
        volume=_join(rows[:, VOLUME:BUY_VOLUME]) * size_unit,
        buy_volume=_join(rows[:, BUY_VOLUME:NOTIONAL]) * size_unit,
        notional=_join(rows[:, NOTIONAL:REVISION]) * price_unit * size_unit,
    )


def _join(limbs: Rows) -> Float64:
    """Give sums that lie in limbs, the lowest first, as floats; only the highest has a sign."""
    *lower, highest = limbs.T
    total: Float64 = highest.astype(np.float64)
    for limb in reversed(lower):
        total = total * _LIMB + np.ascontiguousarray(limb).view(np.uint64)
    return total
