"""Logging in to Amazon MemoryDB with a token of IAM in place of a password."""

from collections.abc import Callable
from typing import Any

from valkey.credentials import CredentialProvider

_SERVICE = "memorydb"
_TOKEN_SECONDS = 900


def token(*, user: str, cluster: str) -> str:
    """Sign a token with this process' credentials, with which ``user`` may log in to the cluster of that name.

    It is a presigned request to connect, without its scheme, as "Authenticating with IAM" of MemoryDB's
    developer guide describes: good for 15 minutes, and what it opened for 12 hours. Nobody is asked for it.
    """
    from botocore.session import Session

    session = Session()
    return presigned(session.get_credentials(), str(session.get_config_variable("region")), user=user, cluster=cluster)


def presigned(credentials: Any, region: str, *, user: str, cluster: str) -> str:
    """Sign with these credentials."""
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest("GET", f"http://{cluster}/", params={"Action": "connect", "User": user})
    SigV4QueryAuth(credentials, _SERVICE, region, expires=_TOKEN_SECONDS).add_auth(request)
    return str(request.url).removeprefix("http://")


class StateLogin(CredentialProvider):
    """Gives each new connection a token of its own."""

    def __init__(self, *, user: str, cluster: str, sign: Callable[..., str] = token) -> None:
        self._user = user
        self._cluster = cluster
        self._sign = sign

    def get_credentials(self) -> tuple[str, str]:
        """Give the user's name and a fresh token."""
        return self._user, self._sign(user=self._user, cluster=self._cluster)
