"""The exchange's own history as the audit asks it: one request at a time, at half of what the venue allows."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, TypeVar

from tickwire import __version__
from tickwire.columns import TradeBatch
from tickwire.errors import TickwireError
from tickwire.intervals import IntervalSet
from tickwire.venues.history import (
    HISTORIES,
    MAX_BODY_BYTES,
    Absence,
    History,
    HistoryError,
    HistoryReply,
    HistoryRequest,
    RateBudget,
    RateLimited,
    RateRules,
    VenueUnavailable,
    new_history,
)

ATTEMPTS = 4
_TIMEOUT_SECONDS = 15.0
_MAX_WAIT_SECONDS = 120.0
"""A venue that shuts the address out for longer is not waited for."""

Page = TypeVar("Page")
SymbolKey = tuple[str, str]


class NoAnswer(TickwireError):
    """The exchange gives no answer; the message says why."""


class NoHistory(NoAnswer):
    """There is no way to ask the venue."""


@dataclass(slots=True)
class Answer:
    """What the exchange says of some ids.

    Attributes
    ----------
    has : ids that it has and gave
    absent : what it does not have, with the evidence
    unreadable : ids that it has in rows that cannot be read
    unresolved : ids of which it says nothing, and why
    """

    has: IntervalSet = field(default_factory=IntervalSet)
    absent: list[Absence] = field(default_factory=list)
    unreadable: IntervalSet = field(default_factory=IntervalSet)
    unresolved: IntervalSet = field(default_factory=IntervalSet)
    reason: str = ""


class ExchangeReader:
    """Asks the histories of all venues.

    Parameters
    ----------
    exchange_url : the local exchange, which has each feed's history at ``/<feed>``; None asks the venues
    """

    def __init__(
        self,
        exchange_url: str | None,
        *,
        now: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._exchange_url = exchange_url
        self._now = now
        self._sleep = sleep
        self._histories: dict[str, tuple[History, str]] = {}
        for feed in HISTORIES:
            history = new_history(feed)
            url = history.default_url if exchange_url is None else f"{exchange_url.rstrip('/')}/{feed}"
            self._histories.setdefault(history.venue, (history, url))
        self._budgets: dict[str, RateBudget] = {}
        # What a venue or a proxy says in a redirect is no history.
        self._opener = urllib.request.build_opener(_NoRedirect)

    def newest(self, key: SymbolKey) -> int | None:
        """Give the id of the newest trade that the exchange has; None where it has none or cannot be asked for it.

        Raises
        ------
        NoAnswer
        """
        history, _ = self._history(key)
        latest = history.latest(key[1])
        if latest is None:
            return None
        return self._page(key, latest.request, lambda reply: latest.feed(reply, self._now()))

    def ask(
        self,
        key: SymbolKey,
        first: int,
        last: int,
        *,
        after_time: int,
        received: Callable[[TradeBatch], None] = lambda _: None,
    ) -> Answer:
        """Ask for the trades ``first`` to ``last``; ``received`` gets those of each page.

        ``after_time`` is the exchange time (ns) of a trade before them, 0 if none is known.

        Raises
        ------
        NoAnswer
        """
        history, _ = self._history(key)
        answer = Answer()
        try:
            fill = history.fill(key[1], first, last, after_time=after_time or None)
        except ValueError as error:
            answer.unresolved.add(first, last)
            answer.reason = str(error)
            return answer
        while fill.request is not None:
            page = self._page(key, fill.request, lambda reply: fill.feed(reply, self._now()))
            for trade_id in page.trades.trade_id.tolist():
                answer.has.add(trade_id, trade_id)
            if len(page.trades):
                received(page.trades)
        result = fill.result()
        answer.absent = list(result.absent)
        answer.unreadable = IntervalSet(result.unreadable)
        answer.unresolved = IntervalSet(result.unresolved)
        answer.reason = result.reason
        return answer

    def _history(self, key: SymbolKey) -> tuple[History, str]:
        if key[0] not in self._histories:
            raise NoHistory(f"{key[0]} has no history that could be asked")
        return self._histories[key[0]]

    def _page(self, key: SymbolKey, request: HistoryRequest, read: Callable[[HistoryReply], Page]) -> Page:
        history, url = self._history(key)
        budget = self._budgets.setdefault(history.budget_key(key[1]), RateBudget(_half(history.rate)))
        for attempt in range(ATTEMPTS):
            self._sleep(budget.reserve(self._now(), request.weight))
            try:
                reply = self._send(url, request)
                used = history.used_weight(reply)
                if used is not None:
                    budget.observe(self._now(), used)
                return read(reply)
            except RateLimited as error:
                if error.retry_after_seconds > _MAX_WAIT_SECONDS or attempt + 1 == ATTEMPTS:
                    raise NoAnswer(f"{key[0]}: {error}") from error
                budget.block(self._now(), error.retry_after_seconds)
            except VenueUnavailable as error:
                if attempt + 1 == ATTEMPTS:
                    raise NoAnswer(f"{key[0]}: {error}") from error
                self._sleep(min(error.retry_after_seconds or 2.0**attempt, _MAX_WAIT_SECONDS))
            except HistoryError as error:
                raise NoAnswer(f"{key[0]}: {error}") from error
        raise AssertionError("unreachable")

    def _send(self, url: str, request: HistoryRequest) -> HistoryReply:
        headers = {"User-Agent": f"tickwire/{__version__}", "Accept": "application/json"}
        asked = urllib.request.Request(url + request.target, headers=headers, method=request.method)  # noqa: S310 - the address is ours
        try:
            with self._opener.open(asked, timeout=_TIMEOUT_SECONDS) as reply:
                return HistoryReply(reply.status, _body(reply), dict(reply.headers))
        except urllib.error.HTTPError as error:
            with error:
                return HistoryReply(error.code, _body(error), dict(error.headers))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise VenueUnavailable(f"{type(error).__name__}: {error}"[:300]) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _body(reply: IO[bytes]) -> bytes:
    """Read one byte more than is allowed at most, which shows that a body is too large."""
    return reply.read(MAX_BODY_BYTES + 1)


def _half(rules: RateRules) -> RateRules:
    """Leave the other half to the backfiller, which may ask from the same address."""
    return RateRules(
        burst=max(rules.burst // 2, 1),
        per_second=max(rules.per_second // 2, 1),
        window_weight=rules.window_weight,
        window_seconds=rules.window_seconds,
    )
