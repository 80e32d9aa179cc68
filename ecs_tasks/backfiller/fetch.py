"""Sends a history's requests over HTTP, with bounds on time and size."""

from types import TracebackType

import aiohttp
from yarl import URL

import tickwire
from tickwire.venues.history import MAX_BODY_BYTES, HistoryReply, HistoryRequest, VenueUnavailable

_CHUNK_BYTES = 64 * 1024


class Fetcher:
    """One pool of connections for all venues.

    Parameters
    ----------
    timeout_seconds : for a request as a whole, from connecting to the last byte
    """

    def __init__(self, *, timeout_seconds: float) -> None:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            headers={"User-Agent": f"tickwire/{tickwire.__version__}", "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def send(self, url: str, request: HistoryRequest) -> HistoryReply:
        """Send a request to the history at ``url``; redirects are not followed.

        Raises
        ------
        VenueUnavailable
            If no whole reply came.
        """
        try:
            async with self._session.request(
                request.method, URL(url + request.target, encoded=True), allow_redirects=False
            ) as reply:
                return HistoryReply(reply.status, await _read(reply.content), dict(reply.headers))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise VenueUnavailable(f"{type(error).__name__}: {error}"[:300]) from error

    async def __aenter__(self) -> "Fetcher":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()


async def _read(content: aiohttp.StreamReader) -> bytes:
    """Read a body up to one byte more than is allowed, which shows that it is too large."""
    body = bytearray()
    while len(body) <= MAX_BODY_BYTES:
        chunk = await content.read(min(_CHUNK_BYTES, MAX_BODY_BYTES + 1 - len(body)))
        if not chunk:
            break
        body += chunk
    return bytes(body)
