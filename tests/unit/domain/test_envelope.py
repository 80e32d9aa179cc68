"""The bytes of a record: layout, refusals, size."""

import struct
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from zlib import crc32

import msgspec
import numpy as np
import pytest

from tickwire.capture import read_capture
from tickwire.columns import QuoteBatch, QuoteRows, Side, TradeBatch, TradeRows
from tickwire.conclusions import Sentiment
from tickwire.envelope import decode, encode, split
from tickwire.errors import DamagedRecord, UnknownRecordVersion
from tickwire.records import Bar, Gap, Header, Heartbeat, Notice, Progress, Quarantined, Record, RecordKind
from tickwire.symbols import Instrument
from tickwire.trace import begin_trace
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

BTC = Instrument("binance", "BTC-USDT", 8, 8)
ETH = Instrument("binance", "ETH-USDT", 8, 8)
HEADER = Header(
    RecordKind.CLEAN, 3, 17, "49545115243490985018280067714973144582180062593244200961", 5, (("ingestor", 9),)
)


def _trades(*trades: tuple[Instrument, int]) -> TradeRows:
    rows = TradeRows()
    for instrument, trade_id in trades:
        rows.append(
            instrument,
            trade_id=trade_id,
            price=6_168_599_000_000,
            size=317_000,
            side=Side.BUY,
            exchange_time=1_723_161_254_000_000_000,
            receive_time=1_723_161_252_730_000_000,
        )
    return rows


def _full_record() -> Record:
    quotes = QuoteRows()
    quotes.append(BTC, bid_price=1, bid_size=2, ask_price=3, ask_size=4, update_id=5, exchange_time=6, receive_time=7)
    return Record(
        header=HEADER,
        trades=_trades((BTC, 1), (BTC, 2)).batch(),
        quotes=quotes.batch(),
        heartbeats=(Heartbeat("coinbase", "BTC-USD", 4, 5, 6),),
        notices=(Notice("kraken", "venue_status", "maintenance", 1, 7),),
        quarantined=(Quarantined("3-1-0", "kraken", "BTC-USD", 7, "price", "…", "-1.0", "2.0", 1, 8, 9),),
        gaps=(Gap("binance", "BTC-USDT", 3, 4, "id_jump", 10),),
        progress=(Progress("binance", "BTC-USDT", 1, 6, 3, 0, 1, 1, 2, ((3, 4),), 11),),
        bars=(
            Bar(
                *("binance", "BTC-USDT", 60, 120 * 10**9, 8, 8, 1, 4, 1, 2, 10, 5),
                *(Decimal("12345678901234567890.1234567890123456"), 3, 1, 3, 2, True, 12),
            ),
        ),
    )


def test_every_section_is_read_back_as_it_was_written():
    record = _full_record()
    again = decode(encode(record))
    for section in ("header", "heartbeats", "notices", "quarantined", "gaps", "progress", "bars"):
        assert getattr(again, section) == getattr(record, section)
    assert again.trades.instruments == (BTC,)
    assert again.trades.trade_id.tolist() == [1, 2]
    assert again.quotes.ask_size.tolist() == [4]


def test_the_same_record_always_gives_the_same_bytes():
    assert encode(_full_record()) == encode(_full_record()) == encode(decode(encode(_full_record())))


def test_trades_are_grouped_by_instrument_in_order_of_arrival():
    record = Record(header=HEADER, trades=_trades((ETH, 9), (BTC, 5), (ETH, 8), (BTC, 6)).batch())
    again = decode(encode(record)).trades
    assert [(again.instruments[i].symbol, t) for i, t in zip(again.instrument, again.trade_id, strict=True)] == [
        ("ETH-USDT", 9),
        ("ETH-USDT", 8),
        ("BTC-USDT", 5),
        ("BTC-USDT", 6),
    ]


def test_a_record_of_nothing_is_a_record():
    again = decode(encode(Record(header=HEADER)))
    assert again.header == HEADER
    assert len(again.trades) == len(again.quotes) == 0


def test_the_layout_is_the_documented_one():
    data = encode(Record(header=HEADER))
    magic, version, reserved, length, checksum = struct.unpack_from("<4sB3sII", data)
    assert (magic, version, reserved) == (b"TKWR", 2, b"\0\0\0")
    assert checksum == crc32(data[16:])
    assert length == len(data)
    kind, partition, counter, source, created, hops = msgspec.msgpack.decode(data[16:])
    assert (kind, partition, counter, created, hops) == (1, 3, 17, 5, [["ingestor", 4]])
    assert sum(part << 64 * place for place, part in enumerate(source)) == int(HEADER.source)


TRACED = msgspec.structs.replace(HEADER, trace=begin_trace(time=5, unique=bytes(range(12))).after("ingestor"))


@pytest.mark.parametrize("record", [Record(header=HEADER), _full_record()])
def test_a_trace_comes_back_and_costs_a_record_without_one_nothing(record):
    plain = encode(record)
    traced = encode(replace(record, header=msgspec.structs.replace(record.header, trace=TRACED.trace)))
    assert decode(traced).header.trace == TRACED.trace
    assert decode(plain).header.trace is None
    # Two ids with their lengths, and at most one byte for each of the eleven empty sections before them.
    assert 29 <= len(traced) - len(plain) <= 29 + 2 + 11
    assert len(msgspec.msgpack.decode(plain[16:])) <= 17


