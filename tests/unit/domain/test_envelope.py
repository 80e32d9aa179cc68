"""The bytes of a record: layout, refusals, size."""

import struct
from decimal import Decimal
from zlib import crc32

import msgspec
import pytest

from tickwire.columns import QuoteRows, Side, TradeRows
from tickwire.envelope import decode, encode, split
from tickwire.errors import DamagedRecord, UnknownRecordVersion
from tickwire.records import Bar, Gap, Header, Heartbeat, Notice, Progress, Quarantined, Record, RecordKind
from tickwire.symbols import Instrument

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
    magic, version, reserved, length, checksum, head_length = struct.unpack_from("<4sB3sIII", data)
    assert (magic, version, reserved) == (b"TKWR", 1, b"\0\0\0")
    assert checksum == crc32(data[16:])
    assert length == len(data) == 20 + head_length
    assert msgspec.msgpack.decode(data[20:])[0][:4] == ["clean", 3, 17, HEADER.source]


def test_a_later_version_is_refused_by_name():
    data = bytearray(encode(_full_record()))
    data[4] = 2
    with pytest.raises(UnknownRecordVersion, match="version 2"):
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


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, []),  # a row names an instrument that is not listed
        (2, 3),  # more rows than the columns hold
        (2, -1),
        (2, 10**12),
        (3, [1, 1]),  # too few columns
        (0, ["raw"]),
        (0, ["dirty", 0]),
        (11, [["venue"]]),
    ],
)
def test_a_head_that_contradicts_its_columns_is_refused_though_its_checksum_matches(place, value):
    data = encode(Record(header=HEADER, trades=_trades((BTC, 1), (BTC, 2)).batch()))
    head_length = struct.unpack_from("<I", data, 16)[0]
    head = msgspec.msgpack.decode(data[20 : 20 + head_length])
    head[place] = value
    packed = msgspec.msgpack.encode(head)
    body = struct.pack("<I", len(packed)) + packed + data[20 + head_length :]
    with pytest.raises(DamagedRecord, match=r"unreadable|columns|column|names an instrument|length does not"):
        decode(data[:8] + struct.pack("<II", 16 + len(body), crc32(body)) + body)


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
    assert len(encode(Record(header=HEADER, trades=rows.batch()))) < 5_000
