"""Reads a connection's frames by its feed's layouts, and those that match none by the feed's ``parse``."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tickwire.columns import QuoteBatch, QuoteRows, TradeBatch, TradeRows
from tickwire.venues.frame_buffer import PADDING, FrameBuffer
from tickwire.venues.frames import UnreadableFrame
from tickwire.venues.layout import least_row_bytes, quote_columns
from tickwire.venues.layout_source import TRADE_WORDS, compiled
from tickwire.venues.layout_symbols import SymbolSlots

if TYPE_CHECKING:
    from tickwire.venues.feed import Feed, ParsedFrames

Int64 = npt.NDArray[np.int64]

_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\')


class LayoutReader:
    """Reads frames for one feed, that is, for one connection; keeps the symbols that it has seen.

    The kernel is compiled or loaded when the first reader of a kind of feed is made.
    """

    def __init__(self, feed: "Feed") -> None:
        self._feed = feed
        self._kernel = compiled(feed.layouts)
        self._symbols = SymbolSlots()
        least = [least_row_bytes(layout) for layout in feed.layouts]
        self._least_row_bytes = min((size for size in least if size is not None), default=None)
        self._has_quotes = any(layout.is_quote for layout in feed.layouts)
        self._has_sequence = any("<sequence>" in layout.frame for layout in feed.layouts)

    def read(self, frames: FrameBuffer, out: "ParsedFrames") -> None:
        """Add what the frames hold to ``out``, as ``parse`` would one after the other."""
        if not len(frames):
            return
        scan = self._scan(*frames.columns())
        if not scan.is_at_end:
            # A frame holds a newline, so that its parts were taken for frames.
            scan = self._scan(*frames.columns(one_line_each=True))
        out.frames += len(frames) - scan.slow_count
        out.slow_frames += scan.slow_count
        trades, quotes = scan.trades(self._symbols), scan.quotes(self._symbols)
        if scan.slow_count:
            self._read_slow(frames, scan, out, trades=trades, quotes=quotes)
        else:
            out.trades.extend(trades)
            out.quotes.extend(quotes)
            if self._has_sequence:
                self._feed.follow(scan.sequences, out)

    def _scan(self, data: npt.NDArray[np.uint8], times: Int64) -> "_Scan":
        """Run the kernel over frames until it has taken as many lines as there are frames."""
        scan = _Scan(data, times, self._least_row_bytes, has_quotes=self._has_quotes)
        while not scan.is_done:
            scan.run(self._kernel, self._symbols.slots)
            text = scan.unknown_symbol()
            if text is not None and not self._learn(text):
                scan.leave_frame()
        return scan

    def _learn(self, text: bytes) -> bool:
        """Add a symbol to the table if the feed knows what it names."""
        if not _PLAIN.issuperset(text):
            return False
        try:
            instrument = self._feed.instrument_of(text.decode("ascii"))
        except UnreadableFrame:
            return False
        return self._symbols.add(text, instrument)

    def _read_slow(
        self, frames: FrameBuffer, scan: "_Scan", out: "ParsedFrames", *, trades: TradeBatch, quotes: QuoteBatch
    ) -> None:
        """Parse the frames that match no layout, and put their rows between those of the others."""
        feed = self._feed
        all_trades, all_quotes = out.trades, out.quotes
        out.trades, out.quotes = TradeRows(), QuoteRows()
        trades_before: list[int] = []
        quotes_before: list[int] = []
        followed = 0
        try:
            for frame, trade, quote in scan.slow_frames():
                if self._has_sequence:
                    feed.follow(scan.sequences[followed:frame], out)
                    followed = frame + 1
                feed.parse_guarded(frames.frame(frame), frames.receive_time(frame), out)
                trades_before += [trade] * (len(out.trades) - len(trades_before))
                quotes_before += [quote] * (len(out.quotes) - len(quotes_before))
            if self._has_sequence:
                feed.follow(scan.sequences[followed:], out)
        finally:
            slow_trades, slow_quotes = out.trades, out.quotes
            out.trades, out.quotes = all_trades, all_quotes
        if trades_before:
            joined = TradeBatch.concat([trades, slow_trades.batch()])
            trades = joined.take(_between(len(trades), trades_before))
        if quotes_before:
            joined_quotes = QuoteBatch.concat([quotes, slow_quotes.batch()])
            quotes = joined_quotes.take(_between(len(quotes), quotes_before))
        out.trades.extend(trades)
        out.quotes.extend(quotes)


class _Scan:
    """One run of a kernel over frames, and the arrays that it fills."""

    def __init__(self, data: npt.NDArray[np.uint8], times: Int64, least_row: int | None, *, has_quotes: bool) -> None:
        self._data, self._times = data, times
        count = len(times)
        # Each row of a frame with several takes so many bytes at least, which bounds how many there can be.
        room = count if least_row is None else count + len(self._data) // least_row
        self._trades: Int64 = np.empty((len(TRADE_WORDS), room), np.int64)
        self._trade_rows = np.empty(room, np.int32)
        self._sides = np.empty(room, np.int8)
        self._quotes: Int64 = np.empty((len(quote_columns()), count if has_quotes else 0), np.int64)
        self._quote_rows = np.empty(count if has_quotes else 0, np.int32)
        self._slow: Int64 = np.empty((count, 3), np.int64)
        self.sequences: Int64 = np.empty(count, np.int64)
        self._state: Int64 = np.zeros(8, np.int64)

    @property
    def is_done(self) -> bool:
        return bool(self._state[0] == len(self._times))

    @property
    def is_at_end(self) -> bool:
        """Whether the frames were all lines: false where there are more lines than frames."""
        return bool(self._state[6] == len(self._data) - PADDING)

    @property
    def slow_count(self) -> int:
        return int(self._state[3])

    def run(self, kernel: Callable[..., None], slots: Int64) -> None:
        kernel(
            self._data,
            self._times,
            slots,
            self._trades,
            self._trade_rows,
            self._sides,
            self._quotes,
            self._quote_rows,
            self._slow,
            self.sequences,
            self._state,
        )

    def unknown_symbol(self) -> bytes | None:
        """Give the symbol that the kernel stopped at, or None where it went through."""
        at, length = self._state[4:6].tolist()
        return self._data[at : at + length].tobytes() if length else None

    def leave_frame(self) -> None:
        """Count the frame that the kernel stopped at among those that match no layout."""
        frame, trade, quote, passed = self._state[:4].tolist()
        self._slow[passed] = frame, trade, quote
        self._state[0], self._state[3] = frame + 1, passed + 1
        self._state[6] = self._state[7]

    def slow_frames(self) -> list[list[int]]:
        """Give (frame, trades before it, quotes before it) of those that match no layout, in order."""
        rows: list[list[int]] = self._slow[: self.slow_count].tolist()
        return rows

    def trades(self, symbols: SymbolSlots) -> TradeBatch:
        count = int(self._state[1])
        trade_id, price, size, exchange_time, receive_time = self._trades[:, :count]
        return TradeBatch(
            symbols.instruments,
            self._trade_rows[:count],
            trade_id,
            price,
            size,
            self._sides[:count],
            exchange_time,
            receive_time,
            np.zeros(count, np.int8),
        )

    def quotes(self, symbols: SymbolSlots) -> QuoteBatch:
        count = int(self._state[2])
        return QuoteBatch(symbols.instruments, self._quote_rows[:count], *self._quotes[:, :count])


def _between(fast: int, before: list[int]) -> Int64:
    """Give the order that puts further rows, each after so many of the ``fast`` first ones, in their places."""
    places = np.concatenate([np.arange(fast, dtype=np.int64) * 2 + 1, np.array(before, np.int64) * 2])
    order: Int64 = np.argsort(places, kind="stable").astype(np.int64)
    return order