def test_what_a_later_writer_adds_behind_all_fields_is_passed_over():
    record = Record(header=TRACED, sentiment=(Sentiment(1, 50.0, 1, ()),))
    fields = msgspec.msgpack.decode(encode(record)[16:])
    body = msgspec.msgpack.encode([*fields, "what nobody here knows"])
    data = struct.pack("<4sB3sII", b"TKWR", 2, bytes(3), 16 + len(body), crc32(body)) + body
    assert (decode(data).header, decode(data).sentiment) == (TRACED, record.sentiment)


@pytest.mark.parametrize("trace", [[bytes(15), bytes(8)], [bytes(16), b""], [bytes(16)], "x", [1, 2]])
def test_a_trace_of_other_lengths_is_damage(trace):
    fields = msgspec.msgpack.decode(encode(Record(header=TRACED))[16:])
    body = msgspec.msgpack.encode([*fields[:-1], trace])
    with pytest.raises(DamagedRecord):
        decode(struct.pack("<4sB3sII", b"TKWR", 2, bytes(3), 16 + len(body), crc32(body)) + body)


@pytest.mark.parametrize("source", ["0", "17", "9" * 80, "007", "-1", "", "²", "shard-1", "9" * 81, str(2**63)])
@pytest.mark.parametrize(("created", "time"), [(5, 9), (2**63 - 1, -(2**63)), (-(2**63), 2**63 - 1), (0, 0)])
def test_any_source_and_any_times_come_back(source, created, time):
    header = Header(RecordKind.RAW, 0, 0, source, created, (("ingestor", time), ("validator", created)))
    assert decode(encode(Record(header=header))).header == header


def test_a_later_version_is_refused_by_name():
    data = bytearray(encode(_full_record()))
    data[4] = 3
    with pytest.raises(UnknownRecordVersion, match="version 3"):
        decode(bytes(data))


def test_the_first_version_is_no_longer_read():
    data = bytearray(encode(_full_record()))
    data[4] = 1
    with pytest.raises(UnknownRecordVersion, match="version 1"):
        decode(bytes(data))


@pytest.mark.parametrize("length", [0, 1, 11, 15, 16, 40, 200])
def test_a_record_cut_short_is_refused(length):
    with pytest.raises(DamagedRecord):
        decode(encode(_full_record())[:length])


def test_a_record_with_a_tail_is_refused():
    with pytest.raises(DamagedRecord):
        decode(encode(_full_record()) + b"\0")


@pytest.mark.parametrize("data", [b"not a record, but long enough", b"\0" * 64, b'{"e":"trade"}' * 3])
def test_what_is_no_record_at_all_is_refused(data):
    with pytest.raises(DamagedRecord, match="starts with"):
        decode(data)


def _sealed(head: object) -> bytes:
    """Give an envelope whose length and checksum are right, whatever it holds."""
    body = msgspec.msgpack.encode(head)
    return struct.pack("<4sB3sII", b"TKWR", 2, bytes(3), 16 + len(body), crc32(body)) + body


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((0,), "raw"),
        ((0,), 3),
        ((0,), -1),
        ((3,), 1.5),
        ((3,), [1] * 6),
        ((5,), [["ingestor"]]),
        ((6, 0), []),  # rows of instruments that are not listed
        ((6, 0), ["BTC-USDT", "ETH-USDT"]),  # more instruments than counts
        ((6, 0), [["BTC-USDT"]]),
        ((6, 0), [["BTC-USDT", "binance", 8]]),
        ((6, 0), [["BTC-USDT", 8, "binance", 8]]),
        ((6, 1), [1]),  # fewer rows than the columns hold
        ((6, 1), [0]),
        ((6, 1), [-1]),
        ((6, 1), [10**12]),
        ((6, 1), [2**64 - 1]),
        ((6, 2), b""),
        ((6, 2), b"\0" * 40),
        ((6, 2), "text"),
        ((6,), [["BTC-USDT"], [2]]),
        ((7,), [[], [], b""]),
        ((8,), [["venue"]]),
    ],
)
def test_a_head_that_contradicts_itself_is_refused_though_its_checksum_matches(place, value):
    head = msgspec.msgpack.decode(encode(Record(header=HEADER, trades=_trades((BTC, 1), (BTC, 2)).batch()))[16:])
    head += [None, []]
    *outer, last = place
    part = head
    for index in outer:
        part = part[index]
    part[last] = value
    with pytest.raises(DamagedRecord):
        decode(_sealed(head))


def test_a_head_with_more_fields_than_there_are_is_refused():
    with pytest.raises(DamagedRecord):
        decode(_sealed([0, 0, 0, 0, 0, [], *[None] * 2, *[[]] * 9, []]))


