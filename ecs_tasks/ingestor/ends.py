"""Why sockets end, in words for people and as causes to count."""

from dataclasses import dataclass
from enum import StrEnum

from picows import WSTransport

LIMITED_SECONDS = 60.0
"""The wait after an answer that says too many attempts, unless it names a longer one."""
MAX_RETRY_AFTER_SECONDS = 900.0


class Cause(StrEnum):
    """Kinds of ends, as ``/stats`` and notices name them."""

    CONNECT_FAILED = "connect_failed"
    REFUSED = "refused"
    """The venue answered the handshake with an HTTP error."""
    RATE_LIMITED = "rate_limited"
    """It says that there were too many attempts."""
    CLOSED_BY_VENUE = "closed_by_venue"
    LOST = "connection_lost"
    PROTOCOL_ERROR = "protocol_error"
    SILENT = "silent"
    STREAM_SILENT = "stream_silent"
    VENUE_ASKED = "venue_asked"
    LIFETIME = "lifetime"
    """Renewed before the venue's cut, such as Binance's after 24 h."""
    FAULT = "fault"
    """Of this programme."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class End:
    """Why a socket ended, or could not be opened.

    Attributes
    ----------
    foreseen : the socket can still be read while the next one is opened
    at_once : the next one may be opened without a wait
    wait_seconds : at least this long, where the venue says so
    """

    cause: Cause
    reason: str
    foreseen: bool = False
    at_once: bool = False
    wait_seconds: float = 0.0


def end_of_attempt(error: Exception) -> End:
    """Read what opening a socket raised.

    Binance answers 429, and 418 to who goes on after it, and bans the address for longer each time.
    """
    response = getattr(error, "response", None)
    if response is None:
        text = f"{type(error).__name__}: {error}"[:200] if str(error) else type(error).__name__
        return End(Cause.CONNECT_FAILED, f"cannot connect: {text}")
    status = int(response.status)
    said = f"cannot connect: HTTP {status}"
    if status == 451:
        said += ": the venue refuses this address by law (Binance: use binance-us from the United States)"
    if status not in (418, 429, 503):
        return End(Cause.REFUSED, said)
    try:
        asked = float(response.headers.get("Retry-After", ""))
    except ValueError:
        asked = 0.0
    if status == 503:
        return End(Cause.REFUSED, said, wait_seconds=min(max(asked, 0.0), MAX_RETRY_AFTER_SECONDS))
    wait = min(max(asked, LIMITED_SECONDS), MAX_RETRY_AFTER_SECONDS)
    return End(Cause.RATE_LIMITED, said, wait_seconds=wait)


def end_of_socket(transport: WSTransport) -> End:
    """Read from a disconnected transport who ended it."""
    received = getattr(transport.close_handshake, "recv", None)
    if received is None:
        return End(Cause.LOST, "connection lost")
    said = f"closed by the venue: {int(received.code)} {received.reason or ''}".rstrip()[:200]
    return End(Cause.CLOSED_BY_VENUE, said)
