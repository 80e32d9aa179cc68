"""Fills a range of trade ids from a venue's history, page by page, and says what the venue never had."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec

from tickwire.columns import Side, TradeBatch, TradeFlag, TradeRows
from tickwire.intervals import IntervalSet
from tickwire.symbols import Instrument
from tickwire.venues.feed import FrameReject, RejectReason
from tickwire.venues.frames import DECODE_FAILURES, UnreadableFrame, shown
from tickwire.venues.history_http import HistoryReply, HistoryRequest, require_page

MAX_ID = 2**63 - 1

TradeId = Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)]


class HistoryTrade(NamedTuple):
    """One row of a venue's history: fixed point at the instrument's scales, the aggressor's side, ns UTC."""

    trade_id: int
    price: int
    size: int
    side: Side
    exchange_time: int


@dataclass(frozen=True, slots=True)
class Absence:
    """Ids ``first`` to ``last`` (inclusive) that the venue itself does not have.

    ``evidence`` names the page that spans them: one reply with a trade before and a trade after
    them and none between.
    """

    first: int
    last: int
    evidence: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """What one reply brought.

    Attributes
    ----------
    trades : wanted trades not brought before, by rising id, flag BACKFILL
    next : request to send for the next page, or None at the end
    evidence : the request, the status, and what the page holds, for people and for the ledger
    absent : what this page proves the venue not to have
    rejects : rows that cannot be read, each with its own bytes as the frame
    """

    trades: TradeBatch
    next: HistoryRequest | None
    evidence: str
    absent: tuple[Absence, ...] = ()
    rejects: tuple[FrameReject, ...] = ()


@dataclass(frozen=True, slots=True)
class FillResult:
    """How a fill stands. Every wanted id is filled, absent, unreadable or unresolved.

    Attributes
    ----------
    filled : number of trades given out
    absent : confirmed absent, with the evidence
    unreadable : inclusive ranges of ids that the venue has, in rows that cannot be read
    unresolved : inclusive ranges that no page spans: not in the history yet, or not any more
    reason : why it ended with something unresolved; empty otherwise
    """

    filled: int
    absent: tuple[Absence, ...]
    unreadable: tuple[tuple[int, int], ...]
    unresolved: tuple[tuple[int, int], ...]
    reason: str


@dataclass(slots=True)
class Span:
    """The ids of one page, and when its newest readable trade was."""

    ids: list[int]
    newest_time: int | None = None
    position: int | None = None
    """Where the venue says that the next page starts, if it does (Kraken's ``last``)."""


