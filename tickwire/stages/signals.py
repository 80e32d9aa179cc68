"""trades-clean to market-events: bars, conflated trades and quotes, the proofs passed on and summed up."""

from dataclasses import dataclass

import msgspec
import numpy as np

from tickwire.bars import LATENESS_SECONDS, BarSums, LateTrades, SymbolBars, sums_of_trades
from tickwire.columns import QuoteBatch, TradeBatch, TradeFlag
from tickwire.errors import CounterJump
from tickwire.intervals import IntervalSet
from tickwire.records import Bar, Continuity, FindingKind, Gap, Record, RecordKind
from tickwire.stages.continuity import SymbolContinuity
from tickwire.stages.signals_state import QuotePace, QuoteRow, SignalsState, dump_state, load_state
from tickwire.stages.stage import Stage, StageOutput
from tickwire.symbols import Instrument

_SECOND = 1_000_000_000
MAX_BARS = 3_000
"""Bars in one record, about 150 bytes each, so that it stays below its size limit."""
MAX_CONTINUITIES = 20
"""Symbols of which one record tells the continuity, at most 7 kB each; those told longest ago come first."""
_LISTED_TRADES = 60
"""How far behind the newest id of a symbol a trade may lie to come onto a screen's list of last trades."""
_FROM_THE_PAST = TradeFlag.BACKFILL | TradeFlag.REDRIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsSettings:
    """How much the screen gets.

    Attributes
    ----------
    newest_trades : at most so many trades, the newest by id, of a symbol in one record
    quotes_per_second : at most so many quotes of a symbol a second; the newest waits its turn
    continuity_seconds : a symbol's continuity is told so often while only its trades grow in number; what
        becomes of its gaps is told at once
    """

    newest_trades: int = 20
    quotes_per_second: int = 10
    continuity_seconds: int = 5


