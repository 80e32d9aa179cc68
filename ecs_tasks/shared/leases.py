"""Leases: who may do what, until when, kept in DynamoDB by compare-and-set.

After C. Gray and D. Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file
cache consistency", SOSP 1989. The token is a fencing token (M. Kleppmann, "How to do distributed
locking", 2016).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ecs_tasks.shared.table import CoordinationTable

UNUSED_SECONDS = 30 * 86_400
"""A lease that nobody held for so long is removed by DynamoDB's TTL; its tokens then start again."""

_NAMES = {
    "#holder": "holder",
    "#token": "token",
    "#beat": "beat",
    "#until": "until",
    "#expires": "expires_at",
    "#ready": "ready",
}


@dataclass(frozen=True, slots=True)
class Lease:
    """One slot of a name, held. ``token`` grows by one with each new holder of the slot."""

    name: str
    slot: int
    holder: str
    token: int


@dataclass(frozen=True, slots=True)
class Occupant:
    """Who holds a slot, and whether it has said that it does by now what the lease is for."""

    holder: str
    ready: bool


@dataclass(frozen=True, slots=True)
class _Slot:
    """What the store says of a slot. ``beat`` changes with every write; ``ready`` is the token that is ready."""

    key: str
    holder: str = ""
    token: int = 0
    beat: int = 0
    until: float = 0.0
    ready: int = 0


class Leases:
    """The leases of one holder.

    A lease not renewed for ``seconds`` may be taken by another, so renew at a third of that. A slot
    is free when it was released, when its end has passed by our clock, or when we have seen it
    unchanged for ``seconds`` of our own clock, so that a dead holder's fast clock keeps nothing
    for ever. A clock that is ahead by up to two thirds of ``seconds`` takes nothing too early; one
    ahead by more takes a live lease once, and the old holder hears of it at its next renewal.

    Parameters
    ----------
    client : boto3 DynamoDB client
    table : see :class:`CoordinationTable`
    holder : unique to this process; a name used again by its successor takes over at once
    now : seconds UTC; the holders' clocks should agree to a few seconds

    Notes
    -----
    Every call may raise :class:`CoordinationUnavailable` (a lease that was held is still held until
    its time is over) or :class:`NoCoordinationTable`. Calls may come from several threads.
    """

    def __init__(
        self, client: Any, *, table: str, holder: str, seconds: float = 15.0, now: Callable[[], float] = time.time
    ) -> None:
        if not holder:
            raise ValueError("a lease needs a holder's name")
        if seconds <= 0:
            raise ValueError(f"a lease of {seconds} s is none")
        self.seconds = seconds
        self.holder = holder
        self._table = CoordinationTable(client, table)
        self._now = now
        self._seen: dict[str, tuple[int, int, float]] = {}
        # Two acquisitions of one name at once could each take a slot.
        self._acquiring = threading.Lock()

    def acquire(self, name: str, *, slots: int = 1) -> Lease | None:
        """Take a free slot of a name; None if all are held by others.

        Who holds one already gets that again, renewed, with the token that it had: so a call whose
        answer was lost can be repeated, and a holder never has two slots of a name.
        """
        if slots < 1:
            raise ValueError(f"{slots} slots of {name!r} asked for")
        with self._acquiring:
            read = [self._read(f"lease#{name}#{number}") for number in range(slots)]
            own = next((number for number, slot in enumerate(read) if slot.holder == self.holder), None)
            if own is not None:
                lease = Lease(name, own, self.holder, read[own].token)
                if self.renew(lease):
                    return lease
                read[own] = self._read(read[own].key)
            for number, slot in enumerate(read):
                if self._is_free(slot) and self._take(slot):
                    return Lease(name, number, self.holder, slot.token + 1)
            return None

    def renew(self, lease: Lease, *, ready: bool = False) -> bool:
        """Hold a lease for another ``seconds`` from now; False if it is another's by now.

        ``ready`` tells those who :meth:`look` that its holder does what the lease is for.
        """
        values = self._times(self._now()) | ({":ready": {"N": str(lease.token)}} if ready else {})
        also = ", #ready = :ready" if ready else ""
        return self._change(lease, f"SET #until = :until, #expires = :expires{also} ADD #beat :one", values)

    def offer(self, lease: Lease) -> None:
        """Let any other take a lease that is still held: if none does, the next renewal keeps it."""
        self._change(lease, "SET #until = :zero ADD #beat :one", {":zero": {"N": "0"}})

    def release(self, lease: Lease) -> None:
        """Give a lease up at once; nothing happens if it is another's by now. Its token stays known."""
        self._change(lease, "SET #until = :zero ADD #beat :one REMOVE #holder", {":zero": {"N": "0"}})

    def look(self, name: str, slot: int) -> Occupant | None:
        """Give who holds a slot; None if it could be taken."""
        found = self._read(f"lease#{name}#{slot}")
        return None if self._is_free(found) else Occupant(found.holder, ready=found.ready == found.token)

    def _change(self, lease: Lease, expression: str, values: dict[str, Any]) -> bool:
        """Change the item of a lease if it is still ours."""
        condition = "#holder = :holder AND #token = :token"
        return self._table.update(
            f"lease#{lease.name}#{lease.slot}",
            expression,
            condition=condition,
            names={name: field for name, field in _NAMES.items() if name in f"{expression} {condition}"},
            values={
                ":holder": {"S": lease.holder},
                ":token": {"N": str(lease.token)},
                ":one": {"N": "1"},
                **values,
            },
        )

    def _take(self, slot: _Slot) -> bool:
        """Write ourselves into a slot, if it is as it was read."""
        return self._table.update(
            slot.key,
            "SET #holder = :holder, #token = :next, #beat = :beat, #until = :until, #expires = :expires",
            # A removed item has neither attribute, which is what its beat 0 stands for.
            condition="#beat = :was AND #token = :token" if slot.beat else "attribute_not_exists(#beat)",
            names={name: field for name, field in _NAMES.items() if name != "#ready"},
            values={
                ":holder": {"S": self.holder},
                ":next": {"N": str(slot.token + 1)},
                ":beat": {"N": str(slot.beat + 1)},
                **({":was": {"N": str(slot.beat)}, ":token": {"N": str(slot.token)}} if slot.beat else {}),
                **self._times(self._now()),
            },
        )

    def _times(self, now: float) -> dict[str, Any]:
        until = now + self.seconds
        return {":until": {"N": f"{until:.3f}"}, ":expires": {"N": str(int(until) + UNUSED_SECONDS)}}

    def _read(self, key: str) -> _Slot:
        item = self._table.read(key)
        if item is None:
            return _Slot(key)
        return _Slot(
            key,
            holder=item.get("holder", {}).get("S", ""),
            token=int(item["token"]["N"]),
            beat=int(item["beat"]["N"]),
            until=float(item["until"]["N"]),
            ready=int(item.get("ready", {}).get("N", "0")),
        )

    def _is_free(self, slot: _Slot) -> bool:
        now = self._now()
        if not slot.holder or now >= slot.until:
            return True
        token, beat, since = self._seen.get(slot.key, (0, 0, now))
        if (token, beat) != (slot.token, slot.beat) or now < since:
            self._seen[slot.key] = slot.token, slot.beat, now
            return False
        return now - since >= self.seconds
