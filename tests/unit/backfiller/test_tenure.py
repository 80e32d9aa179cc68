"""The lease of a venue: got, kept, lost, out of reach, given up."""

from ecs_tasks.backfiller.tenure import Tenure
from ecs_tasks.shared.leases import Lease
from ecs_tasks.shared.table import CoordinationUnavailable


class Leases:
    """What a store would answer."""

    seconds = 15.0

    def __init__(self) -> None:
        self.free = True
        self.lost = False
        self.down = False
        self.released: list[Lease] = []

    def acquire(self, name: str, *, slots: int = 1) -> Lease | None:
        self._answer()
        return Lease(name, 0, "me", 7) if self.free else None

    def renew(self, lease: Lease) -> bool:
        self._answer()
        return not self.lost

    def release(self, lease: Lease) -> None:
        self._answer()
        self.released.append(lease)

    def _answer(self) -> None:
        if self.down:
            raise CoordinationUnavailable("no answer")


def tenure(leases: Leases, now: list[float]) -> Tenure:
    return Tenure("kraken", leases, clock=lambda: now[0])  # type: ignore[arg-type]


async def test_without_a_table_every_venue_is_ours() -> None:
    alone = Tenure("kraken", None)
    await alone.run()
    assert alone.held


async def test_a_venue_that_another_task_holds_is_ours_once_it_is_free() -> None:
    leases = Leases()
    leases.free = False
    ours = tenure(leases, [0.0])
    await ours.check()
    assert not ours.held
    leases.free = True
    await ours.check()
    assert ours.held


async def test_a_lost_lease_is_not_held() -> None:
    leases, now = Leases(), [0.0]
    ours = tenure(leases, now)
    await ours.check()
    leases.lost, leases.free = True, False
    now[0] = 5.0
    await ours.check()
    assert not ours.held


async def test_while_the_store_is_down_the_lease_is_held_to_its_end_and_no_longer() -> None:
    leases, now = Leases(), [0.0]
    ours = tenure(leases, now)
    await ours.check()
    leases.down = True
    now[0] = 14.9
    await ours.check()
    assert ours.held
    assert ours.trouble == "no answer"
    now[0] = 15.0
    assert not ours.held
    leases.down = False
    await ours.check()
    assert ours.held
    assert ours.trouble == ""


async def test_a_lease_that_was_given_up_is_not_taken_again() -> None:
    leases = Leases()
    ours = tenure(leases, [0.0])
    await ours.check()
    await ours.give_up()
    assert leases.released == [Lease("backfill#kraken", 0, "me", 7)]
    await ours.check()
    assert not ours.held


async def test_a_store_that_is_down_does_not_keep_a_task_from_stopping() -> None:
    leases = Leases()
    ours = tenure(leases, [0.0])
    await ours.check()
    leases.down = True
    await ours.give_up()
    assert not ours.held
