"""The venues' limits on requests: shared in DynamoDB by all tasks behind one address, or this task's own."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from ecs_tasks.shared.budget import SharedBudget
from tickwire.venues.history import RateBudget, RateRules


class Budget(Protocol):
    """What a request is charged to; see :class:`~tickwire.venues.rate_budget.RateBudget`."""

    async def reserve(self, weight: int) -> float:
        """Take ``weight`` and give the seconds to wait; may raise ``CoordinationUnavailable``."""

    async def block(self, seconds: float) -> None:
        """Let nobody send for so long."""

    async def observe(self, used: int) -> None:
        """Take note of the weight that the venue says was used."""


class OwnBudget:
    """A budget that no other task knows of."""

    def __init__(self, rules: RateRules, now: Callable[[], int] = time.time_ns) -> None:
        self._budget = RateBudget(rules)
        self._now = now

    async def reserve(self, weight: int) -> float:
        """Take ``weight`` and give the seconds to wait."""
        return self._budget.reserve(self._now(), weight)

    async def block(self, seconds: float) -> None:
        """Let nobody send for so long."""
        self._budget.block(self._now(), seconds)

    async def observe(self, used: int) -> None:
        """Take note of the weight that the venue says was used."""
        self._budget.observe(self._now(), used)


class CommonBudget:
    """A :class:`~ecs_tasks.shared.budget.SharedBudget`, whose calls block, in threads."""

    def __init__(self, shared: SharedBudget) -> None:
        self._shared = shared

    async def reserve(self, weight: int) -> float:
        """Take ``weight`` and give the seconds to wait.

        Raises
        ------
        CoordinationUnavailable, NoCoordinationTable
        """
        return await asyncio.to_thread(self._shared.reserve, weight)

    async def block(self, seconds: float) -> None:
        """Let nobody send for so long."""
        await asyncio.to_thread(self._shared.block, seconds)

    async def observe(self, used: int) -> None:
        """Take note of the weight that the venue says was used."""
        await asyncio.to_thread(self._shared.observe, used)


NewBudget = Callable[[str, RateRules], Budget]
"""Gives the budget of a name (``History.budget_key``)."""


def own_budget(key: str, rules: RateRules) -> Budget:
    """Give a budget of this task alone."""
    return OwnBudget(rules)


def common_budgets(client: Any, *, table: str, address: str) -> NewBudget:
    """Give what makes the budgets of all tasks behind an address, kept in a DynamoDB table."""
    return lambda key, rules: CommonBudget(SharedBudget(client, table=table, key=f"{address}#{key}", rules=rules))
