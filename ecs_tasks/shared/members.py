"""Which tasks of a fleet live, so that each can reckon its fair share."""

import time
from collections.abc import Callable
from typing import Any

from ecs_tasks.shared.table import CoordinationTable

FORGOTTEN_AFTER = 20.0
"""A member that was silent for so many times ``seconds`` is struck off the list."""
KEPT_SECONDS = 86_400

_PREFIX = "member:"


class Members:
    """The item ``members#<fleet>``: an attribute a member, which says until when it is taken to live.

    Parameters
    ----------
    client : boto3 DynamoDB client
    table : see :class:`CoordinationTable`
    seconds : a member that has not called :meth:`beat` for so long is not counted
    now : seconds UTC; the members' clocks should agree to a few seconds

    Notes
    -----
    Every call may raise :class:`CoordinationUnavailable` or :class:`NoCoordinationTable`.
    """

    def __init__(
        self,
        client: Any,
        *,
        table: str,
        fleet: str,
        member: str,
        seconds: float = 15.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.member = member
        self._table = CoordinationTable(client, table)
        self._key = f"members#{fleet}"
        self._seconds = seconds
        self._now = now

    def beat(self) -> frozenset[str]:
        """Say that this member lives; gives all that do, this one among them."""
        now = self._now()
        until = now + self._seconds
        item = self._table.write(
            self._key,
            "SET #me = :until, #expires = :expires",
            names={"#me": _PREFIX + self.member, "#expires": "expires_at"},
            values={":until": {"N": f"{until:.3f}"}, ":expires": {"N": str(int(until) + KEPT_SECONDS)}},
        )
        ends = {name.removeprefix(_PREFIX): float(item[name]["N"]) for name in item if name.startswith(_PREFIX)}
        self._strike_off([name for name, end in ends.items() if end < now - FORGOTTEN_AFTER * self._seconds])
        return frozenset(name for name, end in ends.items() if end > now)

    def leave(self) -> None:
        """Take this member off the list."""
        self._strike_off([self.member])

    def _strike_off(self, members: list[str]) -> None:
        if members:
            names = {f"#m{number}": _PREFIX + name for number, name in enumerate(members)}
            self._table.write(self._key, f"REMOVE {', '.join(names)}", names=names, values={})
