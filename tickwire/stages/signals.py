"""trades-clean to market-events: bars and what is concluded from them, conflated trades and quotes, the proofs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from tickwire.bar_rows import FINAL, INTERVAL, START, SYMBOL, TRADES, Rows
from tickwire.bar_table import BarChanges, Key
from tickwire.bars import bars_of_rows
from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.errors import CounterJump
from tickwire.forecast.forecaster import Forecaster
from tickwire.forecast.trading_signals import Costs
from tickwire.intervals import IntervalSet
from tickwire.records import Bar, Continuity, FindingKind, Gap, Record, RecordKind
from tickwire.stages.continuity import SymbolContinuity
from tickwire.stages.signals_forecast import Conclusions, MinuteCloser
from tickwire.stages.signals_minutes import MinuteHistory
from tickwire.stages.signals_state import QuotePace, QuoteRow, SignalsState, dump_state, load_state
from tickwire.stages.stage import Stage, StageOutput
from tickwire.symbols import Instrument

_SECOND = 1_000_000_000
MAX_BARS = 3_000
"""Bars in one record, about 150 bytes each, so that it stays below its size limit."""
_BARS_A_PREDICTION = 6
"""As large as so many bars is what is concluded of a symbol when a minute closes."""
MAX_CONTINUITIES = 20
"""Symbols of which one record tells the continuity, at most 7 kB each; those told longest ago come first."""
_LISTED_TRADES = 60
"""How far behind the newest id of a symbol a trade may lie to come onto a screen's list of last trades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsSettings:
    """How much the screen gets.

    Attributes
    ----------
    newest_trades : at most so many trades, the newest by id, of a symbol in one record
    quotes_per_second : at most so many quotes of a symbol a second; the newest waits its turn
    continuity_seconds : a symbol's continuity is told so often while only its trades grow in number; what
        becomes of its gaps is told at once
    costs : of trading, which a trading signal must earn
    """

    newest_trades: int = 20
    quotes_per_second: int = 10
    continuity_seconds: int = 5
    costs: Costs = field(default_factory=Costs)


class SignalsStage(Stage[SignalsState]):
    """Turns CLEAN records into EVENTS; ``source`` is the CLEAN record's dense counter.

    Parameters
    ----------
    history : where minutes outlive the process; None concludes nothing from them: no indicators, no predictions
    forecaster : None makes no predictions. What it answers is the one thing that another run of the same record may
        find different: the record has the same counter, so the first one that was put counts.
    """

    name = "signals"

    def __init__(
        self,
        settings: SignalsSettings,
        *,
        history: MinuteHistory | None = None,
        forecaster: Forecaster | None = None,
    ) -> None:
        self._settings = settings
        self._closer = None if history is None else MinuteCloser(history, forecaster, settings.costs)
        # Once, and not with the first record.
        import tickwire.bar_table_kernel  # noqa: F401

    def prepare(self) -> None:
        """Load the kernels."""
        from tickwire import bar_table_kernel, bars_kernel  # noqa: F401
        from tickwire.detect import whales_kernel  # noqa: F401

        if self._closer is not None:
            self._closer.prepare()

    def new_state(self) -> SignalsState:
        """Give the state of a partition that has seen nothing."""
        return SignalsState()

    def load(self, data: bytes) -> SignalsState:
        """Read a state; raises UnreadableState."""
        return load_state(data)

    def dump(self, state: SignalsState) -> bytes:
        """Give the bytes of a state."""
        return dump_state(state)

    def process(self, state: SignalsState, record: Record, source: int) -> StageOutput:
        """Derive the events of one CLEAN record; see :meth:`Stage.process`.

        Raises
        ------
        ValueError
            If the record is not a CLEAN one.
        CounterJump
            If ``source`` is not the counter after the last one.
        """
        if record.header.kind is not RecordKind.CLEAN:
            raise ValueError(f"signals reads clean records, not {record.header.kind}")
        if source <= state.source:
            return StageOutput(None, repeat=True)
        if source != state.source + 1:
            raise CounterJump(f"partition {record.header.partition}: record {source} after {state.source}")
        state.source = source
        changes = state.bars.update(record.trades)
        concluded = Conclusions() if self._closer is None else self._closer.take(state, record, changes.rows)
        room = MAX_BARS - len(record.bars) - _BARS_A_PREDICTION * len(concluded.predictions)
        bars = _bars(state, changes, limit=room)
        whales, anomalies = state.detectors.take(record, bars)
        output = Record(
            header=msgspec.structs.replace(
                record.header, kind=RecordKind.EVENTS, counter=state.counter + 1, source=str(source)
            ),
            # Without those that fill a gap too far back for a list of the last trades.
            trades=state.bars.last_trades(record.trades, limit=self._settings.newest_trades, behind=_LISTED_TRADES),
            quotes=self._quotes(state, record),
            notices=record.notices,
            quarantined=record.quarantined,
            gaps=record.gaps,
            progress=record.progress,
            bars=(*bars, *record.bars),
            findings=record.findings,
            continuity=self._continuity(state, record),
            stale_bars=state.stale.take(),
            indicators=concluded.indicators,
            whales=whales,
            anomalies=anomalies,
            predictions=concluded.predictions,
            outcomes=concluded.outcomes,
            signals=concluded.signals,
        )
        parts = (
            *(output.trades, output.quotes, output.notices, output.quarantined, output.gaps, output.progress),
            *(output.bars, output.findings, output.continuity, output.stale_bars),
            *(output.indicators, output.whales, output.anomalies, output.predictions, output.outcomes, output.signals),
        )
        if not any(len(part) for part in parts):
            return StageOutput(None)
        state.counter += 1
        return StageOutput(output)

    def _continuity(self, state: SignalsState, record: Record) -> tuple[Continuity, ...]:
        now, pace = record.header.created, self._settings.continuity_seconds * _SECOND
        progress = {(one.venue, one.symbol): one for one in record.progress}
        gaps: dict[tuple[str, str], list[Gap]] = {}
        for gap in record.gaps:
            gaps.setdefault((gap.venue, gap.symbol), []).append(gap)
        reopened: dict[tuple[str, str], IntervalSet] = {}
        for finding in record.findings:
            if finding.kind is FindingKind.REOPEN:
                reopened.setdefault((finding.venue, finding.symbol), IntervalSet()).add(finding.first, finding.last)
        for key in sorted(progress.keys() | gaps.keys() | reopened.keys()):
            symbol = state.continuity.setdefault(key, SymbolContinuity())
            ids = tuple(reopened[key].ranges()) if key in reopened else ()
            symbol.take(progress.get(key), gaps.get(key, ()), ids, time=now)
            if symbol.changed or symbol.urgent:
                state.changed.add(key)
        waiting = ((state.continuity[key], key) for key in state.changed)
        due = sorted((one.told, key) for one, key in waiting if one.due(now, pace=pace))[:MAX_CONTINUITIES]
        state.changed.difference_update(key for _, key in due)
        return tuple(state.continuity[key].tell(*key, time=now) for _, key in due)

    def _quotes(self, state: SignalsState, record: Record) -> QuoteBatch:
        batch, now = record.quotes, record.header.created
        columns = [getattr(batch, name).tolist() for name in QuoteBatch.COLUMNS]
        for index, *row in zip(*columns, strict=True):
            instrument = batch.instruments[index]
            state.quotes.setdefault(instrument, QuotePace()).waiting = tuple(row)
            state.waiting.add(instrument)
        due: list[tuple[Instrument, QuoteRow]] = []
        for instrument in sorted(state.waiting):
            pace = state.quotes[instrument]
            if pace.waiting is None:
                continue
            # A clock set back starts a new second too, lest a quote wait for it to catch up.
            if not pace.second <= now < pace.second + _SECOND:
                pace.second, pace.sent = now, 0
            if pace.sent < self._settings.quotes_per_second:
                due.append((instrument, pace.waiting))
                pace.sent, pace.waiting = pace.sent + 1, None
                state.waiting.remove(instrument)
        return _quote_batch(due)


