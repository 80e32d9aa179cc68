"""Rows to records: all of them once, in order, one partition a record."""

from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_tasks.ingestor.batcher import MAX_ROWS, Batcher
from ecs_tasks.ingestor.notices import NoticeBoard
from tickwire.columns import Side
from tickwire.envelope import decode, encode
from tickwire.partitions import partition_of
from tickwire.payloads import encode_within
from tickwire.records import Finding, FindingKind, Header, Heartbeat, Record, RecordKind
from tickwire.symbols import instrument
from tickwire.venues.feed import ParsedFrames

NAMES = ("BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD", "SHIB-USD")
SECOND = 1_000_000_000


Rows = Sequence[tuple[str, int]]


def parsed_with(*, trades: Rows = (), quotes: Rows = (), beats: Rows = ()) -> ParsedFrames:
    parsed = ParsedFrames(frames=1)
    for symbol, number in trades:
        parsed.trades.append(
            instrument("v", symbol),
            trade_id=number,
            price=number // 7,
            size=1,
            side=Side.SELL,
            exchange_time=number,
            receive_time=number + 1,
        )
    for symbol, number in quotes:
        parsed.quotes.append(
            instrument("v", symbol),
            bid_price=number,
            bid_size=2,
            ask_price=number + 1,
            ask_size=3,
            update_id=number,
            exchange_time=5,
            receive_time=6,
        )
    parsed.heartbeats = [Heartbeat("v", symbol, number, 1, 2) for symbol, number in beats]
    return parsed


def new_batcher(*, partitions: int = 1, max_rows: int = MAX_ROWS) -> Batcher:
    return Batcher(partitions=partitions, notices=NoticeBoard(partitions=partitions), max_rows=max_rows)


def rows_of(record: Record) -> list[tuple[str, int]]:
    trades = record.trades
    return [
        (trades.instruments[k].symbol, number)
        for k, number in zip(trades.instrument.tolist(), trades.trade_id.tolist(), strict=True)
    ]


row = st.tuples(st.sampled_from(NAMES), st.integers(1, 2**62))
steps = st.lists(
    st.one_of(st.lists(row, max_size=40), st.integers(0, 6)),  # rows handed over, or a partition taken from
    max_size=30,
)


@given(steps=steps, partitions=st.integers(1, 7), max_rows=st.integers(1, 50))
def test_every_row_comes_out_once_in_order_and_in_its_own_partition(
    steps: list[list[tuple[str, int]] | int], partitions: int, max_rows: int
) -> None:
    batcher = new_batcher(partitions=partitions, max_rows=max_rows)
    given_rows: dict[str, list[int]] = defaultdict(list)
    taken: dict[str, list[int]] = defaultdict(list)

    def take(partition: int) -> bool:
        record = batcher.take(partition, now=0, created=9)
        if record is None:
            return False
        assert record.header.partition == partition
        assert 0 < len(record.trades) <= max_rows
        assert {partition_of("v", i.symbol, partitions) for i in record.trades.instruments} == {partition}
        for symbol, number in rows_of(record):
            taken[symbol].append(number)
        return True

    for step in steps:
        if isinstance(step, int):
            take(step % partitions)
        else:
            added = batcher.add(parsed_with(trades=step))
            for symbol, number in step:
                given_rows[symbol].append(number)
            assert {seen.instrument.symbol: (seen.first_id, seen.last_id, seen.trades) for seen in added.trades} == {
                symbol: (min(ids), max(ids), len(ids))
                for symbol in {symbol for symbol, _ in step}
                for ids in [[number for name, number in step if name == symbol]]
            }
        assert batcher.pending_trades == sum(map(len, given_rows.values())) - sum(map(len, taken.values()))
    for partition in range(partitions):
        while take(partition):
            pass
    assert taken == given_rows
    assert batcher.pending_trades == 0


@given(
    trades=st.lists(row, max_size=200),
    quotes=st.lists(row, max_size=20),
    beats=st.lists(row, max_size=5),
    limit=st.integers(700, 4000),
)
def test_a_record_over_the_limit_is_split_without_loss_and_in_order(
    trades: list[tuple[str, int]], quotes: list[tuple[str, int]], beats: list[tuple[str, int]], limit: int
) -> None:
    batcher = new_batcher()
    batcher.add(parsed_with(trades=trades, quotes=quotes, beats=beats))
    record = batcher.take(0, now=0, created=9, final=True)
    if record is None:
        return
    parts = encode_within(record, limit, encode)

    assert all(len(data) <= limit for data, _ in parts)
    decoded = [decode(data) for data, _ in parts]
    assert all(part.header == record.header for part in decoded)
    for name in NAMES:
        assert [n for part in decoded for s, n in rows_of(part) if s == name] == [n for s, n in trades if s == name]
    assert sum(len(part.quotes) for part in decoded) == len(record.quotes)
    assert [beat for part in decoded for beat in part.heartbeats] == list(record.heartbeats)
    first_beat = next((k for k, part in enumerate(decoded) if part.heartbeats), len(decoded))
    assert all(not len(part.trades) for part in decoded[first_beat + 1 :])


