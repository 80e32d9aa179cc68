"""The signals stage: CLEAN records in; bars, conflated trades and quotes, and the proofs out."""

from typing import Any

import pytest

from tickwire.columns import QuoteRows, Side, TradeRows
from tickwire.envelope import encode
from tickwire.errors import CounterJump, UnreadableState
from tickwire.records import Gap, Header, Notice, Progress, Quarantined, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.symbols import Instrument

SECOND = 1_000_000_000
BTC = Instrument("binance", "BTC-USDT", 2, 3)
ETH = Instrument("binance", "ETH-USDT", 2, 3)


def _clean(*trades: tuple[Instrument, int, float], created: int = SECOND, **sections: Any) -> Record:
    """A record of (instrument, id, seconds) trades, all of price 1.00 and size 0.001."""
    rows = TradeRows()
    for instrument, trade_id, seconds in trades:
        time = round(seconds * SECOND)
        rows.append(
            instrument, trade_id=trade_id, price=100, size=1, side=Side.BUY, exchange_time=time, receive_time=time
        )
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


def test_trades_too_late_for_their_bar_give_a_notice_with_the_bars_to_recompute():
    _, output = _run(_clean((BTC, 1, 0.5), (BTC, 9, 40.0)), _clean((BTC, 2, 0.5), (BTC, 3, 0.6), (BTC, 4, 2.0)))
    text = "BTC-USDT 1 s bars from 1970-01-01T00:00:00.000000000Z to 1970-01-01T00:00:02.000000000Z"
    assert output.notices == (Notice("binance", "late_trade", text, 3, SECOND),)
    assert _bars(output) == [("BTC-USDT", 60, 0, 5, False)]


def test_the_screen_gets_the_newest_trades_of_each_symbol_in_order():
    trades = [(BTC, k, 0.5) for k in range(1, 31)] + [(ETH, k, 0.5) for k in (3, 1, 2)]
    (output,) = _run(_clean(*trades))
    batch = output.trades
    assert batch.trade_id[batch.instrument == batch.instruments.index(BTC)].tolist() == list(range(11, 31))
    assert batch.trade_id[batch.instrument == batch.instruments.index(ETH)].tolist() == [1, 2, 3]


def test_trades_hours_apart_in_one_record_give_no_more_bars_than_fit_and_name_the_others():
    seconds = 16_384
    (output,) = _run(_clean(*((BTC, k + 1, float(k)) for k in range(seconds))))
    assert len(output.bars) == 3_000
    assert len(encode(output)) < 500_000
    minutes = [bar.start // SECOND for bar in output.bars if bar.interval == 60]
    assert minutes == list(range(0, seconds, 60))
    newest = [bar.start // SECOND for bar in output.bars if bar.interval == 1]
    assert newest == list(range(seconds - 3_000 + len(minutes), seconds))
    (notice,) = output.notices
    assert (notice.kind, notice.count) == ("bars_withheld", seconds - len(newest))
    assert notice.text.endswith("from 1970-01-01T00:00:00.000000000Z to 1970-01-01T03:47:37.000000000Z")


def test_the_proofs_pass_through():
    proofs = {
        "notices": (Notice("kraken", "venue_status", "online", 1, 5),),
        "quarantined": (Quarantined("7-1-0", "kraken", "BTC-USD", 1, "price", "…", "0", "1", 1, 2, 3),),
        "gaps": (Gap("binance", "BTC-USDT", 2, 3, "id_jump", 4),),
        "progress": (Progress("binance", "BTC-USDT", 1, 4, 2, 0, 0, 0, 2, ((2, 3),), 4),),
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
    assert [notice.count for notice in output.notices] == [1, 1]


def test_a_saved_state_of_another_version_or_damaged_is_refused():
    stage = SignalsStage(SignalsSettings())
    state = stage.new_state()
    stage.process(state, _clean((BTC, 1, 0.5), quotes=_quote(1)), 1)
    data = stage.dump(state)
    assert stage.dump(stage.load(data)) == data
    for bad in (b"", b"\xff" + data[1:], data[:-1], data[:1] + b"\xc0"):
        with pytest.raises(UnreadableState):
            stage.load(bad)


def test_the_output_is_a_record_that_can_be_written():
    (output,) = _run(_clean((BTC, 1, 0.5), quotes=_quote(1)))
    assert encode(output)
