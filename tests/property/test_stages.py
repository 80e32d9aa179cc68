"""Both stages together: batch boundaries, retries and saved states change nothing."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.envelope import decode, encode
from tickwire.intervals import IntervalSet
from tickwire.records import Finding, FindingKind, Header, Heartbeat, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.validator import ValidatorSettings, ValidatorStage
from tickwire.symbols import Instrument

SECOND = 1_000_000_000
NOW = 1_723_161_254 * SECOND
INSTRUMENTS = (Instrument("coinbase", "BTC-USD", 8, 8), Instrument("coinbase", "ETH-USD", 8, 8))
# Mostly ids near each other, a few far away, and repeats.
_IDS = st.one_of(st.integers(1, 40), st.integers(1, 40), st.integers(65_530, 65_580), st.integers(10**9, 10**9 + 5))
_ROW = st.tuples(
    st.integers(0, 1),
    _IDS,
    st.sampled_from([0, 100, 101, 102, 500]),
    st.just(5),
    st.integers(0, 2),
    st.integers(NOW, NOW + 30 * SECOND),
    st.just(NOW + 15 * SECOND),
    st.just(0),
)
_HEARTBEAT = st.builds(
    Heartbeat,
    venue=st.just("coinbase"),
    symbol=st.sampled_from(["BTC-USD", "ETH-USD"]),
    last_trade_id=st.integers(30, 60),
    exchange_time=st.integers(NOW, NOW + 30 * SECOND),
    receive_time=st.just(NOW),
)
_FINDING = st.builds(
    lambda symbol, first, more, kind: Finding("coinbase", symbol, first, first + more, kind, "a page", NOW),
    st.sampled_from(["BTC-USD", "ETH-USD"]),
    st.integers(1, 40),
    st.integers(0, 9),
    st.sampled_from(FindingKind),
)
_QUOTE = st.tuples(st.integers(0, 1), *[st.integers(1, 5)] * 4, st.integers(0, 9), *[st.integers(1, 9)] * 2)


def _batch(cls, rows):
    matrix = np.array(rows, np.int64).reshape(len(rows), len(cls.COLUMNS))
    return cls(INSTRUMENTS, *(matrix[:, k].astype(dtype) for k, dtype in enumerate(cls.COLUMNS.values())))


def _raw(rows=(), quotes=(), heartbeats=(), findings=(), created=NOW) -> Record:
    return Record(
        header=Header(RecordKind.RAW, 3, created=created),
        trades=_batch(TradeBatch, rows),
        quotes=_batch(QuoteBatch, quotes),
        heartbeats=tuple(heartbeats),
        findings=tuple(findings),
    )


_RECORDS = st.lists(
    st.builds(
        _raw,
        rows=st.lists(_ROW, max_size=10),
        quotes=st.lists(_QUOTE, max_size=3),
        heartbeats=st.lists(_HEARTBEAT, max_size=2),
        findings=st.lists(_FINDING, max_size=2),
        created=st.integers(NOW, NOW + 10 * SECOND),
    ),
    max_size=8,
)


def _keys(batch: TradeBatch) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(batch, name).tolist() for name in batch.COLUMNS), strict=True))


def _validated(rows, cuts):
    """Validate the rows, cut into records at ``cuts``; give all that was accepted and quarantined."""
    stage = ValidatorStage(ValidatorSettings())
    state = stage.new_state()
    accepted, quarantined, duplicates = [], [], 0
    for source, part in enumerate(np.split(np.arange(len(rows)), sorted(cuts)), 1):
        output = stage.process(state, _raw([rows[k] for k in part]), source)
        quarantined += [(row.symbol, row.trade_id, row.rule) for row in output.quarantined]
        duplicates += output.duplicates
        if output.record is not None:
            accepted += _keys(output.record.trades)
    sequences = {key: symbol.sequence for key, symbol in state.symbols.items()}
    totals = [
        (key, s.first_id, s.last_id, s.accepted, list(s.missing.ranges())) for key, s in sorted(sequences.items())
    ]
    return sorted(accepted), sorted(quarantined), duplicates, totals


@settings(deadline=None)
@given(st.lists(_ROW, max_size=60), st.data())
def test_what_is_accepted_does_not_depend_on_how_rows_are_cut_into_records(rows, data):
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    assert _validated(rows, cuts) == _validated(rows, [])


@settings(deadline=None)
@given(st.lists(_ROW, max_size=60))
def test_every_row_is_accepted_or_quarantined_or_a_duplicate(rows):
    accepted, quarantined, duplicates, totals = _validated(rows, [])
    assert len(accepted) + len(quarantined) + duplicates == len(rows)
    assert len({row[:2] for row in accepted}) == len(accepted) == sum(total[3] for total in totals)


@settings(deadline=None)
@given(_RECORDS)
def test_states_saved_between_records_give_the_same_bytes(records):
    plain, saved = (_outputs(records, save=save) for save in (False, True))
    assert saved == plain


def _outputs(records: list[Record], *, save: bool) -> list[bytes]:
    """Run both stages, the second on what the first wrote, and give every output and state."""
    validator, signals = ValidatorStage(ValidatorSettings()), SignalsStage(SignalsSettings())
    first, second = validator.new_state(), signals.new_state()
    written = []
    for source, record in enumerate(records, 1):
        clean = validator.process(first, decode(encode(record)), source).record
        events = None
        if clean is not None:
            written.append(encode(clean))
            events = signals.process(second, decode(written[-1]), clean.header.counter).record
        if events is not None:
            written.append(encode(events))
        if save:
            first, second = validator.load(validator.dump(first)), signals.load(signals.dump(second))
    return [*written, validator.dump(first), signals.dump(second)]


@settings(deadline=None)
@given(_RECORDS)
def test_a_record_processed_again_from_the_same_state_gives_the_same_bytes(records):
    stage = ValidatorStage(ValidatorSettings())
    state = stage.new_state()
    for source, record in enumerate(records, 1):
        saved = stage.dump(state)
        output, again = stage.process(state, record, source), stage.process(stage.load(saved), record, source)
        assert again.quarantined == output.quarantined
        assert (again.record is None) == (output.record is None)
        if output.record is not None:
            assert encode(again.record) == encode(output.record)


@settings(deadline=None)
@given(_RECORDS)
def test_progress_always_adds_up(records):
    stage = ValidatorStage(ValidatorSettings())
    state = stage.new_state()
    for source, record in enumerate(records, 1):
        output = stage.process(state, record, source).record
        for p in output.progress if output is not None else ():
            assert p.last_id - p.first_id + 1 == p.accepted + p.missing + p.quarantined_ids + p.absent
            assert sum(last - first + 1 for first, last in p.missing_ranges) <= p.missing


@settings(deadline=None)
@given(_RECORDS)
def test_sinks_that_apply_the_changes_of_each_record_hold_the_exact_sets(records):
    """As :class:`tickwire.records.Progress` tells them to; the state has the truth."""
    stage = ValidatorStage(ValidatorSettings())
    state = stage.new_state()
    sinks: dict[tuple[str, str], tuple[IntervalSet, IntervalSet, IntervalSet]] = {}
    hours: Counter[tuple[str, str]] = Counter()
    for source, record in enumerate(records, 1):
        output = stage.process(state, record, source).record
        for p in output.progress if output is not None else ():
            missing, absent, quarantined = sinks.get((p.venue, p.symbol), (IntervalSet(),) * 3)
            accepted, bad, none = (IntervalSet(r) for r in (p.accepted_ids, p.quarantined_now, p.absent_now))
            sinks[p.venue, p.symbol] = (
                missing.union(IntervalSet(p.opened)).difference(accepted).difference(bad).difference(none),
                absent.difference(accepted).difference(bad).union(none),
                quarantined.union(bad).difference(accepted),
            )
            assert sum(hour[1] for hour in p.hours) == accepted.count
            hours[p.venue, p.symbol] += accepted.count
    for key, symbol in state.symbols.items():
        s = symbol.sequence
        if not s.empty:
            assert sinks[key] == (s.missing, s.absent, s.quarantined_ids)
            assert hours[key] >= s.accepted
