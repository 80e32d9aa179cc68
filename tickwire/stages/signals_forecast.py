"""What is concluded when a minute closes: indicators, predictions, outcomes of earlier ones, trading signals."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from math import isnan

import numpy as np

from tickwire.bar_rows import Rows
from tickwire.bar_table import Key
from tickwire.columns import Int64
from tickwire.conclusions import IndicatorValues, Outcome, Prediction, TradingSignal
from tickwire.features import Float64
from tickwire.features.indicators import Indicators
from tickwire.features.minutes import MINUTE_NS, Minutes, newest_minutes
from tickwire.forecast.forecaster import Absent, Forecaster, NoForecast, Origin
from tickwire.forecast.rows import LiveRows, live_rows
from tickwire.forecast.trading_signals import Costs, trading_signals
from tickwire.model.features import SCHEMA
from tickwire.model.requests import MAX_ROWS
from tickwire.records import Record
from tickwire.stages.signals_minutes import (
    DAY_NS,
    MINUTE_SECONDS,
    MinuteHistory,
    Rings,
    SymbolMinutes,
    final_minutes,
    joined,
    open_minutes,
    repaired_minutes,
)
from tickwire.stages.signals_pending import PREDICTED, Pending, Predicted
from tickwire.stages.signals_state import SignalsState

_HORIZON_NS = SCHEMA.interval * 1_000_000_000
_HORIZON_MINUTES = SCHEMA.interval // MINUTE_SECONDS
_INDICATOR_MINUTES = 480
"""The slowest average, Wilder's of 14, has forgotten what lies further back: (13/14)^466 is 1e-15."""


