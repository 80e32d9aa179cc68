"""Requests to a venue's REST history and what its replies mean, without any HTTP client.

A host sends a :class:`HistoryRequest`, and feeds the :class:`HistoryReply` to the cursor that it
came from. A reply that is not the page asked for is one of the errors below; the cursor stays
where it was, so the same request may be sent again.
"""

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tickwire.errors import TickwireError
from tickwire.venues.frames import shown

MAX_BODY_BYTES = 4 * 1024 * 1024
"""A page of 1,000 trades is at most 200 KB; larger bodies are refused unread."""

MAX_PAGE_ROWS = 5_000
"""A page has 1,000 trades at most; a body of many more is none, and would cost seconds to look through."""

MAX_RETRY_AFTER = 7 * 86_400.0
"""Seconds. Binance's longest ban is three days; a server that says more is not believed."""

MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """One GET to send to ``History.default_url`` (or to an exchange that stands in for it).

    Attributes
    ----------
    path : absolute path
    query : names and values in order, not yet encoded
    weight : what it takes of the venue's :class:`~tickwire.venues.rate_budget.RateBudget`
    """

    path: str
    query: tuple[tuple[str, str], ...] = ()
    weight: int = 1
    method: str = "GET"

    @property
    def target(self) -> str:
        """Path and encoded query: ``/api/v3/klines?symbol=BTCUSDT&interval=1m``."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class HistoryReply:
    """What came back: HTTP status, headers by names of any case, and the decompressed body.

    A host should stop reading a body at :data:`MAX_BODY_BYTES` + 1.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Give the value of a header, whatever the case of its name."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)


class HistoryError(TickwireError):
    """A reply that is not the page asked for."""


class RateLimited(HistoryError):
    """Too many requests from this address: none must be sent for ``retry_after_seconds``.

    ``banned`` says that the venue has shut the address out (Binance's 418), after which each
    further request makes the ban longer.
    """

    def __init__(self, text: str, *, retry_after_seconds: float, banned: bool = False) -> None:
        super().__init__(text)
        self.retry_after_seconds = min(max(retry_after_seconds, 0.0), MAX_RETRY_AFTER)
        self.banned = banned


class VenueUnavailable(HistoryError):
    """The venue is down, busy or under maintenance: the same request may be sent again, with backoff.

    ``retry_after_seconds`` is what the venue asks for, or None.
    """

    def __init__(self, text: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class VenueRefused(HistoryError):
    """The venue serves nothing to this address (451 by its country, 403 by a firewall): repeating is no use."""


class RequestRejected(HistoryError):
    """The venue does not accept this request, such as an unknown symbol: repeating it is no use."""


class UnreadableReply(HistoryError):
    """The body is too large, or not what the venue documents; another try may be whole."""


def require_ok(reply: HistoryReply, receive_time: int, *, throttled: Mapping[int, float]) -> None:
    """Go on only with a reply of status 200 whose body is of a size to be read.

    Parameters
    ----------
    receive_time : ns UTC, for a ``Retry-After`` that is a date
    throttled : seconds to wait by status, where the reply does not say how long

    Raises
    ------
    RateLimited, VenueUnavailable, VenueRefused, RequestRejected, UnreadableReply
    """
    status = reply.status
    if len(reply.body) > MAX_BODY_BYTES:
        raise UnreadableReply(f"HTTP {status}: body of more than {MAX_BODY_BYTES} bytes")
    if status == 200:
        return
    text = f"HTTP {status}: {_excerpt(reply.body)}"
    after = retry_after(reply, receive_time)
    if status in throttled:
        wait = throttled[status] if after is None else after
        raise RateLimited(text, retry_after_seconds=wait, banned=status == 418)
    if status in (403, 451):
        raise VenueRefused(text)
    if status >= 500 or status == 408:
        raise VenueUnavailable(text, retry_after_seconds=after)
    if 400 <= status < 500:
        raise RequestRejected(text)
    raise UnreadableReply(text)


def require_page(rows: int) -> None:
    """Go on only with a reply of no more rows than a page can have.

    Raises
    ------
    UnreadableReply
    """
    if rows > MAX_PAGE_ROWS:
        raise UnreadableReply(f"{rows} rows, where a page has at most 1,000")


def retry_after(reply: HistoryReply, receive_time: int) -> float | None:
    """Give the seconds that ``Retry-After`` asks for, as a number or as a date; None where it does not say."""
    text = (reply.header("Retry-After") or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 12:
        return min(float(text), MAX_RETRY_AFTER)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            return None
        return min(max(moment.timestamp() - receive_time / 1e9, 0.0), MAX_RETRY_AFTER)
    except (ValueError, TypeError, OverflowError):
        return None


def _excerpt(body: bytes) -> str:
    text = body[:MAX_TEXT].decode("utf-8", "replace")
    return text if text.isprintable() else shown(body)
