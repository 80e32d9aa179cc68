"""Posts to clients over connections that are kept alive, many at once on one thread."""

from typing import Any

import aiohttp
from yarl import URL

from lambdas.broadcaster.post_signer import PostSigner
from lambdas.websocket.posts import PostFailed

CONNECT_SECONDS = 1.0
POST_SECONDS = 2.0
"""From the request to the end of the answer."""


class PostTimedOut(PostFailed):
    """No answer came in time: the message may have arrived, and another try would take as long."""


class Posts:
    """An HTTP client of ``@connections``.

    To be used on one event loop; ``connections`` is how many are open at once.
    """

    def __init__(self, signer: PostSigner, *, connections: int, seconds: float = POST_SECONDS) -> None:
        self._signer = signer
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, connection_id: str, message: bytes) -> int:
        """Post a message; gives the HTTP status of the answer.

        Raises
        ------
        PostTimedOut
            If there is no answer in time.
        PostFailed
            If there is none for another reason.
        """
        session = self._session or self._open()
        try:
            async with session.post(
                URL(self._signer.url(connection_id), encoded=True),
                data=message,
                headers=self._signer.signed_headers(connection_id, message),
            ) as answer:
                # What it says besides is of no use, and the connection is free for the next only once it is read.
                await answer.read()
                return answer.status
        except TimeoutError as error:
            raise PostTimedOut(f"no answer within {self._timeout.total} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise PostFailed(type(error).__name__) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=60, keepalive_timeout=30),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
            headers={"Content-Type": "application/octet-stream"},
            auto_decompress=False,
        )
        return self._session


def new_posts(session: Any, endpoint_url: str, *, connections: int) -> Posts:
    """Make a client with the credentials and the region of a botocore session."""
    region = str(session.get_config_variable("region"))
    return Posts(PostSigner(session.get_credentials(), region, endpoint_url=endpoint_url), connections=connections)