def newest_trades(batch: TradeBatch, limit: int) -> TradeBatch:
    """Give, of each instrument, the ``limit`` trades with the highest ids, ordered by id."""
    order = np.lexsort((batch.trade_id, batch.instrument))
    instrument = batch.instrument[order]
    # How many rows of the same instrument follow each row.
    ends = np.searchsorted(instrument, instrument, side="right")
    return batch.take(order[ends - np.arange(len(order)) <= limit])


def _bars(state: SignalsState, changes: BarChanges, *, limit: int) -> list[Bar]:
    """Give the bars that changed, at most ``limit``.

    Those that trades came too late for become stale, and so do final ones that are too many: only a record of trades
    hours apart has so many. A bar that is not final comes again by itself.
    """
    _add_stale(state, changes.symbols, changes.late)
    kept, rest = _within_limit(changes.rows, limit)
    _add_stale(state, changes.symbols, rest[rest[:, FINAL] == 1][:, [SYMBOL, INTERVAL, START, TRADES]])
    return bars_of_rows(kept, changes.symbols)


def _within_limit(rows: Rows, limit: int) -> tuple[Rows, Rows]:
    """Keep the longest and newest bars, as they stand; give the others too."""
    if len(rows) <= limit:
        return rows, rows[:0]
    kept = np.zeros(len(rows), np.bool_)
    kept[np.lexsort((-rows[:, START], -rows[:, INTERVAL]))[: max(0, limit)]] = True
    return rows[kept], rows[~kept]


def _add_stale(state: SignalsState, symbols: Sequence[Key], late: Rows) -> None:
    for row, interval, start, trades in late.tolist():
        state.stale.add((*symbols[row], interval), start, trades)


def _quote_batch(due: list[tuple[Instrument, QuoteRow]]) -> QuoteBatch:
    if not due:
        return QuoteBatch.empty()
    rows = [(index, *row) for index, (_, row) in enumerate(due)]
    columns = [
        np.array(column, dtype)
        for column, dtype in zip(zip(*rows, strict=True), QuoteBatch.COLUMNS.values(), strict=True)
    ]
    return QuoteBatch(tuple(instrument for instrument, _ in due), *columns)
