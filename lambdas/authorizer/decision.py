"""Who asks to connect, by what it brought: a ticket (browsers) or an access token (programmes)."""

from collections.abc import Mapping
from typing import Any

from lambdas.identity.tickets import TicketRefused, Tickets
from lambdas.identity.tokens import TokenRefused, TokenVerifier
from lambdas.identity.user import READERS, User
from tickwire.errors import TickwireError

_SCHEME = "bearer "


class Refused(TickwireError):
    """Nobody may connect by this request; the message says why, for the log."""


def identify(request: Mapping[str, Any], *, tickets: Tickets, tokens: TokenVerifier) -> User:
    """Give the user who asks.

    Parameters
    ----------
    request : the event of a REQUEST authorizer of a WebSocket API

    Raises
    ------
    Refused
        If the request brings no ticket and no token, one that proves nothing, or proves a user without a role.
    """
    try:
        user = _prove(request, tickets, tokens)
    except (TicketRefused, TokenRefused) as error:
        raise Refused(f"{type(error).__name__}: {error}") from error
    if not user.may(READERS):
        raise Refused("a user without a role")
    return user


def _prove(request: Mapping[str, Any], tickets: Tickets, tokens: TokenVerifier) -> User:
    ticket = (request.get("queryStringParameters") or {}).get("ticket")
    if ticket:
        return tickets.redeem(ticket)
    # Header names come as the client wrote them.
    headers = {name.lower(): value for name, value in (request.get("headers") or {}).items()}
    authorization = headers.get("authorization", "")
    if authorization[: len(_SCHEME)].lower() == _SCHEME:
        return tokens.verify(authorization[len(_SCHEME) :].strip())
    raise Refused("neither a ticket nor a token")