def test_incompressible_rows_at_the_row_limit_fit_one_mebibyte() -> None:
    import random

    draw = random.Random(7)
    parsed = ParsedFrames(frames=1)
    for _ in range(MAX_ROWS):
        parsed.trades.append(
            instrument("v", "BTC-USD"),
            trade_id=draw.getrandbits(63),
            price=draw.getrandbits(63),
            size=draw.getrandbits(63),
            side=draw.choice((Side.BUY, Side.SELL)),
            exchange_time=draw.getrandbits(63),
            receive_time=draw.getrandbits(63),
        )
    batcher = new_batcher()
    batcher.add(parsed)
    record = batcher.take(0, now=0, created=1)
    assert record is not None
    assert len(record.trades) == MAX_ROWS
    assert len(encode(record)) <= 1024 * 1024


def test_what_cannot_be_split_is_an_error_and_no_endless_loop() -> None:
    batcher = new_batcher()
    batcher.add(parsed_with(trades=[("BTC-USD", 1)]))
    record = batcher.take(0, now=0, created=1)
    assert record is not None
    with pytest.raises(ValueError, match="cannot be split"):
        encode_within(record, 10, encode)


def test_quotes_are_conflated_to_the_latest_ten_times_a_second() -> None:
    batcher = new_batcher()
    batcher.add(parsed_with(quotes=[("BTC-USD", 1), ("ETH-USD", 50), ("BTC-USD", 3), ("BTC-USD", 2)]))
    first = batcher.take(0, now=0, created=1)
    assert first is not None
    assert dict(zip(first.quotes.instrument.tolist(), first.quotes.update_id.tolist(), strict=True)) == {0: 3, 1: 50}

    batcher.add(parsed_with(quotes=[("BTC-USD", 4)]))
    batcher.add(parsed_with(quotes=[("BTC-USD", 5)]))
    assert not batcher.is_due(0, SECOND // 10 - 1)
    assert batcher.take(0, now=SECOND // 10 - 1, created=1) is None
    assert batcher.is_due(0, SECOND // 10)
    second = batcher.take(0, now=SECOND // 10, created=1)
    assert second is not None
    assert second.quotes.update_id.tolist() == [5]
    assert second.quotes.bid_price.tolist() == [5]


def test_a_quote_without_update_id_yields_to_the_later_exchange_time() -> None:
    batcher = new_batcher()
    parsed = ParsedFrames(frames=1)
    for time, price in ((20, 200), (10, 100)):
        parsed.quotes.append(
            instrument("v", "BTC-USD"),
            bid_price=price,
            bid_size=0,
            ask_price=price,
            ask_size=0,
            update_id=0,
            exchange_time=time,
            receive_time=time,
        )
    batcher.add(parsed)
    record = batcher.take(0, now=0, created=1)
    assert record is not None
    assert record.quotes.bid_price.tolist() == [200]


def test_a_heartbeat_waits_for_all_trades_before_it_and_the_latest_stands() -> None:
    batcher = new_batcher(max_rows=2)
    trades = [("BTC-USD", 1), ("BTC-USD", 2), ("BTC-USD", 3)]
    batcher.add(parsed_with(trades=trades, beats=[("BTC-USD", 2), ("BTC-USD", 3)]))
    first = batcher.take(0, now=0, created=1)
    second = batcher.take(0, now=0, created=1)
    assert first is not None
    assert second is not None
    assert first.heartbeats == ()
    assert [beat.last_trade_id for beat in second.heartbeats] == [3]
    assert batcher.take(0, now=0, created=1) is None


def test_the_header_names_kind_partition_and_the_hop() -> None:
    batcher = new_batcher(partitions=4)
    partition = partition_of("v", "BTC-USD", 4)
    batcher.add(parsed_with(trades=[("BTC-USD", 1)]))
    record = batcher.take(partition, now=0, created=1234)
    assert record is not None
    header = record.header
    assert (header.kind, header.partition, header.counter, header.source) == ("raw", partition, 0, "0")
    assert header.created == 1234
    assert header.hops == (("ingestor", 1234),)


def test_a_record_with_findings_is_never_split_and_so_none_is_lost() -> None:
    findings = tuple(Finding("v", "BTC-USD", k, k, FindingKind.ABSENT, "x" * 100, 1) for k in range(1, 50))
    record = Record(header=Header(RecordKind.RAW, 0), findings=findings)
    ((data, _),) = encode_within(record, 1024 * 1024, encode)
    assert decode(data).findings == findings
    with pytest.raises(ValueError, match="cannot be split"):
        encode_within(record, 1_000, encode)
