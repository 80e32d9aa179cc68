"""Access tokens of the user pool, verified.

The checks are those of the Amazon Cognito developer guide, "Verifying JSON web tokens": the signature by a
key of the issuer, the issuer, the expiry, the use, and the app client for which the token was made.
"""

from collections.abc import Collection

import jwt

from lambdas.identity.keys import SigningKeys, UnknownKey
from lambdas.identity.user import User, roles_in
from tickwire.errors import TickwireError

MAX_TOKEN_BYTES = 8 * 1024
"""API Gateway takes 10,240 bytes of headers in all; Cognito's tokens have one to two thousand."""

# The only one that Cognito signs with. A token must not choose: `none` and HMAC by the public key are old attacks.
_ALGORITHMS = ["RS256"]
_REQUIRED = ["exp", "iat", "iss", "sub", "token_use", "client_id"]


class TokenRefused(TickwireError):
    """A token proves nothing; the message says why, for the log and not for who sent it."""


class TokenVerifier:
    """Verifies access tokens of one issuer, made for some of its clients."""

    def __init__(self, keys: SigningKeys, *, issuer: str, clients: Collection[str]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clients = frozenset(clients)

    def verify(self, token: str) -> User:
        """Give the user that a token stands for.

        Raises
        ------
        TokenRefused
            If anything about the token is not as it must be.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenRefused(f"a token of {len(token)} bytes")
        try:
            claims = jwt.decode(
                token,
                self._key_of(token),
                algorithms=_ALGORITHMS,
                issuer=self._issuer,
                # Access tokens of Cognito have no audience; their client is checked below.
                options={"require": _REQUIRED, "verify_aud": False},
            )
        except (jwt.PyJWTError, UnknownKey) as error:
            raise TokenRefused(str(error)) from error
        if claims["token_use"] != "access":  # noqa: S105 - a name of OAuth, not a password
            raise TokenRefused(f"a token for {str(claims['token_use'])[:20]!r}, not for access")
        if claims["client_id"] not in self._clients:
            raise TokenRefused(f"a token for the client {str(claims['client_id'])[:64]!r}")
        groups = claims.get("cognito:groups", [])
        return User(claims["sub"], roles_in([str(group) for group in groups]), int(claims["exp"]))

    def _key_of(self, token: str) -> jwt.PyJWK:
        header = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        if not isinstance(key_id, str):
            raise TokenRefused("a token that names no key")
        return self._keys.get(key_id)
