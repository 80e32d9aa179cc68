"""The public keys of the token issuer, fetched when they are needed and no more often than that."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any
from urllib.request import urlopen

import jwt
import msgspec
from aws_lambda_powertools import Logger

from tickwire.errors import TickwireError

LIFE_SECONDS = 3_600
"""Cognito adds a key days before it signs with it (Amazon Cognito developer guide, "Verifying JSON web tokens")."""

RETRY_SECONDS = 30
"""Between two fetches, whatever asks for them: anybody can send tokens with made-up key ids."""

_TIMEOUT_SECONDS = 2
_MAX_BYTES = 64 * 1024

_log = Logger()
Fetch = Callable[[str], bytes]


class UnknownKey(TickwireError):
    """A token names a key that the issuer does not publish, or whose keys cannot be had just now."""


def fetch(url: str) -> bytes:
    """Read a small document.

    Raises
    ------
    OSError
        If the server does not answer in time, or not with success.
    """
    with urlopen(url, timeout=_TIMEOUT_SECONDS) as reply:  # noqa: S310 - the address is the function's own setting
        document: bytes = reply.read(_MAX_BYTES)
    return document


class SigningKeys:
    """The keys of a JWKS document (RFC 7517), by key id.

    Keys that cannot be fetched anew stay in use: the issuer's silence must not lock everybody out.
    """

    def __init__(self, url: str, *, fetch: Fetch = fetch, clock: Callable[[], float] = monotonic) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")

    def get(self, key_id: str) -> jwt.PyJWK:
        """Give a key.

        Raises
        ------
        UnknownKey
            If it is not among the issuer's, after a look at the newest of them where one is due.
        """
        if self._is_due(key_id):
            self._refresh()
        try:
            return self._keys[key_id]
        except KeyError as error:
            raise UnknownKey(f"no key {key_id[:64]!r} of the issuer is known") from error

    def _is_due(self, key_id: str) -> bool:
        now = self._clock()
        wanted = key_id not in self._keys or now - self._fetched >= LIFE_SECONDS
        return wanted and now - self._tried >= RETRY_SECONDS

    def _refresh(self) -> None:
        self._tried = self._clock()
        try:
            self._keys = _read(self._fetch(self._url))
            self._fetched = self._tried
        except (OSError, msgspec.DecodeError, msgspec.ValidationError, jwt.PyJWTError) as error:
            _log.warning("keys not fetched", url=self._url, reason=str(error))


class _Document(msgspec.Struct):
    keys: list[dict[str, Any]]


def _read(document: bytes) -> dict[str, jwt.PyJWK]:
    found = msgspec.json.decode(document, type=_Document).keys
    # By RS256 whatever the document says: a key says nothing of how we let tokens be signed.
    return {key["kid"]: jwt.PyJWK(key, "RS256") for key in found if key.get("kty") == "RSA" and "kid" in key}