class SignalsStage(Stage[SignalsState]):
    """Turns CLEAN records into EVENTS; ``source`` is the CLEAN record's dense counter."""

    name = "signals"

    def __init__(self, settings: SignalsSettings) -> None:
        self._settings = settings

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
        bars = _update_bars(state, record)
        bars, withheld = _within_limit(bars, MAX_BARS - len(record.bars))
        state.stale.add_bars(withheld)
        output = Record(
            header=msgspec.structs.replace(
                record.header, kind=RecordKind.EVENTS, counter=state.counter + 1, source=str(source)
            ),
            trades=_listed_trades(state, newest_trades(record.trades, self._settings.newest_trades)),
            quotes=self._quotes(state, record),
            notices=record.notices,
            quarantined=record.quarantined,
            gaps=record.gaps,
            progress=record.progress,
            bars=(*bars, *record.bars),
            findings=record.findings,
            continuity=self._continuity(state, record),
            stale_bars=state.stale.take(),
        )
        parts = (
            *(output.trades, output.quotes, output.notices, output.quarantined, output.gaps, output.progress),
            *(output.bars, output.findings, output.continuity, output.stale_bars),
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
        due = sorted((one.told, key) for key, one in state.continuity.items() if one.due(now, pace=pace))
        return tuple(state.continuity[key].tell(*key, time=now) for _, key in due[:MAX_CONTINUITIES])

    def _quotes(self, state: SignalsState, record: Record) -> QuoteBatch:
        batch, now = record.quotes, record.header.created
        columns = [getattr(batch, name).tolist() for name in QuoteBatch.COLUMNS]
        for index, *row in zip(*columns, strict=True):
            state.quotes.setdefault(batch.instruments[index], QuotePace()).waiting = tuple(row)
        due: list[tuple[Instrument, QuoteRow]] = []
        for instrument in sorted(state.quotes):
            pace = state.quotes[instrument]
            if pace.waiting is None:
                continue
            # A clock set back starts a new second too, lest a quote wait for it to catch up.
            if not pace.second <= now < pace.second + _SECOND:
                pace.second, pace.sent = now, 0
            if pace.sent < self._settings.quotes_per_second:
                due.append((instrument, pace.waiting))
                pace.sent, pace.waiting = pace.sent + 1, None
        return _quote_batch(due)


def newest_trades(batch: TradeBatch, limit: int) -> TradeBatch:
    """Give, of each instrument, the ``limit`` trades with the highest ids, ordered by id."""
    order = np.lexsort((batch.trade_id, batch.instrument))
    instrument = batch.instrument[order]
    # How many rows of the same instrument follow each row.
    ends = np.searchsorted(instrument, instrument, side="right")
    return batch.take(order[ends - np.arange(len(order)) <= limit])


def _listed_trades(state: SignalsState, batch: TradeBatch) -> TradeBatch:
    """Leave out trades that fill a gap too far back for a list of the last trades."""
    listed = np.ones(len(batch), np.bool_)
    for index in np.unique(batch.instrument).tolist():
        rows = batch.instrument == index
        key = (batch.instruments[index].venue, batch.instruments[index].symbol)
        newest = max(state.newest.get(key, 0), int(batch.trade_id[rows].max()))
        state.newest[key] = newest
        listed &= ~rows | (batch.trade_id > newest - _LISTED_TRADES)
    return batch.take(listed)


def _update_bars(state: SignalsState, record: Record) -> list[Bar]:
    """Give the bars that the record's trades changed; those that they came too late for become stale."""
    batch = record.trades
    seconds: dict[int, list[BarSums]] = {}
    for index, sums in sums_of_trades(batch, 1):
        seconds.setdefault(index, []).append(sums)
    bars: list[Bar] = []
    for index in sorted(seconds, key=lambda i: batch.instruments[i]):
        instrument = batch.instruments[index]
        key = (instrument.venue, instrument.symbol)
        scales = (instrument.price_scale, instrument.size_scale)
        live = state.bars.setdefault(key, SymbolBars(*scales))
        rows = batch.instrument == index
        if (live.price_scale, live.size_scale) != scales:
            if np.all(batch.flags[rows] & int(_FROM_THE_PAST)):
                # The instrument's scales changed since these were traded: no reason to change them back.
                _add_stale(state, key, _as_late(seconds[index]))
                continue
            bars += _bars(instrument, (live.price_scale, live.size_scale), live.close())
            live.price_scale, live.size_scale = scales
        changed, late = live.add(seconds[index], int(batch.exchange_time[rows].max()))
        bars += _bars(instrument, scales, changed)
        _add_stale(state, key, late)
    return bars


def _as_late(seconds: list[BarSums]) -> list[LateTrades]:
    widths = {interval: interval * _SECOND for interval in LATENESS_SECONDS}
    return [
        LateTrades(interval, part.start // width * width, part.trades)
        for interval, width in widths.items()
        for part in seconds
    ]


def _add_stale(state: SignalsState, key: tuple[str, str], late: list[LateTrades]) -> None:
    for part in late:
        state.stale.add((*key, part.interval), part.start, part.trades)


def _bars(instrument: Instrument, scales: tuple[int, int], changed: list[tuple[int, BarSums, bool]]) -> list[Bar]:
    return [
        sums.bar(instrument.venue, instrument.symbol, scales=scales, interval=interval, final=final)
        for interval, sums, final in changed
    ]


def _within_limit(bars: list[Bar], limit: int) -> tuple[list[Bar], list[Bar]]:
    """Keep the longest and newest bars that a record can carry; give those too that are final and do not fit.

    Only a record of trades hours apart has so many. A bar that is not final comes again by itself.
    """
    if len(bars) <= limit:
        return bars, []
    by_worth = sorted(range(len(bars)), key=lambda k: (bars[k].interval, bars[k].start), reverse=True)
    kept = set(by_worth[: max(0, limit)])
    withheld = [bar for k, bar in enumerate(bars) if k not in kept and bar.final]
    return [bar for k, bar in enumerate(bars) if k in kept], withheld


def _quote_batch(due: list[tuple[Instrument, QuoteRow]]) -> QuoteBatch:
    if not due:
        return QuoteBatch.empty()
    rows = [(index, *row) for index, (_, row) in enumerate(due)]
    columns = [
        np.array(column, dtype)
        for column, dtype in zip(zip(*rows, strict=True), QuoteBatch.COLUMNS.values(), strict=True)
    ]
    return QuoteBatch(tuple(instrument for instrument, _ in due), *columns)
