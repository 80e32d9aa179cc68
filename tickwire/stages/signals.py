"""trades-clean to market-events: bars, conflated trades and quotes, and the proofs passed on."""

from dataclasses import dataclass

import msgspec
import numpy as np

from tickwire.bars import LATENESS_SECONDS, BarSums, LateTrades, SymbolBars, sums_of_trades
from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.errors import CounterJump
from tickwire.records import Bar, Notice, Record, RecordKind
from tickwire.stages.signals_state import QuotePace, QuoteRow, SignalsState, dump_state, load_state
from tickwire.stages.stage import Stage, StageOutput
from tickwire.symbols import Instrument
from tickwire.timestamps import format_rfc3339

_SECOND = 1_000_000_000
MAX_BARS = 3_000
"""Bars in one record, about 150 bytes each, so that it stays below its size limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsSettings:
    """How much the screen gets.

    Attributes
    ----------
    newest_trades : at most so many trades, the newest by id, of a symbol in one record
    quotes_per_second : at most so many quotes of a symbol a second; the newest waits its turn
    """

    newest_trades: int = 20
    quotes_per_second: int = 10


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
        bars, late = _update_bars(state, record)
        bars, withheld = _within_limit(bars, record.header.created)
        output = Record(
            header=msgspec.structs.replace(
                record.header, kind=RecordKind.EVENTS, counter=state.counter + 1, source=str(source)
            ),
            trades=newest_trades(record.trades, self._settings.newest_trades),
            quotes=self._quotes(state, record),
            notices=(*record.notices, *late, *withheld),
            quarantined=record.quarantined,
            gaps=record.gaps,
            progress=record.progress,
            bars=tuple(bars),
        )
        parts = (output.trades, output.quotes, output.notices, output.quarantined, output.gaps, output.progress, bars)
        if not any(len(part) for part in parts):
            return StageOutput(None)
        state.counter += 1
        return StageOutput(output)

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


def _update_bars(state: SignalsState, record: Record) -> tuple[list[Bar], list[Notice]]:
    batch = record.trades
    seconds: dict[int, list[BarSums]] = {}
    for index, sums in sums_of_trades(batch, 1):
        seconds.setdefault(index, []).append(sums)
    bars: list[Bar] = []
    notices: list[Notice] = []
    for index in sorted(seconds, key=lambda i: batch.instruments[i]):
        instrument = batch.instruments[index]
        key = (instrument.venue, instrument.symbol)
        scales = (instrument.price_scale, instrument.size_scale)
        live = state.bars.setdefault(key, SymbolBars(*scales))
        if (live.price_scale, live.size_scale) != scales:
            bars += _bars(instrument, (live.price_scale, live.size_scale), live.close())
            live.price_scale, live.size_scale = scales
        newest = int(batch.exchange_time[batch.instrument == index].max())
        changed, late = live.add(seconds[index], newest)
        bars += _bars(instrument, scales, changed)
        notices += _late_notices(instrument, late, record.header.created)
    return bars, notices


def _bars(instrument: Instrument, scales: tuple[int, int], changed: list[tuple[int, BarSums, bool]]) -> list[Bar]:
    return [
        sums.bar(instrument.venue, instrument.symbol, scales=scales, interval=interval, final=final)
        for interval, sums, final in changed
    ]


def _late_notices(instrument: Instrument, late: list[LateTrades], time: int) -> list[Notice]:
    """Give one notice per interval: which bars the late trades would have belonged to."""
    notices = []
    for interval in LATENESS_SECONDS:
        parts = [part for part in late if part.interval == interval]
        if parts:
            text = _bars_text(instrument.symbol, interval, [part.start for part in parts])
            notices.append(Notice(instrument.venue, "late_trade", text, sum(part.trades for part in parts), time))
    return notices


def _within_limit(bars: list[Bar], time: int) -> tuple[list[Bar], list[Notice]]:
    """Keep the longest and newest bars that a record can carry, and name those that it cannot.

    Only a record of trades hours apart has so many. Like bars with late trades, those withheld
    have to be recomputed from the stored trades.
    """
    if len(bars) <= MAX_BARS:
        return bars, []
    kept = sorted(bars, key=lambda bar: (bar.interval, bar.start), reverse=True)[:MAX_BARS]
    keys = {(bar.venue, bar.symbol, bar.interval, bar.start, bar.price_scale) for bar in kept}
    withheld: dict[tuple[str, str, int], list[int]] = {}
    rest: list[Bar] = []
    for bar in bars:
        if (bar.venue, bar.symbol, bar.interval, bar.start, bar.price_scale) in keys:
            rest.append(bar)
        else:
            withheld.setdefault((bar.venue, bar.symbol, bar.interval), []).append(bar.start)
    return rest, [
        Notice(venue, "bars_withheld", _bars_text(symbol, interval, starts), len(starts), time)
        for (venue, symbol, interval), starts in withheld.items()
    ]


def _bars_text(symbol: str, interval: int, starts: list[int]) -> str:
    return f"{symbol} {interval} s bars from {format_rfc3339(min(starts))} to {format_rfc3339(max(starts))}"


def _quote_batch(due: list[tuple[Instrument, QuoteRow]]) -> QuoteBatch:
    if not due:
        return QuoteBatch.empty()
    rows = [(index, *row) for index, (_, row) in enumerate(due)]
    columns = [
        np.array(column, dtype)
        for column, dtype in zip(zip(*rows, strict=True), QuoteBatch.COLUMNS.values(), strict=True)
    ]
    return QuoteBatch(tuple(instrument for instrument, _ in due), *columns)
