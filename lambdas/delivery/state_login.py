"""Logging in to Amazon MemoryDB with a token of IAM in place of a password."""

from typing import Any

from valkey.credentials import CredentialProvider

_SERVICE = "memorydb"
_TOKEN_SECONDS = 900


class StateLogin(CredentialProvider):
    """Gives each new connection a token of its own, signed with this process' credentials; it asks nobody.

    The token is a presigned request to connect, without its scheme, as "Authenticating with IAM" of
    MemoryDB's developer guide describes. It is good for 15 minutes, and what it opened for 12 hours.
    """

    def __init__(self, *, user: str, cluster: str) -> None:
        self._user = user
        self._cluster = cluster

    def get_credentials(self) -> tuple[str, str]:
        """Give the user's name and a fresh token."""
        import botocore.session

        session = botocore.session.get_session()
        return self._user, token(
            session.get_credentials(),
            region=str(session.get_config_variable("region")),
            user=self._user,
            cluster=self._cluster,
        )


def token(credentials: Any, *, region: str, user: str, cluster: str) -> str:
    """Sign a token with which ``user`` may log in to the cluster of that name."""
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest("GET", f"http://{cluster}/", params={"Action": "connect", "User": user})
    SigV4QueryAuth(credentials, _SERVICE, region, expires=_TOKEN_SECONDS).add_auth(request)
    return str(request.url).removeprefix("http://")