def test_text_that_is_no_utf8_is_refused():
    body = msgspec.msgpack.encode([0, 0, 0, "??", 0, []]).replace(b"??", b"\xff\xff")
    with pytest.raises(DamagedRecord, match="unreadable content"):
        decode(struct.pack("<4sB3sII", b"TKWR", 2, bytes(3), 16 + len(body), crc32(body)) + body)


def test_more_rows_than_a_record_may_hold_are_refused_whether_written_or_read():
    many = TradeBatch((BTC,), *(np.zeros(1_000_001, dtype) for dtype in TradeBatch.COLUMNS.values()))
    with pytest.raises(ValueError, match="1000001 rows"):
        encode(Record(header=HEADER, trades=many))
    head = msgspec.msgpack.decode(encode(Record(header=HEADER, trades=many.take(np.arange(1_000_000))))[16:])
    head[6][1] = [1_000_001]
    with pytest.raises(DamagedRecord, match="1000001 rows"):
        decode(_sealed(head))


@pytest.mark.parametrize("index", [-1, 1])
def test_a_row_of_an_instrument_that_is_not_listed_is_not_written(index):
    batch = _trades((BTC, 1)).batch()
    with pytest.raises(ValueError, match=r"negative|instrument 1 of 1"):
        encode(Record(header=HEADER, trades=replace(batch, instrument=np.array([index], np.int32))))


def test_the_columns_of_a_decoded_batch_are_what_compiled_loops_take():
    again = decode(encode(_full_record()))
    for batch in (again.trades, again.quotes):
        for name, dtype in batch.COLUMNS.items():
            column = getattr(batch, name)
            assert (column.dtype, column.flags.c_contiguous, column.flags.writeable) == (dtype, True, True)


def test_envelopes_back_to_back_are_cut_into_themselves():
    parts = [encode(_full_record()), encode(Record(header=HEADER)), encode(_full_record())]
    assert split(b"".join(parts)) == parts
    assert split(parts[0]) == parts[:1]


@pytest.mark.parametrize("cut", [1, 19, 20, 25])
def test_envelopes_back_to_back_that_are_cut_short_are_refused(cut):
    one = encode(Record(header=HEADER))
    with pytest.raises(DamagedRecord):
        split(one + one[:cut])


def test_an_envelope_that_claims_no_length_is_refused_and_not_cut_for_ever():
    one = encode(Record(header=HEADER))
    with pytest.raises(DamagedRecord, match="no whole envelope at byte 0"):
        split(one[:8] + struct.pack("<I", 0) + one[12:])


def test_a_thousand_neighbouring_trades_take_few_bytes():
    rows = TradeRows()
    for k in range(1_000):
        rows.append(
            BTC,
            trade_id=6_486_989_273 + k,
            price=6_168_599_000_000 + (k % 7) * 1_000_000,
            size=317_000 + (k % 97) * 1_000,
            side=Side(1 + k % 2),
            exchange_time=1_723_161_254_000_000_000 + k * 33_000_000,
            receive_time=1_723_161_252_730_000_000 + k * 33_000_000,
        )
    assert len(encode(Record(header=HEADER, trades=rows.batch()))) < 1_500


def test_a_single_trade_takes_less_than_a_hundred_bytes():
    created = 1_723_161_254_020_000_000
    header = Header(RecordKind.RAW, 3, created=created, hops=(("ingestor", created),))
    assert len(encode(Record(header=header, trades=_trades((BTC, 6_486_989_273)).batch()))) < 100


def test_random_numbers_take_no_more_than_themselves_and_their_lengths():
    random = np.random.default_rng(5)
    columns = [
        random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, 8_192, dtype, endpoint=True)
        for dtype in TradeBatch.COLUMNS.values()
    ]
    batch = TradeBatch((BTC,), np.zeros(8_192, np.int32), *columns[1:])
    assert len(encode(Record(header=HEADER, trades=batch))) < 8_192 * 43


def test_importing_it_needs_no_compiler():
    code = "import sys, tickwire.envelope; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("feed", "file", "most"),
    [
        ("binance", "binance_spot_btcusdt_20240808.gz", 4.2),
        ("binance", "binance_spot_ethusdt_20240808.gz", 4.0),
        ("coinbase", "coinbase_exchange_20260707.ndjson", 6.0),
    ],
)
def test_real_trades_come_back_and_take_few_bytes(realdata, feed, file, most):
    parser, parsed = new_feed(feed), ParsedFrames()
    for captured in read_capture(realdata / "captures" / file):
        parser.parse(captured.frame, captured.receive_time or 0, parsed)
    trades, quotes = parsed.trades.batch(), parsed.quotes.batch()
    data = encode(Record(header=HEADER, trades=trades))
    again = decode(data).trades
    order = np.argsort(trades.instrument, kind="stable")
    assert all(np.array_equal(getattr(again, name), getattr(trades, name)[order]) for name in TradeBatch.COLUMNS)
    assert len(data) / len(trades) < most
    again_quotes = decode(encode(Record(header=HEADER, quotes=quotes))).quotes
    order = np.argsort(quotes.instrument, kind="stable")
    assert all(np.array_equal(getattr(again_quotes, name), getattr(quotes, name)[order]) for name in QuoteBatch.COLUMNS)
