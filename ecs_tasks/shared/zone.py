"""In which availability zone a task runs, and that its name among the others tells it."""

import json
import os
from collections.abc import Mapping
from http.client import HTTPException
from urllib.request import urlopen

TIMEOUT_SECONDS = 2.0


def own_zone(environ: Mapping[str, str] = os.environ) -> str:
    """Give the zone by name (``us-west-2b``), empty where nobody tells it, as outside ECS.

    Source: Amazon ECS developer guide, "Task metadata endpoint version 4", ``/task``.
    """
    endpoint = environ.get("ECS_CONTAINER_METADATA_URI_V4")
    if not endpoint:
        return ""
    try:
        # The address comes from ECS itself, and is that of this container's own host.
        with urlopen(f"{endpoint}/task", timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310
            told = json.load(reply)
    except (OSError, HTTPException, ValueError):
        # A task that knows no zone reads all the same.
        return ""
    zone = told.get("AvailabilityZone") if isinstance(told, dict) else None
    return zone if isinstance(zone, str) else ""


def name_in_zone(zone: str, name: str) -> str:
    """Give the name by which a task holds leases; ``name`` is without a slash."""
    return f"{zone}/{name}" if zone else name


def zone_of(holder: str) -> str:
    """Give the zone that a holder's name tells, empty where it tells none."""
    return holder.rpartition("/")[0]
