"""Letters tried again: what is sent, what stays and why. Rows are worked by hand from the frames."""

import dataclasses
import json
from base64 import b64encode

import numpy as np
import pytest

from tickwire.columns import Side, TradeBatch, TradeFlag, TradeRows
from tickwire.dead_letter import UnreadableBody, trade_key
from tickwire.envelope import MAX_RECORD_BYTES, encode
from tickwire.partitions import partition_of
from tickwire.records import Header, Heartbeat, Notice, Quarantined, Record, RecordKind
from tickwire.redrive import NO_TRADES, Redrive, raw_records, redrive
from tickwire.stages.validator import ValidatorSettings, ValidatorStage
from tickwire.symbols import Instrument
from tickwire.venues.binance.feed import BinanceFeed

RECEIVED = 1_783_465_200_500_000_000


def binance_frame(trade_id: int = 7, **changes: object) -> bytes:
    fields = {
        "e": "trade", "E": 1783465200000, "s": "BTCUSDT", "t": trade_id, "p": "63551.02", "q": "0.5",
        "T": 1783465200000, "m": True, "M": True,
    }  # fmt: skip
    return json.dumps({"stream": "btcusdt@trade", "data": fields | changes}).encode()


def frame_letter(frame: bytes, feed: str = "binance", **fields: object) -> bytes:
    return json.dumps(
        {
            "kind": "frame",
            "feed": feed,
            "receive_time": RECEIVED,
            "frame": b64encode(frame).decode(),
            "encoding": "base64",
            "truncated": False,
        }
        | fields
    ).encode()


def try_again(kind: str, message: bytes) -> Redrive:
    def fetch(address: str) -> bytes:
        raise UnreadableBody(f"{address} is gone")

    return redrive(kind, message, fetch)


def rows(batch: TradeBatch) -> list[tuple[object, ...]]:
    columns = (batch.trade_id, batch.price, batch.size, batch.side, batch.exchange_time, batch.receive_time)
    names = [(batch.instruments[i].venue, batch.instruments[i].symbol) for i in batch.instrument.tolist()]
    return [
        (*name, *row, flags)
        for name, *row, flags in zip(names, *(c.tolist() for c in columns), batch.flags.tolist(), strict=True)
    ]


BTC_ROW = ("binance", "BTC-USDT", 7, 6_355_102_000_000, 50_000_000, Side.SELL, 1_783_465_200_000_000_000, RECEIVED)


def test_a_frame_that_is_readable_now_gives_its_trades_with_the_time_of_their_receipt():
    tried = try_again("frame", frame_letter(binance_frame()))
    assert (tried.done, tried.outcome) == (True, "1 trade")
    assert rows(tried.trades) == [(*BTC_ROW, TradeFlag.REDRIVEN)]


def test_a_frame_that_is_still_unreadable_stays_with_its_new_reason():
    tried = try_again("frame", frame_letter(binance_frame(p="dear")))
    assert not tried.done
    assert tried.outcome.startswith("still unreadable: bad_number: ")
    assert "dear" in tried.outcome
    assert len(tried.trades) == 0


def test_a_frame_of_which_a_part_is_readable_gives_that_part_and_stays():
    good = {"symbol": "BTC/USD", "side": "buy", "price": 100.5, "qty": 1.5, "ord_type": "limit", "trade_id": 9,
            "timestamp": "2026-07-07T23:00:00.000001Z"}  # fmt: skip
    frame = {"channel": "trade", "type": "update", "data": [good, good | {"trade_id": "ten"}]}
    tried = try_again("frame", frame_letter(json.dumps(frame).encode(), "kraken"))
    assert not tried.done
    assert [(row[2], row[-1]) for row in rows(tried.trades)] == [(9, TradeFlag.REDRIVEN)]
    assert tried.outcome.endswith("; 1 trade of it")


def test_a_trade_of_a_snapshot_stays_marked_as_such():
    trade = {"symbol": "BTC/USD", "side": "sell", "price": 1.0, "qty": 1.0, "ord_type": "limit", "trade_id": 9,
             "timestamp": "2026-07-07T23:00:00.000001Z"}  # fmt: skip
    frame = json.dumps({"channel": "trade", "type": "snapshot", "data": [trade]}).encode()
    (row,) = rows(try_again("frame", frame_letter(frame, "kraken")).trades)
    assert row[-1] == TradeFlag.SNAPSHOT | TradeFlag.REDRIVEN


def test_a_readable_frame_without_trades_is_done_and_says_that_its_quotes_are_not_redriven():
    quote = {"u": 1, "s": "BTCUSDT", "b": "1.0", "B": "1", "a": "2.0", "A": "1"}
    tried = try_again("frame", frame_letter(json.dumps(quote).encode()))
    assert (tried.done, tried.outcome, len(tried.trades)) == (True, NO_TRADES, 0)


