"""Whose turn it is: one request each by rotation, so that nobody waits for another's long fill."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)
Job = TypeVar("Job")


class Turns(Generic[Owner, Job]):
    """Jobs of owners. The owner served longest ago has the turn, and of its jobs that served longest ago.

    When an owner's jobs end and others begin, it keeps its place: short jobs without end do not
    put an owner before the others.
    """

    def __init__(self) -> None:
        self._jobs: dict[Owner, list[Job]] = {}
        self._served: dict[Owner, int] = {}
        self._turn = 0

    def __len__(self) -> int:
        return sum(map(len, self._jobs.values()))

    def of(self, owner: Owner) -> list[Job]:
        """Give an owner's jobs, the one whose turn is next first."""
        return list(self._jobs.get(owner, ()))

    def all(self) -> list[tuple[Owner, Job]]:
        """Give every job with its owner."""
        return [(owner, job) for owner, jobs in self._jobs.items() for job in jobs]

    def add(self, owner: Owner, job: Job) -> None:
        """Take a job; it comes after the owner's others."""
        self._jobs.setdefault(owner, []).append(job)

    def remove(self, owner: Owner, job: Job) -> None:
        """Forget a job that has ended.

        Raises
        ------
        ValueError
            If it is none of the owner's.
        """
        jobs = self._jobs.get(owner, [])
        jobs.remove(job)
        if not jobs:
            self._jobs.pop(owner, None)

    def next(self) -> tuple[Owner, Job] | None:
        """Give whose turn it is, and move it to the end."""
        if not self._jobs:
            return None
        owner = min(self._jobs, key=lambda one: self._served.get(one, -1))
        self._turn += 1
        self._served[owner] = self._turn
        jobs = self._jobs[owner]
        job = jobs.pop(0)
        jobs.append(job)
        return owner, job
