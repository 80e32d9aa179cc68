"""A group that a task reads, and how many of them it should."""

from dataclasses import dataclass
from typing import Any

from ecs_tasks.ingestor.connection import Connection
from ecs_tasks.ingestor.settings import FeedSettings
from ecs_tasks.shared.leases import Lease

UNREAD_SECONDS = 60.0
"""A group that could not be connected to for so long may fare better from another task's address."""
LEFT_SECONDS = 10.0
"""A group that has another holder by now is tried for no longer than this."""


def fair_share(groups: int, holders: int, tasks: int) -> int:
    """Give how many groups each of so many tasks holds, where each group is held by ``holders`` of them."""
    return -(-groups * holders // max(tasks, 1))


@dataclass(slots=True)
class Held:
    """A group that this task reads.

    ``leaving``: another has the lease, and this task reads on until that one says that it reads.
    ``offered``: rounds for which its lease is not renewed. ``read_at``: when a socket of it was last
    open, or the venue said that it does not trade, or the lease was offered for want of one.
    """

    entry: FeedSettings
    connection: Connection
    lease: Lease
    read_at: float
    leaving: bool = False
    told_ready: bool = False
    offered: int = 0

    def is_unread(self, now: float, seconds: float) -> bool:
        """Say whether there is no socket for so long; ``now`` is monotonic seconds."""
        if self.connection.connected or self.connection.halted:
            self.read_at = now
        return now - self.read_at >= seconds

    def as_json(self) -> dict[str, Any]:
        """Give what ``/stats`` shows of it."""
        return {
            "slot": self.lease.slot,
            "token": self.lease.token,
            "connected": self.connection.connected,
            "leaving": self.leaving,
        }
