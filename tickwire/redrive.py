"""What a dead letter comes to when it is tried again with today's code: trades to send, or why it stays. Pure.

Only trades are redriven. They are known by their ids, so that sending them again changes nothing,
and the validator judges them by today's rules. Quotes and order books cannot be: their state is
that of a connection, and cannot be made from one frame; heartbeats and findings would say of today
what was true then; and notices have no identity, so people would see them once more each time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, cast

import msgspec
import numpy as np

from tickwire.columns import Side, TradeBatch, TradeFlag, TradeRows
from tickwire.dead_letter import FetchBody, UnreadableBody, payload
from tickwire.decimals import parse_fixed
from tickwire.envelope import decode
from tickwire.errors import DamagedRecord, InexactDecimal, UnknownRecordVersion, UnknownSymbol
from tickwire.partitions import partition_of
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import instrument
from tickwire.venues.feed import ParsedFrames, RejectReason
from tickwire.venues.frames import UnreadableFrame
from tickwire.venues.history import new_history
from tickwire.venues.registry import new_feed

HISTORY = "/history"
"""Ends the feed's name in the letter of a row of a venue's REST history."""

MAX_TRADES = 5_000
"""Rows a record. Of ids apart from each other the validator tells one by one, in more bytes than their rows take:
a record may hold far more of them than the one that comes of it, and that one must fit a stream record too."""

NO_TRADES = "readable, and without trades; quotes, books, heartbeats and notices are not redriven"

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Redrive:
    """What a letter comes to.

    Attributes
    ----------
    outcome : for people, in a few words
    done : whether nothing of it stays unread; once the trades are accepted it is redriven
    trades : to be sent, flag REDRIVEN; a letter that is not done may have some
    """

    outcome: str
    done: bool = False
    trades: TradeBatch = field(default_factory=TradeBatch.empty)


class _FrameLetter(msgspec.Struct):
    feed: str
    receive_time: _Int64
    symbol: str | None = None


class _Row(msgspec.Struct):
    venue: str
    symbol: str
    trade_id: _Int64
    price: str
    size: str
    side: Annotated[int, msgspec.Meta(ge=-128, le=127)]
    exchange_time: _Int64
    receive_time: _Int64


class _TradeLetter(msgspec.Struct):
    row: _Row


def redrive(kind: str, message: bytes, fetch: FetchBody) -> Redrive:
    """Try a letter again.

    Parameters
    ----------
    kind : of the letter: ``frame``, ``trade``, ``record``; others cannot be redriven
    message : the letter as it came
    fetch : gives the body at an address in S3
    """
    try:
        match kind:
            case "frame":
                return _redrive_frame(msgspec.json.decode(message, type=_FrameLetter), payload(kind, message, fetch))
            case "trade":
                return _redrive_trade(msgspec.json.decode(message, type=_TradeLetter).row)
            case "record":
                return _redrive_record(payload(kind, message, fetch))
    except UnreadableBody as error:
        return Redrive(f"cannot be redriven: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Redrive(f"cannot be redriven: no letter of kind {kind}: {error}")
    return Redrive(f"cannot be redriven: nothing is known of a letter of kind {kind}")


def raw_records(trades: Iterable[TradeBatch], *, partitions: int, now: int) -> list[Record]:
    """Give RAW records with all of these trades, each of one partition, by rising trade ids; ``now`` in ns UTC.

    None has more than :data:`MAX_TRADES`.
    """
    whole = TradeBatch.concat(list(trades))
    if not len(whole):
        return []
    order = np.lexsort((whole.trade_id, whole.instrument))
    homes = np.array([partition_of(i.venue, i.symbol, partitions) for i in whole.instruments], np.int64)
    of_row = homes[whole.instrument[order]]
    return [
        Record(
            header=Header(RecordKind.RAW, partition, created=now),
            trades=_compact(whole.take(rows[start : start + MAX_TRADES])),
        )
        for partition in np.unique(of_row).tolist()
        for rows in (order[of_row == partition],)
        for start in range(0, len(rows), MAX_TRADES)
    ]


def _redrive_frame(letter: _FrameLetter, frame: bytes) -> Redrive:
    if letter.feed.endswith(HISTORY):
        return _redrive_history_row(letter, frame)
    try:
        feed = new_feed(letter.feed)
    except KeyError as error:
        return Redrive(f"cannot be redriven: {error.args[0]}")
    parsed = ParsedFrames()
    try:
        feed.parse(frame, letter.receive_time, parsed)
    except Exception as error:  # as in the ingestor, a parser's fault must not cost the frame
        return Redrive(_unread(RejectReason.PARSER_FAILED, f"{type(error).__name__}: {error}"))
    trades = _redriven(parsed.trades.batch())
    if parsed.rejects:
        reject = parsed.rejects[0]
        return Redrive(_unread(reject.reason, reject.detail, trades=len(trades)), trades=trades)
    return Redrive(_sent(trades), done=True, trades=trades)


def _redrive_history_row(letter: _FrameLetter, row: bytes) -> Redrive:
    try:
        history = new_history(letter.feed.removesuffix(HISTORY))
    except KeyError as error:
        return Redrive(f"cannot be redriven: {error.args[0]}")
    try:
        # The cursor's range does not matter to its reader of rows.
        cursor = history.fill(letter.symbol or "", 0, 0, after_time=0)
        trade = cursor.read_row(row)
    except UnknownSymbol as error:
        return Redrive(f"cannot be redriven: {error}")
    except UnreadableFrame as fault:
        return Redrive(_unread(fault.reason, fault.detail))
    rows = TradeRows()
    rows.append(cursor.instrument, **trade._asdict(), receive_time=letter.receive_time, flags=TradeFlag.BACKFILL)
    trades = _redriven(rows.batch())
    return Redrive(_sent(trades), done=True, trades=trades)


def _redrive_trade(row: _Row) -> Redrive:
    try:
        traded = instrument(row.venue, row.symbol)
        price, size = parse_fixed(row.price, traded.price_scale), parse_fixed(row.size, traded.size_scale)
    except (UnknownSymbol, InexactDecimal) as error:
        return Redrive(f"cannot be redriven: {error}")
    rows = TradeRows()
    rows.append(
        traded,
        trade_id=row.trade_id,
        price=price,
        size=size,
        # Whatever the number, it is the validator's to judge.
        side=cast("Side", row.side),
        exchange_time=row.exchange_time,
        receive_time=row.receive_time,
    )
    trades = _redriven(rows.batch())
    return Redrive(_sent(trades), done=True, trades=trades)


def _redrive_record(data: bytes) -> Redrive:
    try:
        record = decode(data)
    except (DamagedRecord, UnknownRecordVersion) as error:
        return Redrive(f"still unreadable: {error}")
    if record.header.kind is not RecordKind.RAW:
        return Redrive(f"cannot be redriven: a {record.header.kind.value} record has no place on trades-raw")
    trades = _redriven(record.trades)
    return Redrive(_sent(trades), done=True, trades=trades)


def _redriven(batch: TradeBatch) -> TradeBatch:
    return replace(batch, flags=batch.flags | np.int8(TradeFlag.REDRIVEN))


def _compact(batch: TradeBatch) -> TradeBatch:
    """Leave out the instruments that no row is of."""
    used, index = np.unique(batch.instrument, return_inverse=True)
    instruments = tuple(batch.instruments[i] for i in used.tolist())
    return replace(batch, instruments=instruments, instrument=index.astype(np.int32))


def _sent(trades: TradeBatch) -> str:
    return _trades(len(trades)) if len(trades) else NO_TRADES


def _unread(reason: RejectReason, detail: str, *, trades: int = 0) -> str:
    state = "; a book cannot be made from one frame" if reason is RejectReason.CHECKSUM else ""
    rest = f"; {_trades(trades)} of it" if trades else ""
    return f"still unreadable: {reason.value}: {detail}{state}{rest}"


def _trades(count: int) -> str:
    return f"{count} trade{'s' * (count != 1)}"
