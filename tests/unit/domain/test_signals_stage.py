"""The signals stage: CLEAN records in; bars, conflated trades and quotes, and the proofs out."""

from typing import Any

import msgspec
import pytest

from tickwire.bars import bars_from_trades
from tickwire.columns import QuoteRows, Side, TradeFlag, TradeRows
from tickwire.envelope import MAX_RECORD_BYTES, encode
from tickwire.errors import CounterJump, UnreadableState
from tickwire.records import (
    LAKE_REVISION,
    Finding,
    FindingKind,
    Gap,
    Header,
    Notice,
    Progress,
    Quarantined,
    Record,
    RecordKind,
    StaleBar,
)
from tickwire.stages.signals import MAX_CONTINUITIES, SignalsSettings, SignalsStage
from tickwire.symbols import Instrument

SECOND = 1_000_000_000
BTC = Instrument("binance", "BTC-USDT", 2, 3)
ETH = Instrument("binance", "ETH-USDT", 2, 3)


def _clean(*trades: tuple[Instrument, int, float], created: int = SECOND, flags: int = 0, **sections: Any) -> Record:
    """A record of (instrument, id, seconds) trades, all of price 1.00 and size 0.001."""
    rows = TradeRows()
    for instrument, trade_id, seconds in trades:
        time = round(seconds * SECOND)
        values = {"price": 100, "size": 1, "side": Side.BUY, "exchange_time": time, "receive_time": time}
        rows.append(instrument, trade_id=trade_id, flags=flags, **values)
    return Record(header=Header(RecordKind.CLEAN, 7, 1, "99", created), trades=rows.batch(), **sections)


def _run(*records: Record, settings: SignalsSettings | None = None):
    stage = SignalsStage(settings or SignalsSettings())
    state = stage.new_state()
    return [stage.process(state, record, k).record for k, record in enumerate(records, 1)]


