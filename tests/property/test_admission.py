"""Admission of whole batches against each row judged alone: by plain rules, one sequence and one band a symbol."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.columns import TradeBatch, TradeFlag
from tickwire.symbols import Instrument
from tickwire.validation.admission import ACCEPTED, DUPLICATE, Admission, Limits, admit, places_of
from tickwire.validation.price_band import BandSettings, PriceBand
from tickwire.validation.rules import Rule, broken_rules
from tickwire.validation.sequence import TradeSequence, Verdict
from tickwire.validation.sequence_table import SequenceTable
from tickwire.validation.state import SymbolState, ValidatorState, dump_state, load_state

SECOND = 1_000_000_000
NOW = 1_760_000_000 * SECOND
LIMITS = Limits(
    max_age=3_600 * SECOND, max_ahead=60 * SECOND, max_jump=1_000, band=BandSettings(prices=8, warm_up=4, sigmas=3)
)
INSTRUMENTS = (
    Instrument("binance", "BTC-USDT", 8, 8),
    Instrument("kraken", "BTC-USD", 8, 8),
    Instrument("coinbase", "ETH-USD", 8, 8),
    Instrument("nowhere", "ETH-USD", 8, 8),
)
KNOWN = frozenset(f"{i.venue}:{i.symbol}" for i in INSTRUMENTS[:3])
_RULES = {rule: number for number, rule in enumerate(Rule, 1)}

# Most ids go on from the one before, so that runs, holes of the batch and their filling are common; the
# others meet the edges: repeats, older ids, jumps that must be confirmed, ids that are none.
_STEPS = st.sampled_from([1] * 12 + [2, 2, 3, 7, 0, 0, -1, -1, -2, -3, -9, 900, 1_001, 5_000, -1_500, -(10**7)])
_ROWS = st.tuples(
    st.sampled_from([0, 0, 0, 1, 1, 2, 3]),
    _STEPS,
    st.sampled_from([100_000] * 6 + [100_010, 101_000, 160_000, 0, -5]),
    st.sampled_from([5] * 12 + [0, 10**18, 10**18 + 1]),
    st.sampled_from([1, 2, 1, 2, 1, 2, 1, 2, 0, 3]),
    st.sampled_from([0] * 12 + [SECOND, -61 * SECOND, 3_601 * SECOND, 10**19]),
    st.sampled_from([0] * 8 + [TradeFlag.BACKFILL, TradeFlag.REDRIVEN, TradeFlag.SNAPSHOT]),
)


@st.composite
def batches(draw: st.DrawFn) -> list[TradeBatch]:
    """Give a stream of some batches."""
    ids = [5_000, 6_000, 7_000, 8_000]
    rows = []
    for index, step, price, size, side, age, flags in draw(st.lists(_ROWS, max_size=120)):
        trade_id = ids[index] + step
        if -100 < step < 1_000:
            ids[index] = max(ids[index], trade_id)
        exchange = 0 if age == 10**19 else NOW - age
        rows.append((index, trade_id, price, size, side, exchange, NOW + len(rows), int(flags)))
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    return [_batch(rows[low:high]) for low, high in zip([0, *cuts], [*cuts, len(rows)], strict=True)]


def _batch(rows: list[tuple[int, ...]]) -> TradeBatch:
    columns = zip(*rows, strict=True) if rows else [()] * len(TradeBatch.COLUMNS)
    arrays = [np.array(column, dtype) for column, dtype in zip(columns, TradeBatch.COLUMNS.values(), strict=True)]
    return TradeBatch(INSTRUMENTS, *arrays)


class _OneByOne:
    """What the validator is documented to do, a row at a time."""

    def __init__(self) -> None:
        self.sequences: dict[str, TradeSequence] = {}
        self.bands: dict[str, PriceBand] = {}

    def judge(self, batch: TradeBatch) -> tuple[list[int], list[int]]:
        known = np.array([f"{i.venue}:{i.symbol}" in KNOWN for i in batch.instruments])
        rules = broken_rules(batch, known=known, max_age=LIMITS.max_age, max_ahead=LIMITS.max_ahead)
        codes, anomalies = [], []
        for row, rule in enumerate(rules):
            code = self._judge(batch, row, rule)
            codes.append(code)
            if code == ACCEPTED and self._is_anomaly(batch, row):
                anomalies.append(row)
        return codes, anomalies

    def _judge(self, batch: TradeBatch, row: int, rule: Rule | None) -> int:
        if rule is Rule.SYMBOL:
            return _RULES[rule]
        instrument = batch.instruments[batch.instrument[row]]
        sequence = self.sequences.setdefault(instrument.venue, TradeSequence())
        redriven = bool(batch.flags[row] & TradeFlag.REDRIVEN)
        if rule is Rule.TRADE_ID:
            sequence.quarantined += not redriven
            return _RULES[rule]
        verdict = sequence.observe(
            int(batch.trade_id[row]),
            good=rule is None,
            max_jump=LIMITS.max_jump,
            time=int(batch.exchange_time[row]),
            redriven=redriven,
        )
        if rule is not None:
            return _RULES[rule]
        return {
            Verdict.NEW: ACCEPTED,
            Verdict.DUPLICATE: DUPLICATE,
            Verdict.STALE: _RULES[Rule.STALE_ID],
            Verdict.JUMP: _RULES[Rule.ID_JUMP],
        }[verdict]

    def _is_anomaly(self, batch: TradeBatch, row: int) -> bool:
        venue = batch.instruments[batch.instrument[row]].venue
        band = self.bands.setdefault(venue, PriceBand(prices=LIMITS.band.prices))
        newest = batch.trade_id[row] > self.sequences[venue].last_id - LIMITS.band.prices
        return bool(newest) and band.observe(int(batch.price[row]), LIMITS.band)

    def close(self) -> None:
        for sequence in self.sequences.values():
            sequence.take_changes()
            sequence.take_gaps(1_000)
            sequence.forget()


def _admit(state: ValidatorState, batch: TradeBatch) -> Admission:
    if state.table is None:
        state.table = SequenceTable(prices=LIMITS.band.prices)
    return admit(batch, places_of(batch, state.symbols, state.table, known=KNOWN), state.table, LIMITS)


@settings(max_examples=400, deadline=None)
@given(batches(), st.integers(0, 4))
def test_a_batch_is_judged_as_its_rows_one_by_one_are(stream: list[TradeBatch], reload_at: int):
    state, model = ValidatorState(), _OneByOne()
    for number, batch in enumerate(stream):
        admission = _admit(state, batch)
        codes, anomalies = model.judge(batch)
        assert admission.codes.tolist() == codes
        _check_trades(admission, batch, anomalies)
        for (venue, _), symbol in state.symbols.items():
            mine, theirs = symbol.sequence, model.sequences[venue]
            assert mine.take_changes() == theirs.take_changes()
            assert mine.take_gaps(1_000) == theirs.take_gaps(1_000)
            mine.forget()
            theirs.forget()
            assert mine == theirs
            assert symbol.band == model.bands.get(venue, PriceBand(prices=LIMITS.band.prices))
        if number == reload_at:
            state = load_state(dump_state(state))


def _check_trades(admission: Admission, batch: TradeBatch, anomalies: list[int]) -> None:
    flags = batch.flags.copy()
    flags[anomalies] |= TradeFlag.PRICE_ANOMALY
    good = np.flatnonzero(admission.codes == ACCEPTED)
    order = good[np.lexsort((batch.trade_id[good], batch.instrument[good]))]
    expected = replace(batch, flags=flags).take(order)
    for name in TradeBatch.COLUMNS:
        assert getattr(admission.trades, name).tolist() == getattr(expected, name).tolist(), name
    assert np.diff(admission.ends).tolist() == np.bincount(batch.instrument[good], minlength=4).tolist()


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(1, 200)), st.integers(0, 60))
def test_trades_in_any_order_come_out_by_id_once(ids: list[int], repeats: int):
    state = ValidatorState()
    _admit(state, _batch([(0, 1, 100_000, 5, 1, NOW, NOW, 0)]))
    rows = [(0, trade_id, 100_000, 5, 1, NOW, NOW, 0) for trade_id in [*ids, *ids[:repeats]]]
    admission = _admit(state, _batch(rows))
    assert admission.trades.trade_id.tolist() == list(range(2, 200))
    sequence = state.symbols["binance", "BTC-USDT"].sequence
    assert (sequence.missing_count, sequence.duplicates) == (0, repeats + 1)


def test_a_standalone_symbol_takes_part_in_a_table_with_what_it_remembers():
    state = ValidatorState()
    symbol = state.symbols.setdefault(("binance", "BTC-USDT"), SymbolState(8))
    for trade_id in (10, 11, 14):
        symbol.sequence.observe(trade_id, good=True, max_jump=1_000)
    rows = [(0, trade_id, 100_000, 5, 1, NOW, NOW, 0) for trade_id in (13, 14, 15)]
    assert _admit(state, _batch(rows)).codes.tolist() == [ACCEPTED, DUPLICATE, ACCEPTED]
    assert list(symbol.sequence.missing.ranges()) == [(12, 12)]


def test_many_symbols_keep_what_they_remember_while_the_table_grows():
    instruments = tuple(Instrument("binance", f"A{n}-USDT", 8, 8) for n in range(100))
    state = ValidatorState()
    table = state.table = SequenceTable(prices=8)
    for turn in range(3):
        for upto in (3, 40, 100):
            rows = [(n, 10 + 2 * turn + k, 100_000 + n, 5, 1, NOW, NOW, 0) for n in range(upto) for k in range(2)]
            batch = replace(_batch(rows), instruments=instruments[:upto])
            admit(batch, places_of(batch, state.symbols, table, known=None), table, LIMITS)
    for n, instrument in enumerate(instruments):
        symbol = state.symbols[instrument.venue, instrument.symbol]
        assert (symbol.sequence.first_id, symbol.sequence.last_id, symbol.sequence.accepted) == (10, 15, 6)
        assert symbol.band.recent == [100_000 + n] * 6
