"""When a symbol's last day is fetched as minutes, for the window that predictions are made from.

At a cold start a function knows no minute, and after an outage some are missing. The venue's candles have them; what
the stream told stands, since a candle is written only where there is no newer row.
"""

from collections.abc import Callable, Sequence

from tickwire.errors import UnknownSymbol
from tickwire.venues.history import Candle, CandleCursor, History

MINUTE_SECONDS = 60
MINUTES = 1_440
AGAIN_SECONDS = 6 * 3600.0
"""How often the day is fetched again, for what an outage has left out: two or three requests a symbol."""
RETRY_SECONDS = 30.0
MAX_PAGES = 20
"""Pages of one day; Coinbase gives 300 minutes a page."""

FillMinutes = Callable[[str, str, Sequence[Candle]], None]
"""Keeps minutes of a venue's symbol; blocks."""

_MINUTE = MINUTE_SECONDS * 1_000_000_000


class WindowWatch:
    """The day of one symbol. Times are monotonic seconds."""

    __slots__ = ("_cursor", "_history", "_pages", "_symbol", "due_at")

    def __init__(self, history: History, symbol: str) -> None:
        self._history = history
        self._symbol = symbol
        self._cursor: CandleCursor | None = None
        self._pages = 0
        self.due_at = 0.0 if MINUTE_SECONDS in history.candle_intervals else float("inf")
        """When to ask next; never where the venue has no candles of a minute."""

    def cursor(self, wall: int) -> CandleCursor | None:
        """Give the cursor to ask with; begins the day before ``wall`` (ns UTC) where none is under way.

        None where the symbol is none that the venue's REST could have.
        """
        if self._cursor is None:
            end = wall // _MINUTE * _MINUTE
            try:
                self._cursor = self._history.candles(
                    self._symbol, MINUTE_SECONDS, start=end - MINUTES * _MINUTE, end=end
                )
            except UnknownSymbol:
                self.due_at = float("inf")
            self._pages = 0
        return self._cursor

    def took(self, now: float) -> None:
        """Say that a page was kept."""
        self._pages += 1
        if self._cursor is not None and (self._cursor.request is None or self._pages >= MAX_PAGES):
            self._cursor = None
            self.due_at = now + AGAIN_SECONDS

    def failed(self, now: float) -> None:
        """Say that the venue or the store gave no answer: the day is begun anew later."""
        self._cursor = None
        self.due_at = now + RETRY_SECONDS