def _bars(record: Record):
    return [(bar.symbol, bar.interval, bar.start // SECOND, bar.trades, bar.final) for bar in record.bars]


def test_every_bar_that_a_record_touches_is_given_provisionally():
    (output,) = _run(_clean((ETH, 1, 0.5), (BTC, 1, 0.5), (BTC, 2, 1.5)))
    assert _bars(output) == [
        ("BTC-USDT", 1, 0, 1, False),
        ("BTC-USDT", 1, 1, 1, False),
        ("BTC-USDT", 60, 0, 2, False),
        ("ETH-USDT", 1, 0, 1, False),
        ("ETH-USDT", 60, 0, 1, False),
    ]


def test_a_bar_that_became_final_is_given_again():
    _, output = _run(_clean((BTC, 1, 0.5)), _clean((BTC, 2, 11.0)))
    assert _bars(output) == [
        ("BTC-USDT", 1, 0, 1, True),
        ("BTC-USDT", 1, 11, 1, False),
        ("BTC-USDT", 60, 0, 2, False),
    ]


def _stale(record: Record) -> list[tuple[str, int, int, int]]:
    return [(bar.symbol, bar.interval, bar.start // SECOND, bar.trades) for bar in record.stale_bars]


def test_final_bars_that_got_late_trades_are_to_be_recomputed_each_told_once():
    _, output = _run(_clean((BTC, 1, 0.5), (BTC, 9, 40.0)), _clean((BTC, 2, 0.5), (BTC, 3, 0.6), (BTC, 4, 2.0)))
    assert output.stale_bars == (
        StaleBar("binance", "BTC-USDT", 1, 0, 2),
        StaleBar("binance", "BTC-USDT", 1, 2 * SECOND, 1),
    )
    assert output.notices == ()
    assert _bars(output) == [("BTC-USDT", 60, 0, 5, False)]


def test_stale_bars_that_do_not_fit_into_a_record_go_with_the_next_ones_and_take_turns():
    late = [(BTC, k, float(k)) for k in range(1, 4_001)] + [(ETH, k, float(k)) for k in range(1, 1_001)]
    records = [
        _clean((BTC, 9_001, 9_000.0), (ETH, 9_001, 9_000.0)),
        _clean(*late, flags=TradeFlag.BACKFILL),
        _clean(),
        _clean(),
    ]
    _, first, second, third = _run(*records, settings=SignalsSettings())
    told = [*_stale(first), *_stale(second)]
    assert [len(_stale(record)) for record in (first, second)] == [3_000, 2_000 + 67 + 17]
    assert third is None
    assert _stale(second)[:2] == [("BTC-USDT", 60, 0, 59), ("BTC-USDT", 60, 60, 60)]
    assert {row[:3]: row[3] for row in told} == {
        (symbol, interval, start): sum(start <= k < start + interval for k in range(1, last + 1))
        for symbol, last in (("BTC-USDT", 4_000), ("ETH-USDT", 1_000))
        for interval in (1, 60)
        for start in range(0 if interval == 60 else 1, last + 1, interval)
    }
    assert len({row[:3] for row in told}) == len(told)
    assert second.notices == ()


def test_stale_bars_that_wait_are_part_of_the_saved_state():
    stage = SignalsStage(SignalsSettings())
    state = stage.new_state()
    stage.process(state, _clean((BTC, 9_001, 9_000.0)), 1)
    stage.process(state, _clean(*((BTC, k, k / 1) for k in range(1, 4_001)), flags=TradeFlag.BACKFILL), 2)
    saved = stage.dump(state)
    again = stage.load(saved)
    assert stage.dump(again) == saved
    assert len(saved) < 5_000
    assert _stale(stage.process(again, _clean(), 3).record) == _stale(stage.process(state, _clean(), 3).record)


def test_bars_from_the_lake_pass_and_take_their_room():
    trades = _clean(*((BTC, k, float(k)) for k in range(1, 2_001))).trades
    lake = tuple(msgspec.structs.replace(bar, revision=LAKE_REVISION + 7) for bar in bars_from_trades(trades, 1))
    _, output = _run(_clean((ETH, 1, 9_000.0)), _clean(*((ETH, k, 9_000.0 + k) for k in range(2, 2_002)), bars=lake))
    assert output.bars[-2_000:] == lake
    assert len(output.bars) == 3_000
    withheld = {(bar.interval, bar.start // SECOND) for bar in output.stale_bars}
    assert (1, 9_000) in withheld
    assert all(interval == 1 for interval, _ in withheld)


def test_the_screen_gets_the_newest_trades_of_each_symbol_in_order():
    trades = [(BTC, k, 0.5) for k in range(1, 31)] + [(ETH, k, 0.5) for k in (3, 1, 2)]
    (output,) = _run(_clean(*trades))
    batch = output.trades
    assert batch.trade_id[batch.instrument == batch.instruments.index(BTC)].tolist() == list(range(11, 31))
    assert batch.trade_id[batch.instrument == batch.instruments.index(ETH)].tolist() == [1, 2, 3]


def test_an_old_trade_that_fills_a_gap_is_not_among_the_last_trades():
    records = [
        _clean((BTC, 1_000, 60.0)),
        _clean((BTC, 10, 1.0), (BTC, 940, 50.0), (BTC, 941, 51.0), flags=TradeFlag.BACKFILL),
        _clean((BTC, 11, 1.0), flags=TradeFlag.REDRIVEN),
    ]
    outputs = _run(*records)
    assert [output.trades.trade_id.tolist() for output in outputs] == [[1_000], [941], []]


def test_a_bars_latest_receive_time_is_that_of_its_live_trades():
    filled = _clean((BTC, 2, 5.5), flags=TradeFlag.BACKFILL)
    outputs = _run(
        _clean((BTC, 1, 5.2)), filled, _clean((BTC, 3, 5.6)), _clean((BTC, 4, 6.0), flags=TradeFlag.SNAPSHOT)
    )
    latest = [[bar.latest_receive for bar in output.bars] for output in outputs]
    assert latest == [[int(5.2 * SECOND)] * 2, [int(5.2 * SECOND)] * 2, [int(5.6 * SECOND)] * 2, [0, int(5.6 * SECOND)]]


def test_history_of_an_older_scale_does_not_close_the_live_bars():
    finer = BTC._replace(price_scale=4)
    _, output, after = _run(
        _clean((finer, 5, 61.0)),
        _clean((BTC, 2, 0.6), (BTC, 3, 0.7), flags=TradeFlag.BACKFILL),
        _clean((finer, 6, 61.5)),
    )
    assert output.bars == ()
    assert _stale(output) == [("BTC-USDT", 1, 0, 2), ("BTC-USDT", 60, 0, 2)]
    assert [(bar.interval, bar.trades) for bar in after.bars] == [(1, 2), (60, 2)]


def test_trades_hours_apart_in_one_record_give_no_more_bars_than_fit_and_the_final_others_are_stale():
    seconds = 16_384
    first, *more = _run(_clean(*((BTC, k + 1, float(k)) for k in range(seconds))), *[_clean()] * 5)
    assert len(first.bars) == 3_000
    assert max(len(encode(record)) for record in (first, *more) if record is not None) < 700_000
    minutes = [bar.start // SECOND for bar in first.bars if bar.interval == 60]
    assert minutes == list(range(0, seconds, 60))
    newest = [bar.start // SECOND for bar in first.bars if bar.interval == 1]
    assert newest == list(range(seconds - 3_000 + len(minutes), seconds))
    stale = [bar for record in (first, *more) if record is not None for bar in _stale(record)]
    assert stale == [("BTC-USDT", 1, k, 1) for k in range(newest[0])]


def test_the_proofs_pass_through():
    proofs = {
        "notices": (Notice("kraken", "venue_status", "online", 1, 5),),
        "quarantined": (Quarantined("7-1-0", "kraken", "BTC-USD", 1, "price", "…", "0", "1", 1, 2, 3),),
        "gaps": (Gap("binance", "BTC-USDT", 2, 3, "id_jump", 4),),
        "progress": (Progress("binance", "BTC-USDT", 1, 4, 2, 0, 0, 0, 2, ((2, 3),), 4),),
        "findings": (Finding("binance", "BTC-USDT", 2, 2, FindingKind.ABSENT, "an empty page", 4),),
    }
    (output,) = _run(_clean(**proofs))
    assert {name: getattr(output, name) for name in proofs} == proofs
    assert output.header == Header(RecordKind.EVENTS, 7, 1, "1", SECOND)


def _quote(price: int, instrument: Instrument = BTC) -> Any:
    rows = QuoteRows()
    sides = {"bid_price": price, "bid_size": 2, "ask_price": price + 1, "ask_size": 3}
    rows.append(instrument, **sides, update_id=price, exchange_time=5, receive_time=6)
    return rows.batch()


def _bids(records: list[Record | None]) -> list[list[int]]:
    return [record.quotes.bid_price.tolist() if record else [] for record in records]


def test_at_most_ten_quotes_of_a_symbol_pass_in_a_second_and_the_newest_waits():
    quotes = [_clean(created=SECOND + k, quotes=_quote(k)) for k in range(1, 16)]
    outputs = _run(*quotes, _clean((ETH, 1, 0.5), created=3 * SECOND))
    assert _bids(outputs) == [[k] for k in range(1, 11)] + [[]] * 5 + [[15]]
    assert outputs[10] is None
    assert outputs[15].header.counter == 11


def test_a_symbols_quotes_do_not_use_up_anothers():
    outputs = _run(*(_clean(created=SECOND, quotes=_quote(k)) for k in range(10)), _clean(quotes=_quote(77, ETH)))
    assert _bids(outputs)[-1] == [77]


def test_a_clock_set_back_does_not_hold_quotes_back():
    quotes = [_clean(created=900 * SECOND, quotes=_quote(k)) for k in range(11)]
    assert _bids(_run(*quotes, _clean(created=5 * SECOND, quotes=_quote(50))))[-1] == [50]


def test_quotes_keep_their_columns():
    (output,) = _run(_clean(quotes=_quote(10)))
    batch = output.quotes
    assert batch.instruments == (BTC,)
    assert [getattr(batch, name).tolist() for name in batch.COLUMNS] == [[0], [10], [2], [11], [3], [10], [5], [6]]


def test_repeats_are_skipped_and_a_jump_stops_the_partition():
    stage = SignalsStage(SignalsSettings())
    state = stage.new_state()
    stage.process(state, _clean((BTC, 1, 0.5)), 1)
    before = stage.dump(state)
    again = stage.process(state, _clean((BTC, 1, 0.5)), 1)
    assert (again.record, again.repeat) == (None, True)
    with pytest.raises(CounterJump, match="record 3 after 1"):
        stage.process(state, _clean((BTC, 3, 0.5)), 3)
    assert stage.dump(state) == before
    assert stage.process(state, _clean((BTC, 2, 0.5)), 2).record.header.counter == 2


def test_a_partition_starts_with_record_one():
    stage = SignalsStage(SignalsSettings())
    with pytest.raises(CounterJump):
        stage.process(stage.new_state(), _clean((BTC, 1, 0.5)), 2)


def test_records_of_another_stream_are_refused():
    stage = SignalsStage(SignalsSettings())
    with pytest.raises(ValueError, match="reads clean records"):
        stage.process(stage.new_state(), Record(header=Header(RecordKind.RAW, 0)), 1)


def test_a_change_of_scale_closes_the_bars_of_the_old_one():
    finer = BTC._replace(price_scale=4)
    _, output = _run(_clean((BTC, 1, 0.5)), _clean((finer, 2, 0.6), (finer, 3, 61.0)))
    assert [(bar.price_scale, bar.interval, bar.start // SECOND, bar.final) for bar in output.bars] == [
        (2, 1, 0, True),
        (2, 60, 0, True),
        (4, 1, 61, False),
        (4, 60, 60, False),
    ]
    # The trade at 0.6 s is of the new scale, and the bars of the old one are closed.
    assert _stale(output) == [("BTC-USDT", 1, 0, 1), ("BTC-USDT", 60, 0, 1)]


def test_a_saved_state_of_another_version_or_damaged_is_refused():
    stage = SignalsStage(SignalsSettings())
    state = stage.new_state()
    stage.process(state, _clean((BTC, 1, 0.5), quotes=_quote(1)), 1)
    data = stage.dump(state)
    assert stage.dump(stage.load(data)) == data
    for bad in (b"", b"\xff" + data[1:], b"\x02" + data[1:], data[:-1], data[:1] + b"\xc0"):
        with pytest.raises(UnreadableState):
            stage.load(bad)


def test_the_output_is_a_record_that_can_be_written():
    (output,) = _run(_clean((BTC, 1, 0.5), quotes=_quote(1)))
    assert encode(output)


def _ranges_apart(first: int, number: int) -> tuple[tuple[int, int], ...]:
    return tuple((first + 2 * k, first + 2 * k) for k in range(number))


def test_the_largest_of_all_sections_at_once_still_fit_into_a_record():
    rng = range(1, 16_001)
    lost = [Gap("binance", "BTC-USDT", 2 * k, 2 * k, "id_jump", 2**60, 2**60, 2**60) for k in range(1, 1_001)]
    progress = Progress(
        *("binance", "BTC-USDT", 1, 2**50, 1, 0, 0, 0, 2, _ranges_apart(2, 64), 2**60),
        opened=_ranges_apart(10**10, 1_000),
        accepted_ids=_ranges_apart(10**10, 16_000),
        backfilled_ids=_ranges_apart(10**10, 16_000),
    )
    symbols = [BTC._replace(symbol=f"S{k:03}-USDT") for k in range(100)]
    others = [Progress("binance", s.symbol, 1, 2, 2, 0, 0, 0, 0, (), 1, hours=((0, 1, 1, 2),)) for s in symbols]
    record = _clean(*((BTC, k, 3_600.0 * k) for k in rng), gaps=tuple(lost), progress=(progress, *others))
    (output,) = _run(record)
    assert (len(output.bars), len(output.stale_bars), len(output.continuity)) == (3_000, 3_000, MAX_CONTINUITIES)
    assert len(encode(output)) < MAX_RECORD_BYTES


HOUR = 3_600 * SECOND


def _progress(symbol: Instrument = BTC, **changes: Any) -> Progress:
    return Progress(symbol.venue, symbol.symbol, 1, 10, 10, 0, 0, 0, 0, (), 0, **changes)


def _counted(start: int, trades: int = 1, symbol: Instrument = BTC, **changes: Any) -> Progress:
    return _progress(symbol, hours=((start, trades, 1, trades),), **changes)


def test_hours_are_told_every_five_seconds_and_what_waits_goes_with_the_next_record_of_the_partition():
    times = (100.0, 101.0, 104.9, 105.0, 105.1, 20.0)
    records = [_clean(created=round(t * SECOND), progress=(_counted(0),)) for t in times[:3]]
    records += [_clean(created=round(t * SECOND), quotes=_quote(1)) for t in times[3:5]]
    # A clock set back does not hold them back either.
    records += [_clean(created=round(times[5] * SECOND), progress=(_counted(0),))]
    told = [[hour.trades for one in output.continuity for hour in one.hours] for output in _run(*records)]
    assert told == [[1], [], [], [3], [], [4]]


def test_what_becomes_of_a_gap_is_told_at_once():
    gap = Gap("binance", "BTC-USDT", 2, 4, "id_jump", 100 * SECOND, HOUR - SECOND, HOUR + 3 * SECOND)
    lost = _counted(0, opened=((2, 4),))
    filled = _progress(accepted_ids=((2, 3),), backfilled_ids=((3, 3),), absent_now=((4, 4),))
    records = [
        _clean(created=100 * SECOND, progress=(lost,), gaps=(gap,)),
        _clean(created=101 * SECOND, progress=(filled,)),
    ]
    (first,), (second,) = (output.continuity for output in _run(*records))
    # The three lie at 3600, 3601 and 3602 s, all in the second hour.
    assert [(h.start // HOUR, h.trades, h.missing, h.absent) for h in first.hours] == [(0, 1, 0, 0), (1, 0, 3, 0)]
    assert [(h.start // HOUR, h.trades, h.missing, h.absent) for h in second.hours] == [(0, 1, 0, 0), (1, 0, 0, 1)]
    ((open_gap,), (closed_gap,)) = first.gaps, second.gaps
    assert (open_gap.remaining, open_gap.closed) == (3, 0)
    facts = ("remaining", "live", "history", "absent", "quarantined", "closed")
    assert [getattr(closed_gap, name) for name in facts] == [0, 1, 1, 1, 0, 101 * SECOND]


def test_of_many_symbols_those_told_longest_ago_come_first():
    symbols = [BTC._replace(symbol=f"S{k:02}-USDT") for k in range(MAX_CONTINUITIES + 5)]
    all_of_them = tuple(_counted(0, symbol=symbol) for symbol in symbols)
    outputs = _run(_clean(created=100 * SECOND, progress=all_of_them), _clean(created=100 * SECOND, quotes=_quote(1)))
    told = [[one.symbol for one in output.continuity] for output in outputs]
    assert told == [[s.symbol for s in symbols[:MAX_CONTINUITIES]], [s.symbol for s in symbols[MAX_CONTINUITIES:]]]
