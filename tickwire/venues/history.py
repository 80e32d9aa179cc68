"""What every venue's REST history offers: trades by id for gaps, candles for warm windows.

All of it is pure: cursors give requests and are fed replies. A host sends them, within the
:class:`RateBudget` of the venue::

    fill = history.fill("BTC-USDT", 100, 200)
    while fill.request is not None:
        sleep(budget.reserve(now(), fill.request.weight))
        reply = send(history.default_url, fill.request)
        used = history.used_weight(reply)
        if used is not None:
            budget.observe(now(), used)
        try:
            page = fill.feed(reply, now())
        except RateLimited as limited:
            budget.block(now(), limited.retry_after_seconds)
            continue
        publish(page.trades)
    result = fill.result()
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from tickwire.venues.candles import Candle, CandleCursor, CandlePage
from tickwire.venues.discovery import declared, load
from tickwire.venues.fill import Absence, Fill, FillResult, HistoryPage
from tickwire.venues.history_http import (
    MAX_BODY_BYTES,
    HistoryError,
    HistoryReply,
    HistoryRequest,
    RateLimited,
    RequestRejected,
    UnreadableReply,
    VenueRefused,
    VenueUnavailable,
)
from tickwire.venues.newest import NewestTrades
from tickwire.venues.rate_budget import RateBudget, RateRules

__all__ = [
    "HISTORIES",
    "MAX_BODY_BYTES",
    "Absence",
    "Candle",
    "CandleCursor",
    "CandlePage",
    "Fill",
    "FillResult",
    "History",
    "HistoryError",
    "HistoryPage",
    "HistoryReply",
    "HistoryRequest",
    "NewestTrades",
    "RateBudget",
    "RateLimited",
    "RateRules",
    "RequestRejected",
    "UnreadableReply",
    "VenueRefused",
    "VenueUnavailable",
    "new_history",
]


class History(ABC):
    """One venue's REST history.

    Attributes
    ----------
    venue : the name in columns; both Coinbase feeds share one, as their ids are one space
    default_url : where requests go
    rate : what the venue allows one address, with some room left for others behind it
    candle_intervals : seconds of the candles that it has
    """

    venue: str
    default_url: str
    rate: RateRules
    candle_intervals: ClassVar[frozenset[int]]

    @abstractmethod
    def fill(self, symbol: str, first_id: int, last_id: int, *, after_time: int | None = None) -> Fill:
        """Start to fetch the trades ``first_id`` to ``last_id`` (inclusive) of a canonical symbol.

        ``after_time`` is the exchange time, ns UTC, of the last good trade before ``first_id``. A
        venue that pages by id has no use for it, one that pages by time (Kraken) needs it.

        Raises
        ------
        ValueError
            If that is no range of ids, or the venue needs ``after_time``.
        UnknownSymbol
            If the symbol is not canonical.
        """

    @abstractmethod
    def candles(self, symbol: str, interval: int, *, start: int, end: int) -> CandleCursor:
        """Start to fetch candles of ``interval`` seconds that start in [``start``, ``end``), ns UTC.

        Raises
        ------
        ValueError
            If the venue has no such interval, or the times are no multiples of it.
        UnknownSymbol
            If the symbol is not canonical.
        """

    def latest(self, symbol: str) -> NewestTrades | None:
        """Start to ask for the newest trade id of a canonical symbol; None where the venue cannot be asked.

        Raises
        ------
        UnknownSymbol
            If the symbol is not canonical.
        """
        return None

    def used_weight(self, reply: HistoryReply) -> int | None:
        """Give the weight used so far in the venue's current window, where a reply tells it."""
        return None

    def budget_key(self, symbol: str) -> str:
        """Name the budget that requests for a symbol are charged to: equal names share one."""
        return self.venue

    def _check_interval(self, interval: int) -> None:
        if interval not in self.candle_intervals:
            have = ", ".join(str(seconds) for seconds in sorted(self.candle_intervals))
            raise ValueError(f"{self.venue} has no candles of {interval} s, only of {have}")


HISTORIES = declared("HISTORIES")
"""Import paths by the names of the feeds. Both Coinbase feeds share one history and so one budget."""


def new_history(name: str) -> History:
    """Give the history that serves the named feed.

    Raises
    ------
    KeyError
        If there is none of that name; the message lists those that there are.
    """
    if name not in HISTORIES:
        raise KeyError(f"no history {name!r}; there are {', '.join(HISTORIES)}")
    history: History = load(HISTORIES[name])()
    return history