def test_a_book_that_failed_its_checksum_says_that_it_cannot_be_made_from_one_frame():
    book = {"symbol": "BTC/USD", "bids": [{"price": 1.0, "qty": 1.0}], "asks": [{"price": 2.0, "qty": 1.0}],
            "checksum": 1, "timestamp": "2026-07-07T23:00:00.000001Z"}  # fmt: skip
    frame = json.dumps({"channel": "book", "type": "snapshot", "data": [book]}).encode()
    tried = try_again("frame", frame_letter(frame, "kraken"))
    assert not tried.done
    assert tried.outcome.startswith("still unreadable: checksum: ")
    assert tried.outcome.endswith("a book cannot be made from one frame")


def test_a_parser_that_fails_leaves_the_letter(monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(BinanceFeed, "parse", fail)
    tried = try_again("frame", frame_letter(binance_frame()))
    assert (tried.done, tried.outcome) == (False, "still unreadable: parser_failed: ZeroDivisionError: oops")


@pytest.mark.parametrize(
    ("feed", "symbol", "row", "price", "size", "side"),
    [
        ("binance", "BTC-USDT", {"id": 7, "price": "1.5", "qty": "2", "time": 1783465200000, "isBuyerMaker": True},
         150_000_000, 200_000_000, Side.SELL),
        ("coinbase-advanced", "BTC-USD", {"trade_id": 7, "side": "sell", "size": "2", "price": "1.5",
         "time": "2026-07-07T23:00:00Z"}, 150_000_000, 200_000_000, Side.BUY),
        ("kraken", "BTC-USD", ["1.5", "2", 1783465200.0, "b", "l", "", 7], 150_000_000, 200_000_000, Side.BUY),
    ],
)  # fmt: skip
def test_a_row_of_a_history_is_read_by_the_reader_of_its_rows(feed, symbol, row, price, size, side):
    message = frame_letter(json.dumps(row).encode(), f"{feed}/history", symbol=symbol)
    tried = try_again("frame", message)
    assert (tried.done, tried.outcome) == (True, "1 trade")
    (found,) = rows(tried.trades)
    assert found[1:6] == (symbol, 7, price, size, side)
    assert found[6:] == (1_783_465_200_000_000_000, RECEIVED, TradeFlag.BACKFILL | TradeFlag.REDRIVEN)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (frame_letter(b"{}", "binance/history", symbol="BTC-USDT"), "still unreadable: missing_field"),
        (frame_letter(b"\xff", "binance/history", symbol="BTC-USDT"), "still unreadable: not_json"),
        (frame_letter(b"{}", "binance/history"), "cannot be redriven: "),
        (frame_letter(b"{}", "nasdaq/history", symbol="BTC-USDT"), "cannot be redriven: "),
        (frame_letter(b"{}", "nasdaq"), "cannot be redriven: no feed 'nasdaq'"),
        (frame_letter(b"{}", truncated=True), "cannot be redriven: the letter holds only the beginning"),
        (frame_letter(b"{}", encoding="s3+gzip"), "cannot be redriven: e30= is gone"),
        (b"garbage", "cannot be redriven: no letter of kind frame"),
        (b'{"feed": "binance"}', "cannot be redriven: no letter of kind frame"),
        (b'{"feed": "binance\xff"}', "cannot be redriven: no letter of kind frame"),
        (frame_letter(b"{}", receive_time=2**63), "cannot be redriven: no letter of kind frame"),
    ],
)
def test_a_frame_letter_that_cannot_be_tried_says_why(message, says):
    tried = try_again("frame", message)
    assert not tried.done
    assert tried.outcome.startswith(says)
    assert len(tried.trades) == 0


ROW = Quarantined("k", "binance", "BTC-USDT", 7, "time", "?", "63551.02000000", "0.50000000", 2, 111, 222)


def trade_letter(**changes: object) -> bytes:
    names = Quarantined.__struct_fields__
    return json.dumps({"row": {name: getattr(ROW, name) for name in names} | changes}).encode()


def test_a_quarantined_row_is_made_again_digit_for_digit():
    tried = try_again("trade", trade_letter())
    assert (tried.done, tried.outcome) == (True, "1 trade")
    assert rows(tried.trades) == [(*BTC_ROW[:6], 111, 222, TradeFlag.REDRIVEN)]
    assert tried.trades.instruments == (Instrument("binance", "BTC-USDT", 8, 8),)


