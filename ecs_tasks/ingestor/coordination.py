"""What tasks coordinate by: leases, members and budgets in one DynamoDB table."""

import os
import socket
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from ecs_tasks.ingestor.attempts import Attempts
from ecs_tasks.ingestor.settings import IngestorSettings
from ecs_tasks.shared.budget import SharedBudget
from ecs_tasks.shared.leases import Leases
from ecs_tasks.shared.members import Members
from ecs_tasks.shared.zone import name_in_zone, own_zone
from tickwire.venues.feed import Feed

ATTEMPT_PATIENCE_SECONDS = 2.0
"""How long an attempt waits for the shared count before it takes one of its own."""


@dataclass(frozen=True, slots=True)
class Coordination:
    """How this task knows of the others."""

    leases: Leases
    members: Members
    attempts: Attempts


def new_coordination(settings: IngestorSettings, client: Any) -> Coordination | None:
    """Give the coordination that the settings ask for; None where this task holds every feed.

    Parameters
    ----------
    client : boto3 DynamoDB client, safe to call from several threads
    """
    table = settings.coordination_table
    if table is None:
        return None
    # New with each process: what a killed one held is taken over when its time is over, by whoever comes first.
    holder = name_in_zone(own_zone(), f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}")

    def budget(feed: Feed) -> SharedBudget:
        return SharedBudget(
            client,
            table=table,
            key=f"{settings.address}#connect-{feed.name}",
            rules=feed.attempts.rules,
            patience_seconds=ATTEMPT_PATIENCE_SECONDS,
        )

    seconds = settings.lease_seconds
    return Coordination(
        Leases(client, table=table, holder=holder, seconds=seconds),
        Members(client, table=table, fleet=settings.fleet, member=holder, seconds=seconds),
        Attempts(budget),
    )
