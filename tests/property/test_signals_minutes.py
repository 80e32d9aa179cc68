"""Minutes of the signals stage: where it restarts, and which records come again, changes nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.test_signals_minutes import BTC, ETH, MIDNIGHT, SECOND, MemoryHistory, Told, clean
from tickwire.bars import bars_from_trades
from tickwire.columns import TradeBatch
from tickwire.envelope import encode
from tickwire.features.minutes import MINUTE_NS, SLOTS, trailing_grid
from tickwire.records import Record
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.stage import StageOutput
from tickwire.symbols import Instrument

Steps = list[tuple[float, Instrument, float, int]]
"""Seconds since the last record, which of two symbols trades, how late the trade is, and its price in cents."""
_STEP = st.tuples(
    st.sampled_from([0.1, 5.0, 29.0, 61.0, 130.0]),
    st.sampled_from([BTC, ETH]),
    st.sampled_from([0.0, 0.0, 0.2, 2.0, 65.0]),
    st.integers(9_900, 10_100),
)


def _records(steps: Steps) -> list[Record]:
    records, now = [], 1.0
    for number, (wait, instrument, late, price) in enumerate(steps, 1):
        now += wait
        records.append(clean((instrument, number, max(0.0, now - late), price), created=now))
    return records


def _content(output: StageOutput) -> bytes:
    return b"" if output.record is None else encode(output.record)


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(_STEP, min_size=1, max_size=30), data=st.data())
def test_restarts_and_repeats_change_nothing(steps: Steps, data: st.DataObject) -> None:
    records = _records(steps)
    one = SignalsStage(SignalsSettings(), history=MemoryHistory(), forecaster=Told())
    state = one.new_state()
    expected = [_content(one.process(state, record, number)) for number, record in enumerate(records, 1)]

    history = MemoryHistory()
    got, number, saved = [], 1, one.dump(one.new_state())
    other = SignalsStage(SignalsSettings(), history=history, forecaster=Told())
    again = other.load(saved)
    for record in records:
        output = _content(other.process(again, record, number))
        if data.draw(st.booleans()):
            # It dies before the state is saved, and another goes on from what was.
            again = other.load(saved)
            assert _content(other.process(again, record, number)) == output
        if data.draw(st.booleans()):
            again = other.load(other.dump(again))
        saved = other.dump(again)
        got.append(output)
        number += 1
    assert got == expected
    assert saved == one.dump(state)


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(_STEP, min_size=1, max_size=30))
def test_what_is_stored_in_the_end_is_the_bars_of_all_trades(steps: Steps) -> None:
    history = MemoryHistory()
    stage = SignalsStage(SignalsSettings(), history=history)
    state = stage.new_state()
    records = _records(steps)
    late: set[tuple[str, int]] = set()
    newest = max(int(record.trades.exchange_time.max()) for record in records)
    # Three minutes later all is final, and a record says so.
    last = (newest - MIDNIGHT) / SECOND + 200
    records += [clean((one, 99 + k, last, 10_000), created=last) for k, one in enumerate((BTC, ETH))]
    for number, record in enumerate(records, 1):
        output = stage.process(state, record, number).record
        late |= {(bar.symbol, bar.start) for bar in (output.stale_bars if output else ()) if bar.interval == 60}
    for bar in bars_from_trades(TradeBatch.concat([record.trades for record in records[:-2]]), 60):
        if (bar.symbol, bar.start) in late:
            continue
        grid = trailing_grid(history.rings[bar.venue, bar.symbol], bar.start + MINUTE_NS)
        row = history.rings[bar.venue, bar.symbol][0][bar.start // MINUTE_NS % SLOTS]
        assert row["start"] == bar.start
        assert (row["open"], row["close"], row["trades"]) == (bar.open / 100, bar.close / 100, bar.trades)
        assert grid.close[0, -1] == bar.close / 100
