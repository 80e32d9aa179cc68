"""A client that has proved who it is, in the forms in which it travels from one function to the next."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

import msgspec


class Role(StrEnum):
    """The groups of the user pool. A route names those that may use it; none includes another."""

    VIEWER = "viewer"
    TRADER = "trader"
    OPERATOR = "operator"


READERS = frozenset(Role)
"""May read market data and how complete it is."""

TRADERS = frozenset({Role.TRADER, Role.OPERATOR})
"""May compute risks."""

OPERATORS = frozenset({Role.OPERATOR})
"""May look at what could not go on, and send it again."""


class User(msgspec.Struct, frozen=True):
    """Attributes
    ----------
    subject : the user pool's id of the user, which never changes and names nobody
    roles : in the order of :class:`Role`; groups that are no role of ours are left out
    expires : s UTC at which the proof ends
    """

    subject: str
    roles: tuple[Role, ...]
    expires: int

    def may(self, roles: frozenset[Role]) -> bool:
        """Say whether the user has one of these roles."""
        return not roles.isdisjoint(self.roles)

    def as_context(self) -> dict[str, str]:
        """Give what an authorizer hands on: API Gateway takes text, numbers and booleans, and gives text back."""
        return {"subject": self.subject, "roles": " ".join(self.roles), "expires": str(self.expires)}

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_context` gave.

        Raises
        ------
        KeyError
            If the context comes from no authorizer of ours: whoever asks is nobody.
        """
        return cls(context["subject"], roles_in(context["roles"].split()), int(context["expires"]))


def roles_in(groups: list[str]) -> tuple[Role, ...]:
    """Give the roles among a user's groups."""
    return tuple(role for role in Role if role in groups)