def test_a_row_that_broke_a_rule_by_its_numbers_is_made_again_for_the_validator_to_judge():
    (row,) = rows(try_again("trade", trade_letter(price="-1.00000000", side=0, trade_id=-3)).trades)
    assert row[2:6] == (-3, -100_000_000, 50_000_000, 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"symbol": "BTC"}, "not a symbol"),
        ({"price": "0.000000001"}, "more than 8 decimal places"),
        ({"price": "1e3"}, "not a plain decimal"),
        ({"trade_id": 2**63}, "no letter of kind trade"),
        ({"side": 400}, "no letter of kind trade"),
        ({"venue": None}, "no letter of kind trade"),
    ],
)
def test_a_row_that_cannot_be_made_again_stays(changes, says):
    tried = try_again("trade", trade_letter(**changes))
    assert not tried.done
    assert says in tried.outcome


def record_letter(data: bytes) -> bytes:
    return json.dumps({"record": b64encode(data).decode(), "encoding": "base64", "truncated": False}).encode()


def btc_trades(*ids: int, venue: str = "binance") -> TradeBatch:
    collected = TradeRows()
    for trade_id in ids:
        collected.append(
            Instrument(venue, "BTC-USDT", 8, 8), trade_id=trade_id, price=1, size=1, side=Side.BUY,
            exchange_time=5, receive_time=6,
        )  # fmt: skip
    return collected.batch()


def test_of_a_record_that_is_readable_now_the_trades_are_sent():
    record = Record(
        header=Header(RecordKind.RAW, 3),
        trades=btc_trades(1, 2),
        heartbeats=(Heartbeat("binance", "BTC-USDT", 9, 1, 1),),
        notices=(Notice("binance", "connection", "connected", 1, 1),),
    )
    tried = try_again("record", record_letter(encode(record)))
    assert (tried.done, tried.outcome) == (True, "2 trades")
    assert tried.trades.trade_id.tolist() == [1, 2]
    assert set(tried.trades.flags.tolist()) == {TradeFlag.REDRIVEN}


def test_a_record_that_is_still_damaged_or_of_another_stream_stays():
    damaged = try_again("record", record_letter(b"garbage"))
    foreign = try_again("record", record_letter(encode(Record(header=Header(RecordKind.CLEAN, 3)))))
    assert (damaged.done, foreign.done) == (False, False)
    assert damaged.outcome.startswith("still unreadable: 7 bytes are too few")
    assert "a clean record has no place on trades-raw" in foreign.outcome


def test_what_is_no_letter_cannot_be_redriven():
    assert not try_again("malformed", b"garbage").done


def test_trades_of_many_letters_go_home_to_their_partitions_by_rising_ids():
    batches = [btc_trades(9), btc_trades(4, 7, venue="kraken"), btc_trades(3)]
    records = raw_records(batches, partitions=1000, now=77)
    found = {
        record.header.partition: [(i.venue) for i in record.trades.instruments] + record.trades.trade_id.tolist()
        for record in records
    }
    assert found == {
        partition_of("binance", "BTC-USDT", 1000): ["binance", 3, 9],
        partition_of("kraken", "BTC-USDT", 1000): ["kraken", 4, 7],
    }
    assert {(record.header.kind, record.header.created) for record in records} == {(RecordKind.RAW, 77)}
    (together,) = raw_records(batches, partitions=1, now=77)
    assert sorted(together.trades.trade_id.tolist()) == [3, 4, 7, 9]
    assert raw_records([], partitions=4, now=1) == raw_records([TradeBatch.empty()], partitions=4, now=1) == []


def test_many_trades_become_records_whose_clean_ones_fit_the_stream():
    ids = np.arange(5_000_000_000, 5_000_060_000, 2)
    apart = dataclasses.replace(
        btc_trades(*ids.tolist()), exchange_time=RECEIVED - (np.arange(len(ids))[::-1] * 60 + 1) * 10**9
    )
    stage = ValidatorStage(ValidatorSettings())
    state = stage.new_state()
    records = raw_records([apart], partitions=1, now=RECEIVED)
    assert np.concatenate([record.trades.trade_id for record in records]).tolist() == ids.tolist()
    for source, record in enumerate(records, 1):
        output = stage.process(state, record, source).record
        assert output is not None
        assert len(encode(output)) < MAX_RECORD_BYTES * 2 // 3


def key(**changes: object) -> str:
    row = {"venue": "binance", "symbol": "BTC-USDT", "trade_id": 7, "price": "1.50", "size": "2", "side": 1,
           "exchange_time": 5, "receive_time": 6}  # fmt: skip
    return trade_key(**(row | changes))


def test_a_row_has_one_key_whatever_its_scale_and_every_value_counts():
    assert key() == key(price="1.50000000") == key(price="1.5", size="2.000")
    assert key(price="0") == key(price="0.00000000")
    changes = {"venue": "v", "symbol": "A-B", "trade_id": 8, "price": "1.05", "size": "20", "side": 2,
               "exchange_time": 6, "receive_time": 7}  # fmt: skip
    keys = {key(**{name: value}) for name, value in changes.items()}
    assert len(keys | {key()}) == 9
    assert all(len(one) == 32 for one in keys)
