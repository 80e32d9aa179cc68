"""A venue's own candles, to warm windows at a cold start; live bars are always made from trades."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from tickwire.symbols import Instrument
from tickwire.venues.feed import FrameReject, RejectReason
from tickwire.venues.frames import UnreadableFrame, shown
from tickwire.venues.history_http import HistoryReply, HistoryRequest

SECOND = 1_000_000_000

_NUMBER = re.compile(r"\d{1,25}(?:\.\d{1,25})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
"""A JSON number, as Coinbase writes small volumes as ``1e-08``."""


class Candle(msgspec.Struct, frozen=True):
    """One interval of one instrument as the venue states it, exact; None where it states nothing.

    ``interval`` is in seconds and ``start`` in ns UTC. ``volume`` is in the base currency, and
    ``buy_volume`` the part of it where the aggressor bought; ``notional`` is the sum of
    price x size in the quote currency. ``closed`` is False for the interval that was still
    running when the reply came.
    """

    venue: str
    symbol: str
    interval: int
    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool
    notional: Decimal | None = None
    vwap: Decimal | None = None
    trades: int | None = None
    buy_volume: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CandlePage:
    """What one reply brought: new candles by rising start, what to send next, and the bad rows."""

    candles: tuple[Candle, ...]
    next: HistoryRequest | None
    evidence: str
    rejects: tuple[FrameReject, ...] = ()


class CandleCursor(ABC):
    """Cursor over the candles of one instrument that start in [start, end); used as a ``Fill`` is.

    A venue publishes no candle for an interval without a trade (Coinbase), and may keep only the
    latest (Kraken: 720), so starts may be missing from what comes.
    """

    request: HistoryRequest | None
    """What to send next; None at the end."""

    def __init__(self, instrument: Instrument, interval: int, *, start: int, end: int) -> None:
        """Want candles of ``interval`` seconds that start from ``start`` to before ``end``, ns UTC.

        Raises
        ------
        ValueError
            If the times are no multiples of the interval, or ``end`` is not after ``start``.
        """
        step = interval * SECOND
        if not 0 <= start < end or start % step or end % step:
            raise ValueError(f"not whole intervals of {interval} s: {start} to {end}")
        self.instrument = instrument
        self.interval = interval
        self.start = start
        self.end = end
        self.request = None
        self._step = step
        self._seen: set[int] = set()

    def feed(self, reply: HistoryReply, receive_time: int) -> CandlePage:
        """Take the reply to :attr:`request`.

        Raises
        ------
        HistoryError
            One of its kinds; the cursor has not moved.
        ValueError
            If it has ended.
        """
        request = self.request
        if request is None:
            raise ValueError("all candles have come: there is no request to reply to")
        raws = self._decode(reply, receive_time)
        candles: list[Candle] = []
        rejects: list[FrameReject] = []
        starts = []
        for raw in raws:
            try:
                candle = self._read_row(raw, receive_time)
                _check(candle)
            except UnreadableFrame as fault:
                rejects.append(FrameReject(fault.reason, fault.detail, bytes(raw), receive_time))
                continue
            starts.append(candle.start)
            if self.start <= candle.start < self.end and candle.start not in self._seen:
                self._seen.add(candle.start)
                candles.append(candle)
        candles.sort(key=lambda candle: candle.start)
        evidence = f"{request.method} {request.target}: HTTP {reply.status}, {len(raws)} candles"
        self.request = self._next(starts)
        return CandlePage(tuple(candles), self.request, evidence, tuple(rejects))

    def _closed(self, start: int, receive_time: int) -> bool:
        return start + self._step <= receive_time

    @abstractmethod
    def _decode(self, reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
        """Give the raw rows of a reply; raises ``HistoryError``."""

    @abstractmethod
    def _read_row(self, raw: msgspec.Raw, receive_time: int) -> Candle:
        """Read one row; raises ``UnreadableFrame``."""

    @abstractmethod
    def _next(self, starts: Sequence[int]) -> HistoryRequest | None:
        """Give the next request after a page with candles of these starts; None at the end."""


def read_decimal(value: str | msgspec.Raw, field: str) -> Decimal:
    """Turn text, or a JSON number as received, into the same ``Decimal``, never through a float.

    Raises
    ------
    UnreadableFrame
        BAD_NUMBER, naming the field.
    """
    text = value if isinstance(value, str) else bytes(value).decode("latin-1")
    if _NUMBER.fullmatch(text) is None:
        raise UnreadableFrame(RejectReason.BAD_NUMBER, f"{field}={shown(text)}: not a plain number")
    return Decimal(text)


def _check(candle: Candle) -> None:
    if candle.low <= 0 or not candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= (
        candle.high
    ):
        raise UnreadableFrame(
            RejectReason.BAD_NUMBER,
            f"no candle: open {candle.open}, high {candle.high}, low {candle.low}, close {candle.close}",
        )
