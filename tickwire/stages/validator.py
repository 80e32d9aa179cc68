"""trades-raw to trades-clean: rules, de-duplication, order, gaps, price anomalies.

Rows are judged one by one in their order of arrival, so which trades are accepted does not depend on
how they were cut into records. What comes out of a record is ordered by trade id per symbol.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from tickwire.columns import QuoteBatch
from tickwire.dead_letter import trade_key
from tickwire.decimals import format_fixed
from tickwire.records import Heartbeat, Quarantined, Record, RecordKind
from tickwire.stages.continuity_tally import ContinuityTally
from tickwire.stages.stage import Stage, StageOutput
from tickwire.validation.admission import Admission, Limits, admit, is_carried, places_of, symbol_state
from tickwire.validation.price_band import BandSettings
from tickwire.validation.rules import Rule, explain
from tickwire.validation.sequence_table import SequenceTable
from tickwire.validation.state import ValidatorState, dump_state, load_state

_SECOND = 1_000_000_000
_QUOTE_RESET = 10 * _SECOND
"""An update id that fell while time went on by this much is a venue's new count, not an old quote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorSettings:
    """What the validator lets through.

    Attributes
    ----------
    max_age_seconds : exchange time may lie this far before receive time, but for a venue's own history
    max_ahead_seconds : exchange time may lie this far after receive time
    known_symbols : ``venue:SYMBOL`` of all that is carried, or None for whatever comes
    max_id_jump : an id further ahead than this has to be confirmed (``validation.sequence``)
    band : of the price anomaly
    quarantined_sample : how many quarantined rows of an input ride along in the output record;
        all of them are in ``StageOutput.quarantined``
    """

    max_age_seconds: float = 86_400.0
    max_ahead_seconds: float = 60.0
    known_symbols: frozenset[str] | None = None
    max_id_jump: int = 1_000_000
    band: BandSettings = field(default_factory=BandSettings)
    quarantined_sample: int = 100


class ValidatorStage(Stage[ValidatorState]):
    """Turns RAW records into CLEAN ones; ``source`` is the Kinesis sequence number."""

    name = "validator"

    def __init__(self, settings: ValidatorSettings) -> None:
        self._settings = settings
        self._limits = Limits(
            max_age=int(settings.max_age_seconds * _SECOND),
            max_ahead=int(settings.max_ahead_seconds * _SECOND),
            max_jump=settings.max_id_jump,
            band=settings.band,
        )

    def prepare(self) -> None:
        """Load the kernels."""
        from tickwire.validation import admission_kernel, arrange_kernel  # noqa: F401

    def new_state(self) -> ValidatorState:
        """Give the state of a partition that has seen nothing."""
        return ValidatorState()

    def load(self, data: bytes) -> ValidatorState:
        """Read a state; raises UnreadableState."""
        return load_state(data)

    def dump(self, state: ValidatorState) -> bytes:
        """Give the bytes of a state."""
        return dump_state(state)

    def process(self, state: ValidatorState, record: Record, source: int) -> StageOutput:
        """Validate one RAW record; see :meth:`Stage.process`.

        Raises
        ------
        ValueError
            If the record is not a RAW one.
        """
        if record.header.kind is not RecordKind.RAW:
            raise ValueError(f"the validator reads raw records, not {record.header.kind}")
        if source <= state.source:
            return StageOutput(None, repeat=True)
        state.source = source
        tally = ContinuityTally()
        # Before the trades, so that one of a reopened id in the same record is admitted.
        tally.reopen(state, record.findings)
        admission = self._admit(state, record)
        trades = admission.trades
        quarantined = _quarantine(record, admission.broken())
        for index in np.flatnonzero(admission.judged).tolist():
            instrument = record.trades.instruments[index]
            tally.touched.add((instrument.venue, instrument.symbol))
        tally.touched |= self._heartbeats(state, record.heartbeats)
        tally.confirm(state, record.findings)
        gaps, progress = tally.close(state, admission, record.header.created)
        output = Record(
            header=msgspec.structs.replace(
                record.header, kind=RecordKind.CLEAN, counter=state.counter + 1, source=str(source)
            ),
            trades=trades,
            quotes=self._quotes(state, record.quotes),
            notices=record.notices,
            quarantined=tuple(quarantined[: self._settings.quarantined_sample]),
            gaps=gaps,
            progress=progress,
            bars=record.bars,
            findings=tuple(tally.findings),
        )
        parts = (trades, output.quotes, output.notices, quarantined, gaps, progress, output.bars, output.findings)
        if not any(len(part) for part in parts):
            return StageOutput(None)
        state.counter += 1
        duplicates = len(record.trades) - len(trades) - len(quarantined)
        return StageOutput(output, tuple(quarantined), duplicates=duplicates)

    def _admit(self, state: ValidatorState, record: Record) -> Admission:
        if state.table is None:
            state.table = SequenceTable(prices=self._limits.band.prices)
        places = places_of(record.trades, state.symbols, state.table, known=self._settings.known_symbols)
        return admit(record.trades, places, state.table, self._limits)

    def _heartbeats(self, state: ValidatorState, heartbeats: tuple[Heartbeat, ...]) -> set[tuple[str, str]]:
        touched = set()
        for heartbeat in heartbeats:
            key = (heartbeat.venue, heartbeat.symbol)
            if key in state.symbols:
                sequence = state.symbols[key].sequence
                sequence.heartbeat(
                    heartbeat.last_trade_id, heartbeat.exchange_time, max_jump=self._settings.max_id_jump
                )
                touched.add(key)
        return touched

    def _quotes(self, state: ValidatorState, batch: QuoteBatch) -> QuoteBatch:
        """Give the newest quote of each symbol, where it is newer than any passed on before."""
        latest: dict[int, int] = {}
        columns = (batch.instrument, batch.update_id, batch.exchange_time, batch.receive_time)
        for row, (index, update_id, time, receive) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            instrument = batch.instruments[index]
            # A quote from the far future would hide all that follow.
            if not is_carried(instrument, self._settings.known_symbols) or (
                receive and time > receive + self._limits.max_ahead
            ):
                continue
            symbol = symbol_state(state.symbols, instrument)
            if update_id > 0 and symbol.quote_update_id > 0:
                newer = update_id > symbol.quote_update_id or time > symbol.quote_time + _QUOTE_RESET
            else:
                newer = time >= symbol.quote_time
            if newer:
                symbol.quote_update_id, symbol.quote_time = update_id, time
                latest[index] = row
        return batch.take(np.array(sorted(latest.values()), np.int64))


def _quarantine(record: Record, broken: list[tuple[int, Rule]]) -> list[Quarantined]:
    batch = record.trades
    result = []
    for row, rule in broken:
        instrument = batch.instruments[batch.instrument[row]]
        values: dict[str, Any] = {
            "venue": instrument.venue,
            "symbol": instrument.symbol,
            "trade_id": int(batch.trade_id[row]),
            "price": format_fixed(int(batch.price[row]), instrument.price_scale),
            "size": format_fixed(int(batch.size[row]), instrument.size_scale),
            "side": int(batch.side[row]),
            "exchange_time": int(batch.exchange_time[row]),
            "receive_time": int(batch.receive_time[row]),
        }
        key = trade_key(**values)  # by what it says, so that a redriven row updates the letter that it came from
        result.append(Quarantined(key=key, rule=rule.value, detail=explain(rule, batch, row), **values))
    return result