class Fill(ABC):
    """Cursor over the wanted ids of one instrument.

    Send :attr:`request`, :meth:`feed` the reply, publish ``page.trades``, go on with ``page.next``
    until it is None; then :meth:`result`. ``feed`` raises a
    :class:`~tickwire.venues.history_http.HistoryError` for a reply that is no page, and may then be
    given another reply to the same request.

    Nothing but the ids that came is believed: an id counts as absent only if one and the same page
    holds a lower and a higher one, its rows in the venue's order and each with an id. So pages
    overlap by a row, and a venue whose history lags, or that ignores a parameter, leaves ids
    unresolved and never makes them absent.
    """

    newest_first: ClassVar[bool] = False
    """Whether the venue's pages run from high ids to low."""

    request: HistoryRequest | None
    """What to send next; None once the fill has ended."""

    def __init__(self, instrument: Instrument, first: int, last: int) -> None:
        """Want ids ``first`` to ``last``, both included.

        Raises
        ------
        ValueError
            If that is no range of ids.
        """
        if not 0 <= first <= last <= MAX_ID:
            raise ValueError(f"no range of trade ids: {first} to {last}")
        self.instrument = instrument
        self.first = first
        self.last = last
        self.request = None
        self._missing = IntervalSet([(first, last)])
        self._absent = IntervalSet()
        self._absences: list[Absence] = []
        self._unreadable = IntervalSet()
        self._filled = 0
        self._reason = ""

    def feed(self, reply: HistoryReply, receive_time: int) -> HistoryPage:
        """Take the reply to :attr:`request`; ``receive_time`` in ns UTC goes into the rows.

        Raises
        ------
        HistoryError
            One of its kinds; the cursor has not moved.
        ValueError
            If the fill has ended.
        """
        request = self.request
        if request is None:
            raise ValueError("the fill has ended: there is no request to reply to")
        raws, position = self._decode(reply, receive_time)
        require_page(len(raws))
        rows, nameless = self._read_rows(raws)
        came = [row.trade_id for row in rows]
        ordered = all(b <= a if self.newest_first else a <= b for a, b in pairwise(came))
        span = Span(sorted(set(came)), position=position)
        trades, rejects = self._take(rows, receive_time, span)
        rejects += [row.reject(receive_time) for row in nameless]
        evidence = _evidence(request, reply, span.ids, faults=_faults(len(nameless), ordered=ordered))
        # A row without an id could be any of those that seem not to be there, and one out of its
        # place may bear a wrong id.
        absent = self._confirm_absent(span.ids, evidence) if ordered and not nameless else []
        self.request = self._next(span) if self._missing else None
        return HistoryPage(trades.batch(), self.request, evidence, tuple(absent), tuple(rejects))

    def result(self) -> FillResult:
        """Say how the wanted ids stand; before the end, those still to be asked for are unresolved."""
        return FillResult(
            filled=self._filled,
            absent=tuple(
                Absence(first, last, absence.evidence)
                for absence in self._absences
                for first, last in self._absent.within(absence.first, absence.last)
            ),
            unreadable=tuple(self._unreadable.ranges()),
            unresolved=tuple(self._missing.ranges()),
            reason=self._reason if self._missing else "",
        )

    def read_row(self, row: bytes) -> HistoryTrade:
        """Read one row by itself, as a page's reject has kept it; the cursor does not move.

        Raises
        ------
        UnreadableFrame
            If it cannot be read.
        """
        return self._read_row(msgspec.Raw(row))

    @abstractmethod
    def _decode(self, reply: HistoryReply, receive_time: int) -> tuple[Sequence[msgspec.Raw], int | None]:
        """Give the raw rows of a reply and :attr:`Span.position`; raises ``HistoryError``."""

    @abstractmethod
    def _read_row(self, raw: msgspec.Raw) -> HistoryTrade:
        """Read one row; raises ``UnreadableFrame``."""

    @abstractmethod
    def _name_row(self, raw: msgspec.Raw) -> int:
        """Read no more than the id of a row; raises a decode failure."""

    @abstractmethod
    def _next(self, span: Span) -> HistoryRequest | None:
        """Give the next request after a page, while something is missing; None ends the fill."""

    def _end(self, reason: str) -> HistoryRequest | None:
        """Give no next request, and keep why ids stay unresolved."""
        self._reason = reason
        return None

    def _read_rows(self, raws: Sequence[msgspec.Raw]) -> tuple[list["_Row"], list["_Row"]]:
        """Give the rows that have an id, and those that have none."""
        named, nameless = [], []
        for raw in raws:
            try:
                trade = self._read_row(raw)
                named.append(_Row(trade.trade_id, raw, trade))
            except UnreadableFrame as fault:
                try:
                    named.append(_Row(self._name_row(raw), raw, fault=fault))
                except DECODE_FAILURES:
                    nameless.append(_Row(-1, raw, fault=fault))
        return named, nameless

    def _take(self, rows: list["_Row"], receive_time: int, span: Span) -> tuple[TradeRows, list[FrameReject]]:
        trades, rejects = TradeRows(), []
        taken: set[int] = set()
        for row in sorted(rows, key=lambda row: row.trade_id):
            if row.trade is not None:
                span.newest_time = max(span.newest_time or 0, row.trade.exchange_time)
            trade_id = row.trade_id
            # What an earlier page proved absent or could not show may come after all.
            if trade_id in taken or not (
                trade_id in self._missing or trade_id in self._absent or trade_id in self._unreadable
            ):
                continue
            if row.trade is None:
                if trade_id not in self._unreadable:
                    rejects.append(row.reject(receive_time))
                    self._unreadable.add(trade_id, trade_id)
                continue
            taken.add(trade_id)
            trades.append(
                self.instrument,
                trade_id=trade_id,
                price=row.trade.price,
                size=row.trade.size,
                side=row.trade.side,
                exchange_time=row.trade.exchange_time,
                receive_time=receive_time,
                flags=TradeFlag.BACKFILL,
            )
        self._filled += len(taken)
        for first, last in IntervalSet((i, i) for i in sorted(taken)).ranges():
            self._unreadable.remove(first, last)
            self._absent.remove(first, last)
            self._missing.remove(first, last)
        for first, last in self._unreadable.ranges():
            self._absent.remove(first, last)
            self._missing.remove(first, last)
        return trades, rejects

    def _confirm_absent(self, ids: list[int], evidence: str) -> list[Absence]:
        if not ids:
            return []
        found = []
        for first, last in self._missing.within(ids[0], ids[-1]):
            found.append(Absence(first, last, f"{evidence}; none from {first} to {last}"))
            self._absent.add(first, last)
            self._missing.remove(first, last)
        self._absences += found
        return found


@dataclass(frozen=True, slots=True)
class _Row:
    trade_id: int
    raw: msgspec.Raw
    trade: HistoryTrade | None = None
    fault: UnreadableFrame | None = None

    def reject(self, receive_time: int) -> FrameReject:
        fault = self.fault or UnreadableFrame(RejectReason.WRONG_TYPE, "unreadable row")
        return FrameReject(fault.reason, fault.detail, bytes(self.raw), receive_time)


def decode_row(decode: Callable[[msgspec.Raw], Any], raw: msgspec.Raw, name: str) -> Any:
    """Decode one row with ``decode``.

    Raises
    ------
    UnreadableFrame
        NOT_JSON, MISSING_FIELD, BAD_NUMBER or WRONG_TYPE.
    """
    try:
        return decode(raw)
    except DECODE_FAILURES as error:
        text = str(error)
        if not isinstance(error, msgspec.ValidationError):
            reason = RejectReason.NOT_JSON
        elif text.startswith("Object missing required field"):
            reason = RejectReason.MISSING_FIELD
        elif text.startswith(("Expected `int` <=", "Expected `int` >=")) or "out of range" in text:
            reason = RejectReason.BAD_NUMBER
        else:
            reason = RejectReason.WRONG_TYPE
        raise UnreadableFrame(reason, f"{name}: {text} in {shown(bytes(raw))}") from error


def _faults(nameless: int, *, ordered: bool) -> str:
    unread = f", {nameless} rows without a readable id" if nameless else ""
    return unread if ordered else f"{unread}, out of order"


def _evidence(request: HistoryRequest, reply: HistoryReply, ids: list[int], *, faults: str) -> str:
    held = f"{len(ids)} trades, ids {ids[0]} to {ids[-1]}" if ids else "no trade"
    digest = hashlib.sha256(reply.body).hexdigest()[:16]
    return f"{request.method} {request.target}: HTTP {reply.status}, {held}{faults}, body sha256 {digest}"