@dataclass(frozen=True, slots=True)
class Conclusions:
    """Sections of one record; each empty unless a minute closed with it."""

    indicators: tuple[IndicatorValues, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    signals: tuple[TradingSignal, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What the forecaster said of S symbols: probability float64 (S,), NaN where there is none; place of what gave it
    among ``origins``, int64 (S,); and why there is none, by symbol."""

    probability: Float64
    origin: Int64
    origins: list[Origin]
    absent: dict[int, Absent]


class MinuteCloser:
    """Keeps the minutes of a partition's symbols, and concludes from them at the end of each.

    A bar is final a minute after its end, which is too late to predict from. So a minute closes, for all symbols of a
    partition together, with the first record that was made after its end, by the clock that made it
    (``header.created``), and its bars count as they stand then. That clock is the ingestors', which run by NTP: the
    exchange's own would tell of the end only with the next trade of each symbol, a call for each of them, and for a
    quiet one never. A trade of the last moments that was still under way (some 100 ms, a hundredth of the volatility
    of a 15-minute bar) is missing from that minute, and is there at the next close, when bars that are not final are
    taken again. Of minutes within which no record was made, only the newest closes.

    Parameters
    ----------
    history : where minutes outlive the process
    forecaster : None makes no predictions
    costs : of trading, for the signals
    """

    def __init__(self, history: MinuteHistory, forecaster: Forecaster | None, costs: Costs) -> None:
        self._history = history
        self._forecaster = forecaster
        self._costs = costs
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="forecast")

    def prepare(self) -> None:
        """Load kernels, and what the forecaster needs."""
        from tickwire.features import indicators_kernel, minutes_kernel  # noqa: F401

        if self._forecaster is not None:
            self._forecaster.prepare()

    def take(self, state: SignalsState, record: Record, changed: Rows) -> Conclusions:
        """Keep the minutes that a record made final, whose trades the state's bars have; and conclude if one closed.

        Raises what the history raises; the record is then to be processed again, from the state as it was.

        ``changed`` : int64 (n, CHANGED_WIDTH), the bars that the record changed
        """
        end = record.header.created // MINUTE_NS * MINUTE_NS
        closes = end > state.closed
        parts = [repaired_minutes(record.bars, state.bars), final_minutes(changed)]
        if closes:
            parts.append(open_minutes(state.bars))
            state.closed = end
        # The slot of an older one is another day's, and what is not over is not known yet.
        kept = joined(parts).between(state.closed - DAY_NS, state.closed)
        if state.rings is not None:
            kept = state.rings.put(kept)
        if not closes or not len(state.bars):
            self._store(kept, state)
            return Conclusions()
        if state.rings is None:
            state.rings = Rings()
        if missing := state.rings.missing(len(state.bars)):
            self._store(kept, state)
            kept = kept.between(0, 0)
            state.rings.read(missing, state.bars.symbols, self._history)
        return self._conclude(state, state.rings, kept, end)

    def _store(self, minutes: SymbolMinutes, state: SignalsState) -> None:
        self._history.put(minutes.by_key(state.bars.symbols))

    def _conclude(self, state: SignalsState, rings: Rings, kept: SymbolMinutes, end: int) -> Conclusions:
        keys = state.bars.symbols
        if self._forecaster is None:
            self._store(kept, state)
            return Conclusions(tuple(_indicators(rings.minutes, end, keys)))
        live = live_rows(rings.minutes, end)
        due, waiting = state.pending.due(end, horizon=_HORIZON_NS)
        asking = self._pool.submit(_ask, self._forecaster, live, keys, end)
        try:
            # While the endpoint thinks.
            self._store(kept, state)
            indicators = tuple(_indicators(rings.minutes, end, keys))
            outcomes = tuple(_outcomes(rings.minutes, due, keys))
        finally:
            wait((asking,))
        asked = asking.result()
        rings.lacking = live.lacking
        state.pending = waiting.also(_predicted(asked, live, end), asked.origins)
        # Nothing is said of a symbol that had no trade within the day.
        told = np.flatnonzero(np.isfinite(live.close))
        predictions = [_prediction(keys[one], one, live, asked, end) for one in told.tolist()]
        signals = trading_signals(predictions, live.sigma[told], self._costs)
        return Conclusions(indicators, tuple(predictions), outcomes, tuple(signals))


def _indicators(rings: Minutes, end: int, keys: Sequence[Key]) -> Iterator[IndicatorValues]:
    """Give the indicators of the symbols that traded in the minute that ends, from its last minutes with a trade."""
    minutes, there = newest_minutes(rings, end, _INDICATOR_MINUTES)
    traded = np.flatnonzero(there[:, -1])
    there[~there[:, -1]] = False
    bars = minutes[there]
    symbol = np.nonzero(there[traded])[0].astype(np.int32)
    names = ("high", "low", "close", "volume", "buy_volume", "notional")
    columns = {name: np.ascontiguousarray(bars[name]) for name in names}
    values = Indicators(len(traded)).update(symbol, **columns)
    newest = values[np.cumsum(there[traded].sum(axis=1)) - 1].tolist()
    for one, row in zip(traded.tolist(), newest, strict=True):
        yield IndicatorValues(*keys[one], MINUTE_SECONDS, end - MINUTE_NS, _numbers(row))


def _ask(forecaster: Forecaster, live: LiveRows, keys: Sequence[Key], end: int) -> _Asked:
    """Ask about all usable rows at once."""
    symbols = len(live.close)
    usable = np.flatnonzero(live.usable)
    asked = _Asked(np.full(symbols, np.nan), np.zeros(symbols, np.int64), [], {})
    asked.absent.update((one, live.absent(one)) for one in np.flatnonzero(~live.usable).tolist())
    for at in range(0, len(usable), MAX_ROWS):
        some = usable[at : at + MAX_ROWS]
        try:
            forecast = forecaster.forecast(live.rows[some], symbols=[keys[one] for one in some.tolist()], end=end)
        except NoForecast as none:
            asked.absent.update((one, none.absent) for one in some.tolist())
            continue
        if forecast.origin not in asked.origins:
            asked.origins.append(forecast.origin)
        # As exact as what waits for its outcome.
        asked.probability[some] = forecast.probability.astype(np.float32)
        asked.origin[some] = asked.origins.index(forecast.origin)
    return asked


def _predicted(asked: _Asked, live: LiveRows, end: int) -> Predicted:
    symbol = np.flatnonzero(np.isfinite(asked.probability))
    rows = np.empty(len(symbol), PREDICTED)
    rows["symbol"], rows["minute"], rows["origin"] = symbol, end // MINUTE_NS, asked.origin[symbol]
    rows["probability"], rows["close"] = asked.probability[symbol], live.close[symbol]
    return rows


def _prediction(key: Key, symbol: int, live: LiveRows, asked: _Asked, end: int) -> Prediction:
    close = float(live.close[symbol])
    if symbol in asked.absent:
        return Prediction(*key, end, SCHEMA.interval, close, absent=asked.absent[symbol])
    origin = asked.origins[asked.origin[symbol]]
    return Prediction(
        *key,
        end,
        SCHEMA.interval,
        close,
        float(asked.probability[symbol]),
        model=origin.model,
        version=origin.version,
        variant=origin.variant,
        features=_numbers(live.newest[symbol].tolist()),
    )


def _outcomes(rings: Minutes, due: Pending, keys: Sequence[Key]) -> Iterator[Outcome]:
    """Say what became of predictions; of one with no trade within its horizon there is no outcome."""
    for minute in np.unique(due.rows["minute"]).tolist():
        rows = due.rows[due.rows["minute"] == minute]
        end = minute * MINUTE_NS + _HORIZON_NS
        minutes, traded = newest_minutes(rings, end, _HORIZON_MINUTES, symbol=rows["symbol"])
        last = _HORIZON_MINUTES - 1 - np.argmax(traded[:, ::-1], axis=-1)
        known = np.flatnonzero(traded.any(axis=-1))
        closes = minutes["close"][known, last[known]].tolist()
        for (symbol, _, origin, probability, close), closed_at in zip(rows[known].tolist(), closes, strict=True):
            venue, name = keys[symbol]
            yield Outcome(
                venue,
                name,
                minute * MINUTE_NS,
                SCHEMA.interval,
                probability,
                *_names(due.origins[origin]),
                close,
                closed_at,
                None if closed_at == close else closed_at > close,
            )


def _names(origin: Origin) -> tuple[str, str, str]:
    return origin.model, origin.version, origin.variant


def _numbers(values: list[float]) -> tuple[float | None, ...]:
    return tuple(None if isnan(value) else value for value in values)
