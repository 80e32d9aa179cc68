"""Signatures for posts to ``@connections``: AWS Signature Version 4, with all that posts share computed once.

The steps are those of "Create a signed AWS API request" in the IAM user guide; botocore's own signer, which the tests
compare with, takes ten times as long a post.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

_SERVICE = "execute-api"
_ALGORITHM = "AWS4-HMAC-SHA256"


class PostSigner:
    """Signs posts to one stage of a WebSocket API.

    Parameters
    ----------
    credentials
        botocore's, asked again once a second, since a function's are replaced while it lives.
    endpoint_url
        The stage's address, as ``TICKWIRE_WEBSOCKET_ENDPOINT`` has it.
    clock
        Seconds UTC.
    """

    def __init__(
        self, credentials: Any, region: str, *, endpoint_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._credentials = credentials
        self._region = region
        self._endpoint_url = endpoint_url.rstrip("/")
        address = urlsplit(self._endpoint_url)
        self._host = address.netloc
        self._path = address.path
        self._clock = clock
        self._second = -1
        self._key = b""
        self._key_for: tuple[str, str] | None = None

    def url(self, connection_id: str) -> str:
        """Give where a connection's messages are posted, encoded as it has to be sent."""
        return f"{self._endpoint_url}/@connections/{quote(connection_id, safe='')}"

    def signed_headers(self, connection_id: str, body: bytes) -> Mapping[str, str]:
        """Give the headers that sign a post of ``body`` to a connection; the signature covers the body."""
        if int(self._clock()) != self._second:
            self._begin_second()
        # The path as sent, encoded once more: every service but S3 signs it so.
        path = quote(f"{self._path}/@connections/{quote(connection_id, safe='')}", safe="/~")
        request = f"POST\n{path}\n\n{self._signed}\n{self._names}\n{_digest(body)}"
        text = f"{_ALGORITHM}\n{self._moment}\n{self._scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        return {**self._headers, "Authorization": f"{self._authorization}{signature}"}

    def _begin_second(self) -> None:
        """Compute what all posts of a second have in common."""
        now = self._clock()
        held = self._credentials.get_frozen_credentials()
        self._moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        day = self._moment[:8]
        self._scope = f"{day}/{self._region}/{_SERVICE}/aws4_request"
        signed = {"host": self._host, "x-amz-date": self._moment}
        self._headers = {"X-Amz-Date": self._moment}
        if held.token:
            signed["x-amz-security-token"] = self._headers["X-Amz-Security-Token"] = held.token
        self._signed = "".join(f"{name}:{value}\n" for name, value in signed.items())
        self._names = ";".join(signed)
        self._authorization = (
            f"{_ALGORITHM} Credential={held.access_key}/{self._scope}, SignedHeaders={self._names}, Signature="
        )
        if self._key_for != (held.secret_key, day):
            key = f"AWS4{held.secret_key}".encode()
            for part in (day, self._region, _SERVICE, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._key_for = key, (held.secret_key, day)
        self._second = int(now)


@lru_cache(maxsize=64)
def _digest(body: bytes) -> str:
    # One message goes to many clients.
    return sha256(body).hexdigest()
