"""The validator: RAW records in, CLEAN records, quarantine and proofs out."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tickwire.columns import QuoteRows, Side, TradeFlag, TradeRows
from tickwire.envelope import MAX_RECORD_BYTES, encode
from tickwire.errors import UnreadableState
from tickwire.records import (
    LAKE_REVISION,
    Bar,
    Finding,
    FindingKind,
    Gap,
    Header,
    Heartbeat,
    Notice,
    Record,
    RecordKind,
)
from tickwire.stages.continuity_tally import MAX_FINDINGS
from tickwire.stages.validator import ValidatorSettings, ValidatorStage
from tickwire.symbols import Instrument
from tickwire.validation.sequence import WINDOW

BTC = Instrument("binance", "BTC-USDT", 8, 8)
ETH = Instrument("binance", "ETH-USDT", 8, 8)
SECOND = 1_000_000_000
NOW = 1_723_161_254 * SECOND
KINESIS = 49_545_115_243_490_985_018_280_067_714_973_144_582_180_062_593_244_200_961

Row = tuple[Instrument, int, dict[str, Any]]


def _row(instrument: Instrument, trade_id: int, **changes: Any) -> Row:
    return instrument, trade_id, changes


def _raw(*rows: Row, **sections: Any) -> Record:
    trades = TradeRows()
    for instrument, trade_id, changes in rows:
        good = {"price": 6_168_599_000_000, "size": 317_000, "side": Side.BUY, "exchange_time": NOW}
        trades.append(instrument, trade_id=trade_id, **{**good, "receive_time": NOW, **changes})
    header = Header(RecordKind.RAW, 7, created=NOW, hops=(("ingestor", NOW),))
    return Record(header=header, trades=trades.batch(), **sections)


def _ids(record: Record | None) -> dict[str, list[int]]:
    assert record is not None
    batch = record.trades
    names = [batch.instruments[index].symbol for index in batch.instrument]
    return {
        name: [int(t) for n, t in zip(names, batch.trade_id, strict=True) if n == name] for name in dict.fromkeys(names)
    }


def _run(stage: ValidatorStage, *records: Record):
    state = stage.new_state()
    return [stage.process(state, record, KINESIS + k) for k, record in enumerate(records)], state


@pytest.fixture
def stage() -> ValidatorStage:
    return ValidatorStage(ValidatorSettings())


def test_a_redriven_row_that_breaks_a_rule_again_has_the_key_of_its_first_letter_and_is_counted_once(stage):
    again = _row(BTC, 2, price=-5, flags=TradeFlag.REDRIVEN)
    first, other, redriven = _run(
        stage, _raw(_row(BTC, 2, price=-5)), _raw(_row(BTC, 2, price=-5, receive_time=NOW + 1)), _raw(again)
    )[0]
    keys = [output.quarantined[0].key for output in (first, other, redriven)]
    assert keys[2] == keys[0] != keys[1]
    assert redriven.record.progress[0].quarantined == 2


def test_a_redriven_row_is_no_duplicate_and_no_witness_of_a_jump(stage):
    far = [5_000_000, 5_000_001, 5_000_002]
    redriven = [_row(BTC, trade_id, flags=TradeFlag.REDRIVEN) for trade_id in (1, *far)]
    (_, output), _ = _run(stage, _raw(_row(BTC, 1)), _raw(*redriven))
    assert [row.rule for row in output.quarantined] == ["id_jump"] * 3
    (progress,) = output.record.progress
    assert (progress.last_id, progress.duplicates, progress.quarantined) == (1, 0, 0)


def test_good_trades_pass_ordered_by_id_per_instrument(stage):
    (output,), _ = _run(stage, _raw(_row(ETH, 9), _row(BTC, 3), _row(ETH, 8), _row(BTC, 2), _row(BTC, 4)))
    assert _ids(output.record) == {"ETH-USDT": [8, 9], "BTC-USDT": [2, 3, 4]}
    assert output.quarantined == ()


def test_the_header_says_where_the_record_comes_from(stage):
    (first, second), _ = _run(stage, _raw(_row(BTC, 1)), _raw(_row(BTC, 2)))
    assert first.record.header == Header(RecordKind.CLEAN, 7, 1, str(KINESIS), NOW, (("ingestor", NOW),))
    assert second.record.header.counter == 2


def test_a_record_seen_before_is_a_repeat_and_changes_nothing(stage):
    (first,), state = _run(stage, _raw(_row(BTC, 1)))
    before = stage.dump(state)
    again = stage.process(state, _raw(_row(BTC, 2)), KINESIS)
    assert (again.record, again.repeat) == (None, True)
    assert stage.process(state, _raw(_row(BTC, 2)), KINESIS - 1).repeat
    assert stage.dump(state) == before
    assert not first.repeat


def test_a_record_with_nothing_to_say_takes_no_counter(stage):
    (empty, beat, full), _ = _run(
        stage, _raw(), _raw(heartbeats=(Heartbeat("coinbase", "BTC-USD", 5, NOW, NOW),)), _raw(_row(BTC, 1))
    )
    assert empty.record is None
    assert beat.record is None
    assert full.record.header.counter == 1


def test_duplicates_are_dropped_and_counted_within_and_across_records(stage):
    (first, second), _ = _run(stage, _raw(_row(BTC, 1), _row(BTC, 1), _row(BTC, 2)), _raw(_row(BTC, 2), _row(BTC, 3)))
    assert _ids(first.record) == {"BTC-USDT": [1, 2]}
    assert _ids(second.record) == {"BTC-USDT": [3]}
    assert (first.duplicates, second.duplicates) == (1, 1)
    assert second.record.progress[0].duplicates == 2


def test_a_bad_row_is_quarantined_whole_with_its_rule_and_never_passes(stage):
    (output,), _ = _run(stage, _raw(_row(BTC, 1), _row(BTC, 2, price=-5), _row(BTC, 3)))
    (row,) = output.quarantined
    assert output.record.quarantined == output.quarantined
    assert (row.rule, row.trade_id) == ("price", 2)
    assert (row.venue, row.symbol, row.price, row.size) == ("binance", "BTC-USDT", "-0.00000005", "0.00317000")
    assert (row.side, row.exchange_time, row.receive_time) == (1, NOW, NOW)
    assert _ids(output.record) == {"BTC-USDT": [1, 3]}
    (progress,) = output.record.progress
    assert (progress.accepted, progress.quarantined, progress.quarantined_ids, progress.missing) == (2, 1, 1, 0)


def test_the_good_twin_of_a_quarantined_row_is_admitted(stage):
    (_, output), _ = _run(stage, _raw(_row(BTC, 1), _row(BTC, 2, side=Side.UNKNOWN), _row(BTC, 3)), _raw(_row(BTC, 2)))
    assert _ids(output.record) == {"BTC-USDT": [2]}
    assert output.record.progress[0].quarantined_ids == 0


def test_an_id_that_is_not_positive_is_quarantined_and_accounts_for_nothing(stage):
    (output,), _ = _run(stage, _raw(_row(BTC, 0), _row(BTC, -1), _row(BTC, 5)))
    assert [row.rule for row in output.quarantined] == ["trade_id", "trade_id"]
    (progress,) = output.record.progress
    assert (progress.first_id, progress.last_id, progress.quarantined, progress.quarantined_ids) == (5, 5, 2, 0)


def test_rows_behind_the_window_and_far_ahead_are_quarantined_by_name(stage):
    (_, output), _ = _run(
        stage, _raw(_row(BTC, 100_000)), _raw(_row(BTC, 100_000 - WINDOW), _row(BTC, 10**15), _row(BTC, 100_001))
    )
    assert [(row.trade_id, row.rule) for row in output.quarantined] == [
        (100_000 - WINDOW, "stale_id"),
        (10**15, "id_jump"),
    ]
    assert _ids(output.record) == {"BTC-USDT": [100_001]}
    assert output.record.progress[0].missing == 0


def test_only_a_sample_of_many_bad_rows_rides_along_but_all_are_given(stage):
    (output,), _ = _run(stage, _raw(*(_row(BTC, k, size=0) for k in range(1, 151))))
    assert len(output.quarantined) == 150
    assert output.record.quarantined == output.quarantined[:100]


def test_symbols_that_are_not_carried_are_quarantined_and_leave_no_state():
    stage = ValidatorStage(ValidatorSettings(known_symbols=frozenset({"binance:BTC-USDT"})))
    (output,), state = _run(stage, _raw(_row(BTC, 1), _row(ETH, 1)))
    assert [(row.symbol, row.rule) for row in output.quarantined] == [("ETH-USDT", "symbol")]
    assert list(state.symbols) == [("binance", "BTC-USDT")]
    assert _ids(output.record) == {"BTC-USDT": [1]}


def test_the_time_window_follows_the_settings(stage):
    old = _raw(_row(BTC, 1, receive_time=NOW + 700 * 86_400 * SECOND))
    assert _run(stage, old)[0][0].quarantined[0].rule == "time"
    replay = ValidatorStage(ValidatorSettings(max_age_seconds=1e9))
    assert _ids(_run(replay, old)[0][0].record) == {"BTC-USDT": [1]}


def test_a_gap_is_reported_once_when_it_opens_and_progress_lists_it_until_it_closes(stage):
    (opened, later, closed), _ = _run(
        stage, _raw(_row(BTC, 1), _row(BTC, 5)), _raw(_row(BTC, 6)), _raw(*(_row(BTC, k) for k in (4, 2, 3)))
    )
    assert opened.record.gaps == (Gap("binance", "BTC-USDT", 2, 4, "id_jump", NOW, NOW, NOW),)
    assert later.record.gaps == ()
    assert later.record.progress[0].missing_ranges == ((2, 4),)
    assert (closed.record.progress[0].missing, closed.record.progress[0].missing_ranges) == (0, ())
    assert _ids(closed.record) == {"BTC-USDT": [2, 3, 4]}


def test_gaps_without_number_are_spread_over_records_and_survive_a_saved_state(stage):
    many = _raw(*(_row(BTC, k) for k in range(1, 5_002, 2)))
    state = stage.new_state()
    reported = []
    for source in range(1, 5):
        record = many if source == 1 else _raw(_row(BTC, 5_000 + source))
        output = stage.process(state, record, source)
        reported.append([(gap.first, gap.last) for gap in output.record.gaps])
        state = stage.load(stage.dump(state))
    assert [len(gaps) for gaps in reported] == [1_000, 1_000, 500, 0]
    assert [gap for gaps in reported for gap in gaps] == [(k, k) for k in range(2, 5_002, 2)]


def test_a_gap_closed_within_its_record_is_none(stage):
    (output,), _ = _run(stage, _raw(_row(BTC, 1), _row(BTC, 3), _row(BTC, 2)))
    assert output.record.gaps == ()


def test_a_heartbeat_shows_a_gap_at_the_tail_and_is_not_passed_on(stage):
    beats = [Heartbeat("binance", "BTC-USDT", 3, NOW + k * SECOND, NOW) for k in range(2)]
    (_, output), _ = _run(stage, _raw(_row(BTC, 1), heartbeats=(beats[0],)), _raw(heartbeats=(beats[1],)))
    assert output.record.gaps == (Gap("binance", "BTC-USDT", 2, 3, "heartbeat", NOW, NOW, NOW),)
    assert output.record.heartbeats == ()
    (progress,) = output.record.progress
    assert (progress.last_id, progress.missing, progress.missing_ranges) == (3, 2, ((2, 3),))


def test_progress_lists_the_oldest_64_missing_ranges(stage):
    (output,), _ = _run(stage, _raw(*(_row(BTC, k) for k in range(1, 201, 2))))
    (progress,) = output.record.progress
    assert progress.missing == 99
    assert progress.missing_ranges == tuple((k, k) for k in range(2, 130, 2))


def test_a_price_anomaly_is_flagged_and_passes_with_the_flags_it_had(stage):
    calm = _raw(*(_row(BTC, k) for k in range(1, 101)))
    odd = _row(BTC, 101, price=9_168_599_000_000, flags=TradeFlag.SNAPSHOT)
    (_, output), _ = _run(stage, calm, _raw(_row(BTC, 102), odd))
    assert output.record.trades.flags.tolist() == [TradeFlag.SNAPSHOT | TradeFlag.PRICE_ANOMALY, 0]


def test_an_old_trade_that_fills_a_gap_does_not_meet_todays_price_band(stage):
    calm = [_row(BTC, k) for k in range(1_000, 1_100)]
    (_, output), _ = _run(stage, _raw(_row(BTC, 1), *calm), _raw(_row(BTC, 500, price=3_000_000_000_000)))
    assert output.record.trades.flags.tolist() == [0]


def _quotes(*quotes: tuple[int, int, int]) -> QuoteRows:
    rows = QuoteRows()
    for price, update_id, time in quotes:
        sides = {"bid_price": price, "bid_size": 1, "ask_price": price + 1, "ask_size": 1}
        rows.append(BTC, **sides, update_id=update_id, exchange_time=time, receive_time=NOW)
    return rows


@pytest.mark.parametrize(
    ("first", "second", "passed"),
    [
        ([(1, 5, NOW), (2, 7, NOW), (3, 6, NOW)], [], [[2], []]),
        ([(1, 5, NOW)], [(2, 5, NOW), (3, 4, NOW + 1)], [[1], []]),
        ([(1, 0, NOW), (2, 0, NOW + 5), (3, 0, NOW + 3)], [(4, 0, NOW + 4)], [[2], []]),
        ([(1, 0, NOW)], [(2, 0, NOW)], [[1], [2]]),
        # The venue began to count anew.
        ([(1, 900, NOW)], [(2, 1, NOW + 11 * SECOND)], [[1], [2]]),
        # A quote from the far future would hide all that follow.
        ([(1, 0, NOW + 3_600 * SECOND)], [(2, 0, NOW)], [[], [2]]),
    ],
)
def test_only_the_newest_quote_of_a_symbol_passes(stage, first, second, passed):
    records = [_raw(_row(BTC, k), quotes=_quotes(*quotes).batch()) for k, quotes in enumerate((first, second), 1)]
    outputs, _ = _run(stage, *records)
    assert [output.record.quotes.bid_price.tolist() for output in outputs] == passed


def test_notices_are_passed_on(stage):
    notice = Notice("kraken", "venue_status", "maintenance", 1, NOW)
    (output,), _ = _run(stage, _raw(notices=(notice,)))
    assert output.record.notices == (notice,)


def test_records_of_another_stream_are_refused(stage):
    with pytest.raises(ValueError, match="reads raw records"):
        stage.process(stage.new_state(), Record(header=Header(RecordKind.CLEAN, 0)), 1)


def test_a_saved_state_of_another_version_or_damaged_is_refused(stage):
    _, state = _run(stage, _raw(_row(BTC, 1), _row(BTC, 9)))
    data = stage.dump(state)
    assert stage.dump(stage.load(data)) == data
    for bad in (b"", b"\xff" + data[1:], data[:-1], data[:1] + b"\xc0"):
        with pytest.raises(UnreadableState):
            stage.load(bad)


def test_a_symbol_without_trouble_takes_less_than_a_kibibyte_of_state(stage):
    _, state = _run(stage, _raw(*(_row(BTC, 6_486_989_273 + k, price=6_168_599_000_000 + k) for k in range(2_000))))
    assert len(stage.dump(state)) < 1_024


def test_a_symbol_that_lost_half_of_its_window_at_random_takes_about_16_kib(stage):
    # Bits of a linear congruential generator: no pattern for the compression to find.
    word, ids = 1, []
    for trade_id in range(1, 2 * WINDOW):
        word = (word * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        if word >> 63:
            ids.append(trade_id)
    after = [_raw(_row(BTC, 2 * WINDOW + k)) for k in range(40)]
    _, state = _run(stage, _raw(*(_row(BTC, trade_id) for trade_id in ids)), *after)
    assert len(stage.dump(state)) < 17 * 1_024


def test_a_new_price_scale_starts_a_new_band(stage):
    calm = _raw(*(_row(BTC, k) for k in range(1, 101)))
    finer = _raw(_row(BTC._replace(price_scale=10), 101, price=616_859_900_000_000))
    (_, output), _ = _run(stage, calm, finer)
    assert output.record.trades.flags.tolist() == [0]


def test_the_output_is_a_record_that_can_be_written(stage):
    (output,), _ = _run(stage, _raw(_row(BTC, 1), _row(BTC, 5), _row(BTC, 2, price=0)))
    assert encode(output.record)


def _finding(first, last, kind, after_time=0):
    return Finding("binance", "BTC-USDT", first, last, kind, "GET /trades: HTTP 200", NOW, after_time)


def test_what_the_history_says_of_missing_ids_is_passed_on_as_far_as_it_took_effect(stage):
    findings = (_finding(1, 4, FindingKind.ABSENT), _finding(5, 5, FindingKind.UNREADABLE))
    outputs, state = _run(stage, _raw(_row(BTC, 1), _row(BTC, 6)), _raw(findings=findings), _raw(findings=findings))
    told = outputs[1].record
    assert told.findings == (_finding(2, 4, FindingKind.ABSENT), _finding(5, 5, FindingKind.UNREADABLE))
    (progress,) = told.progress
    assert (progress.absent, progress.quarantined_ids, progress.missing) == (3, 1, 0)
    assert (progress.absent_now, progress.quarantined_now) == (((2, 4),), ((5, 5),))
    assert outputs[2].record is None
    assert state.symbols["binance", "BTC-USDT"].sequence.absent_count == 3


@pytest.mark.parametrize("kind", FindingKind)
def test_a_finding_of_ids_that_others_pierced_meanwhile_fits_a_record_and_takes_effect_as_far_as_it_is_told(
    stage, kind
):
    rows = [_row(BTC, k) for k in range(1, 16_000, 2)]
    findings = (msgspec.structs.replace(_finding(1, 16_000, kind), evidence="e" * 300),)
    outputs, state = _run(stage, _raw(*rows), _raw(findings=findings), _raw(findings=findings))
    told = [(one.first, one.last) for output in outputs[1:] for one in output.record.findings]
    assert all(len(encode(output.record)) < MAX_RECORD_BYTES * 2 // 3 for output in outputs)
    assert len(told) == len(set(told)) == 2 * MAX_FINDINGS
    sequence = state.symbols["binance", "BTC-USDT"].sequence
    assert sequence.missing_count == 7_999 + (len(told) if kind is FindingKind.REOPEN else -len(told))
    total = sequence.accepted + sequence.missing_count + sequence.absent_count + sequence.quarantined_ids_count
    assert total == 15_999


def test_a_reopened_id_in_the_same_record_as_its_trade_is_admitted(stage):
    again = _raw(_row(BTC, 2, flags=TradeFlag.BACKFILL), findings=(_finding(2, 3, FindingKind.REOPEN, 7),))
    (_, output), _ = _run(stage, _raw(*(_row(BTC, k) for k in (1, 2, 3, 4))), again)
    (progress,) = output.record.progress
    assert (progress.opened, progress.accepted_ids, progress.backfilled_ids) == (((2, 3),), ((2, 2),), ((2, 2),))
    assert (progress.accepted, progress.missing_ranges) == (3, ((3, 3),))
    assert output.record.gaps == (Gap("binance", "BTC-USDT", 3, 3, "reopened", NOW, 7, 0),)


def test_progress_counts_trades_by_the_hour_of_the_exchange(stage):
    hour = 3_600 * SECOND
    start = NOW // hour * hour
    rows = [_row(BTC, 1, exchange_time=start - 1), _row(BTC, 2, exchange_time=start), _row(BTC, 3, exchange_time=start)]
    (output,), _ = _run(stage, _raw(*rows, _row(BTC, 3, exchange_time=start)))
    assert output.record.progress[0].hours == ((start - hour, 1, 1, 1), (start, 2, 2, 3))


def test_bars_computed_again_from_the_lake_pass_through(stage):
    bar = Bar("binance", "BTC-USDT", 60, NOW, 8, 8, *[1] * 6, Decimal(1), 1, 1, 1, LAKE_REVISION + 3, True, 0)
    (output,), _ = _run(stage, _raw(bars=(bar,)))
    assert output.record.bars == (bar,)
