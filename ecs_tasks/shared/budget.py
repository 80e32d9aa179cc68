"""A venue's limit on one address, spent by many tasks from one number in DynamoDB."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ecs_tasks.shared.backoff import Backoff
from ecs_tasks.shared.table import CoordinationTable, CoordinationUnavailable
from tickwire.venues.rate_budget import SECOND, RateBudget, RateRules

BACKOFF_SECONDS = (0.05, 2.0)
"""Base and cap between tries while DynamoDB throttles or fails."""
REST_SECONDS = 3600
"""An item is removed by DynamoDB's TTL this long after its bucket was full again: none means full."""

_Result = TypeVar("_Result")
_NAMES = {"#full": "full_at", "#expires": "expires_at"}


class SharedBudget:
    """:class:`RateBudget` with its one integer in the item ``budget#<key>``, changed by compare-and-set.

    Parameters
    ----------
    client : boto3 DynamoDB client
    table : see :class:`CoordinationTable`
    key : ``<address>#<limit>``: the egress address whose limit it is, and which limit of which venue
    rules : the same for all who share the key
    now : ns UTC. One whose clock is ahead of the others' by d may spend ``d * per_second`` more, once
    patience_seconds : how long one call goes on trying while DynamoDB is not available
    sleep : waits between two tries
    """

    def __init__(
        self,
        client: Any,
        *,
        table: str,
        key: str,
        rules: RateRules,
        now: Callable[[], int] = time.time_ns,
        patience_seconds: float = 10.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rules = rules
        self._id = f"budget#{key}"
        self._table = CoordinationTable(client, table)
        self._now = now
        self._patience = patience_seconds
        self._sleep = sleep
        # What a venue has told us counts even while it cannot be told to the others.
        self._least = 0
        self._lock = threading.Lock()

    def reserve(self, weight: int) -> float:
        """Take ``weight`` and give the seconds to wait before the request may be sent.

        Requests go out in the order in which they were reserved, whoever reserved them. A call whose
        answer was lost may have taken its weight and takes it again: too little is sent, never too much.

        Raises
        ------
        CoordinationUnavailable
            If nothing could be reserved within the patience: send nothing, and ask again later.
        NoCoordinationTable
        """
        return self._patiently(lambda: self._try_reserve(weight))

    def block(self, seconds: float) -> None:
        """Let nobody send for so long, as the venue asked (429, 418, a throttle), and start empty after it.

        What cannot be written holds for this task at once, and for all with its next reservation.

        Raises
        ------
        NoCoordinationTable
        """
        now = self._now()
        self._raise(lambda budget: budget.block(now, seconds))
        try:
            self._patiently(self._write_least)
        except CoordinationUnavailable:
            return

    def observe(self, used: int) -> None:
        """Take note of the weight that the venue says was used in its current window.

        As :meth:`block`, but tried once, since the next reply tells the same.

        Raises
        ------
        NoCoordinationTable
        """
        now = self._now()
        if not self._raise(lambda budget: budget.observe(now, used)):
            return
        try:
            self._write_least()
        except CoordinationUnavailable:
            return

    def _try_reserve(self, weight: int) -> float | None:
        """Take ``weight`` if nobody else changes the budget meanwhile; gives the wait, or None."""
        item = self._table.read(self._id)
        stored = None if item is None else item["full_at"]["N"]
        budget = RateBudget(self.rules, full_at=max(int(stored or 0), self._least))
        wait = budget.reserve(self._now(), weight)
        taken = self._table.update(
            self._id,
            "SET #full = :full, #expires = :expires",
            condition="attribute_not_exists(#full)" if stored is None else "#full = :was",
            names=_NAMES,
            values=_values(budget.full_at) | ({} if stored is None else {":was": {"N": stored}}),
        )
        return wait if taken else None

    def _write_least(self) -> bool:
        least = self._least
        self._table.update(
            self._id,
            "SET #full = :full, #expires = :expires",
            condition="attribute_not_exists(#full) OR #full < :full",
            names=_NAMES,
            values=_values(least),
        )
        return True

    def _raise(self, change: Callable[[RateBudget], None]) -> bool:
        """Apply what a venue told to what this task knows; gives whether that changed anything."""
        with self._lock:
            budget = RateBudget(self.rules, full_at=self._least)
            change(budget)
            changed = budget.full_at != self._least
            self._least = budget.full_at
        return changed

    def _patiently(self, attempt: Callable[[], _Result | None]) -> _Result:
        """Try until an attempt gives something; None means that another task was quicker."""
        base, cap = BACKOFF_SECONDS
        backoff = Backoff(base_seconds=base, cap_seconds=cap)
        started, slept = time.monotonic(), 0.0
        while True:
            failure: CoordinationUnavailable | None = None
            try:
                result = attempt()
            except CoordinationUnavailable as error:
                result, failure = None, error
            if result is not None:
                return result
            if max(slept, time.monotonic() - started) >= self._patience:
                raise failure or CoordinationUnavailable(f"{self._id}: other tasks were always quicker")
            wait = backoff.next_seconds()
            self._sleep(wait)
            slept += wait


def _values(full_at: int) -> dict[str, Any]:
    return {":full": {"N": str(full_at)}, ":expires": {"N": str(-(-full_at // SECOND) + REST_SECONDS)}}
