"""Who calls the REST API, by the claims that API Gateway's JWT authorizer has verified."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from lambdas.identity.user import Role, User, roles_in
from lambdas.rest_api.problems import Problem


def caller_of(claims: Mapping[str, Any], *, roles: frozenset[Role]) -> User:
    """Give the user of a request, if it has one of ``roles``.

    API Gateway has verified signature, issuer, client and expiry. It takes ID tokens too, which are for the page
    to read and not for access.

    Raises
    ------
    Problem
        401 if the token is not for access, 403 if the user has none of the roles.
    """
    if claims.get("token_use") != "access":
        raise Problem(HTTPStatus.UNAUTHORIZED, "This takes an access token.")
    user = User(claims["sub"], roles_in(_groups(claims.get("cognito:groups", ""))), int(claims["exp"]))
    if not user.may(roles):
        raise Problem(HTTPStatus.FORBIDDEN, f"This takes one of the roles {', '.join(sorted(roles))}.")
    return user


def _groups(claim: str) -> list[str]:
    # API Gateway gives every claim as text, and a list as its items in brackets: "[trader viewer]".
    return claim.removeprefix("[").removesuffix("]").split()
