"""The users of a local run: made in the emulator's user pool, as an operator makes them in Cognito."""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from lambdas.identity.user import Role
from local.emulator import CREDENTIALS, REGION

_RENEW_SECONDS = 300


class LocalUser:
    """A user of one role, and its access tokens: the emulator signs them as Cognito does, the same code verifies them.

    Safe to use from several threads.
    """

    def __init__(
        self,
        endpoint_url: str,
        *,
        pool_id: str,
        client_id: str,
        role: Role = Role.VIEWER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        import boto3

        session = boto3.Session(
            CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name=REGION
        )
        self._client = session.client("cognito-idp", endpoint_url=endpoint_url)
        self.name = f"{role.value}@localhost.localdomain"
        self._role = role
        self._pool_id = pool_id
        self._client_id = client_id
        self._clock = clock
        self._password = secrets.token_urlsafe(24) + "aA1!"
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = float("-inf")

    def create(self) -> None:
        """Make the user, with a password that nobody else knows, and put it into its role's group."""
        user: dict[str, Any] = {"UserPoolId": self._pool_id, "Username": self.name}
        self._client.admin_create_user(**user, TemporaryPassword=self._password, MessageAction="SUPPRESS")
        self._client.admin_set_user_password(**user, Password=self._password, Permanent=True)
        self._client.admin_add_user_to_group(**user, GroupName=self._role.value)

    def token(self) -> str:
        """Give an access token that is good for a while yet."""
        with self._lock:
            if self._clock() >= self._renew_at:
                result = self._client.admin_initiate_auth(
                    UserPoolId=self._pool_id,
                    ClientId=self._client_id,
                    AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                    AuthParameters={"USERNAME": self.name, "PASSWORD": self._password},
                )["AuthenticationResult"]
                self._token = str(result["AccessToken"])
                self._renew_at = self._clock() + int(result["ExpiresIn"]) - _RENEW_SECONDS
            return self._token


class LocalUsers:
    """One user of each role."""

    def __init__(self, endpoint_url: str, *, pool_id: str, client_id: str) -> None:
        self._users = {role: LocalUser(endpoint_url, pool_id=pool_id, client_id=client_id, role=role) for role in Role}

    def create(self) -> None:
        """Make them."""
        for user in self._users.values():
            user.create()

    def token(self, role: Role = Role.OPERATOR) -> str:
        """Give an access token of the user who has a role."""
        return self._users[role].token()
