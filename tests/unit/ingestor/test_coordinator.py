"""Groups among tasks, round by round: leases in moto, connections that settle when a test says so."""

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from ecs_tasks.ingestor.coordinator import Coordinator
from ecs_tasks.ingestor.held import UNREAD_SECONDS, fair_share
from ecs_tasks.ingestor.lease_calls import LeaseCalls
from ecs_tasks.ingestor.settings import FeedSettings
from ecs_tasks.shared.leases import Lease, Leases
from ecs_tasks.shared.members import Members
from ecs_tasks.shared.table import NoCoordinationTable
from ecs_tasks.shared.zone import name_in_zone, zone_of

SECONDS = 3.0
_tables = itertools.count()


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        with mock_aws():
            yield boto3.client("dynamodb", region_name="eu-central-1")


class Store:
    """A table of its own in moto, whose calls are atomic and fail while it is ``down``."""

    def __init__(self, client: Any) -> None:
        self.meta = client.meta
        self.down = False
        self.table = f"coordination-{next(_tables)}"
        self._client = client
        client.create_table(
            TableName=self.table,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def get_item(self, **arguments: Any) -> Any:
        return self._call("get_item", arguments)

    def update_item(self, **arguments: Any) -> Any:
        return self._call("update_item", arguments)

    def _call(self, operation: str, arguments: Any) -> Any:
        if self.down:
            raise ConnectTimeoutError(endpoint_url="http://dynamodb")
        return getattr(self._client, operation)(**arguments)


@dataclass(eq=False)
class FakeConnection:
    """Open from the start, and read once it is settled."""

    group: str
    settled: bool = False
    halted: bool = False

    @property
    def connected(self) -> bool:
        return self.settled


class Task:
    """A coordinator and the connections that it has open."""

    def __init__(self, fleet: "Fleet", name: str) -> None:
        self.name = name
        self.open: list[FakeConnection] = []
        self.unreachable: set[str] = set()
        self._fleet = fleet
        common: Any = {"table": fleet.store.table, "seconds": SECONDS, "now": lambda: fleet.now}
        self.coordinator = Coordinator(
            LeaseCalls(
                Leases(fleet.store, holder=name, **common),
                Members(fleet.store, fleet="test", member=name, **common),
                holders=fleet.holders,
            ),
            fleet.entries,
            holders=fleet.holders,
            max_groups=fleet.limits.get(name),
            open_connection=self._open,  # type: ignore[arg-type]
            close_connection=self._close,  # type: ignore[arg-type]
            clock=lambda: fleet.now,
        )

    @property
    def reads(self) -> set[str]:
        return {connection.group for connection in self.open if connection.settled}

    def settle(self) -> None:
        for connection in self.open:
            connection.settled = connection.group not in self.unreachable

    async def round(self, *, settle: bool = True) -> None:
        """Do what :meth:`Coordinator.run` does in one round."""
        await self.coordinator.round()
        if settle:
            self.settle()
        await self.coordinator._attempt(self.coordinator._tell_ready)

    def _open(self, entry: FeedSettings) -> FakeConnection:
        connection = FakeConnection(entry.name)
        self.open.append(connection)
        return connection

    async def _close(self, connection: FakeConnection) -> None:
        self.open.remove(connection)
        if connection.settled:
            self._fleet.closed(connection.group)


class Fleet:
    """Tasks that share groups; checks at each close that somebody else reads the group, or died just now."""

    def __init__(self, store: Store, groups: int, *, holders: int = 1, limits: dict[str, int] | None = None) -> None:
        self.store = store
        self.now = 1_800_000_000.0
        self.holders = holders
        self.limits = limits or {}
        self.entries = [
            FeedSettings(feed="binance", symbols=("BTC-USDT",), group=f"group-{number}") for number in range(groups)
        ]
        self.tasks: list[Task] = []
        self._crashed = float("-inf")
        self._names = itertools.count()

    def add(self, zone: str = "") -> Task:
        self.tasks.append(Task(self, name_in_zone(zone, f"task-{next(self._names)}")))
        return self.tasks[-1]

    def crash(self, task: Task) -> None:
        self.tasks.remove(task)
        self._crashed = self.now

    @property
    def zones(self) -> dict[str, str]:
        """The zones in which each group is read, one letter a reader."""
        return {
            entry.name: "".join(sorted(zone_of(task.name) for task in self.tasks if entry.name in task.reads))
            for entry in self.entries
        }

    @property
    def readers(self) -> Counter[str]:
        return Counter(group for task in self.tasks for group in task.reads)

    def closed(self, group: str) -> None:
        # Who died within the time of its lease is taken for a reader still.
        if self.now - self._crashed >= SECONDS:
            assert self.readers[group] >= 1, f"{group} was closed while nobody else read it"

    async def rounds(self, count: int, *, settle: bool = True) -> None:
        for _ in range(count):
            for task in list(self.tasks):
                await task.round(settle=settle)
            self.now += SECONDS / 3

    async def rounds_until_balanced(self) -> None:
        for _ in range(60):
            if self.is_balanced():
                break
            await self.rounds(1)
        assert self.is_balanced(), [task.coordinator.as_json() for task in self.tasks]

    def is_balanced(self) -> bool:
        wanted = min(self.holders, len(self.tasks))
        share = fair_share(len(self.entries), self.holders, len(self.tasks))
        return all(self.readers[entry.name] == wanted for entry in self.entries) and all(
            len(task.coordinator.groups) <= share for task in self.tasks
        )


@pytest.fixture
def store(dynamodb: Any) -> Store:
    return Store(dynamodb)


@pytest.mark.parametrize(
    ("groups", "holders", "tasks", "share"), [(4, 1, 1, 4), (4, 1, 2, 2), (5, 1, 2, 3), (3, 2, 2, 3), (4, 2, 3, 3)]
)
def test_the_fair_share_covers_all_groups(groups: int, holders: int, tasks: int, share: int) -> None:
    assert fair_share(groups, holders, tasks) == share


async def test_a_task_alone_holds_every_group_once_whatever_the_number_of_holders(store: Store) -> None:
    fleet = Fleet(store, 3, holders=2)
    task = fleet.add()
    await fleet.rounds(2)
    assert sorted(c.group for c in task.open) == task.coordinator.groups == ["group-0", "group-1", "group-2"]


async def test_two_holders_hold_each_group_both(store: Store) -> None:
    fleet = Fleet(store, 2, holders=2)
    fleet.add(), fleet.add()
    await fleet.rounds(2)
    assert fleet.readers == {"group-0": 2, "group-1": 2}
    shown = [task.coordinator.as_json()["groups"] for task in fleet.tasks]
    assert {groups["group-0"]["slot"] for groups in shown} == {0, 1}


async def test_the_holders_of_a_group_are_in_different_zones_whoever_comes_first(store: Store) -> None:
    fleet = Fleet(store, 2, holders=2)
    tasks = [fleet.add("a"), fleet.add("a"), fleet.add("b")]
    for task in tasks:
        await task.coordinator.join()
    await fleet.rounds(2)
    assert fleet.zones == {"group-0": "ab", "group-1": "ab"}


async def test_holders_in_one_zone_part_when_a_task_of_another_zone_joins_and_no_group_is_unread(store: Store) -> None:
    fleet = Fleet(store, 2, holders=2)
    fleet.add("a"), fleet.add("a")
    await fleet.rounds(2)
    assert fleet.zones == {"group-0": "aa", "group-1": "aa"}
    fleet.add("b")
    for _ in range(30):
        await fleet.rounds(1)
        assert all(fleet.readers[entry.name] >= 1 for entry in fleet.entries)
    assert fleet.zones == {"group-0": "ab", "group-1": "ab"}


async def test_a_zone_is_shared_rather_than_a_group_left_to_one_task(store: Store) -> None:
    fleet = Fleet(store, 2, holders=2, limits={"b/task-2": 1})
    fleet.add("a"), fleet.add("a"), fleet.add("b")
    for task in fleet.tasks:
        await task.coordinator.join()
    await fleet.rounds(10)
    assert sorted(fleet.zones.values()) == ["aa", "ab"]
    fleet.crash(fleet.tasks[-1])
    await fleet.rounds(10)
    assert fleet.zones == {"group-0": "aa", "group-1": "aa"}


async def test_a_task_that_knows_no_zone_takes_what_it_finds(store: Store) -> None:
    fleet = Fleet(store, 2, holders=2)
    fleet.add(""), fleet.add("a")
    await fleet.rounds(2)
    assert fleet.readers == {"group-0": 2, "group-1": 2}


async def test_an_added_task_takes_its_share_one_by_one_and_nothing_is_unread_meanwhile(store: Store) -> None:
    fleet = Fleet(store, 4)
    first = fleet.add()
    await fleet.rounds(1)
    second = fleet.add()
    seen = [4]
    for _ in range(30):
        await fleet.rounds(1)
        assert all(fleet.readers[entry.name] >= 1 for entry in fleet.entries)
        seen.append(len(first.coordinator.groups))
    assert all(before - after in (0, 1) for before, after in itertools.pairwise(seen))
    assert len(first.reads) == len(second.reads) == 2
    assert fleet.is_balanced()


async def test_what_a_dead_task_held_is_read_by_another_when_its_time_is_over(store: Store) -> None:
    fleet = Fleet(store, 4)
    dead, alive = fleet.add(), fleet.add()
    await alive.coordinator.join()
    await fleet.rounds(1)
    assert len(dead.reads) == len(alive.reads) == 2
    fleet.crash(dead)
    await fleet.rounds(2)
    assert len(alive.reads) == 2
    await fleet.rounds(1)
    assert len(alive.reads) == 4


async def test_a_lost_lease_is_read_on_until_its_new_holder_reads(store: Store) -> None:
    fleet = Fleet(store, 1)
    slow, quick = fleet.add(), fleet.add()
    await slow.round()
    fleet.now += SECONDS
    await quick.round(settle=False)
    assert quick.coordinator.groups == ["group-0"]
    for _ in range(5):
        await slow.round()
        await quick.round(settle=False)
        fleet.now += SECONDS / 3
        assert slow.reads == {"group-0"}
        assert slow.coordinator.groups == []
    await quick.round()
    await slow.round()
    assert (slow.open, quick.reads) == ([], {"group-0"})


async def test_a_lost_lease_is_taken_back_from_a_new_holder_that_died_before_it_read(store: Store) -> None:
    fleet = Fleet(store, 1)
    slow, quick = fleet.add(), fleet.add()
    await slow.round()
    fleet.now += SECONDS
    await quick.round(settle=False)
    await slow.round()
    fleet.crash(quick)
    await fleet.rounds(4)
    assert slow.coordinator.groups == ["group-0"]
    assert len(slow.open) == 1


async def test_an_outage_of_the_store_changes_nothing_that_is_read_and_is_told(store: Store) -> None:
    fleet = Fleet(store, 4)
    fleet.add(), fleet.add()
    await fleet.tasks[1].coordinator.join()
    await fleet.rounds(1)
    before = [task.reads for task in fleet.tasks]
    store.down = True
    await fleet.rounds(12)
    assert [task.reads for task in fleet.tasks] == before
    assert all("ConnectTimeoutError" in task.coordinator.trouble for task in fleet.tasks)
    store.down = False
    await fleet.rounds(30)
    assert [task.coordinator.trouble for task in fleet.tasks] == ["", ""]
    assert fleet.is_balanced()


async def test_a_task_that_starts_in_an_outage_waits_for_its_end(store: Store) -> None:
    fleet = Fleet(store, 2)
    task = fleet.add()
    store.down = True
    await task.coordinator.join()
    await fleet.rounds(2)
    assert task.open == []
    store.down = False
    await fleet.rounds(3)
    assert len(task.reads) == 2


async def test_the_first_to_be_back_after_an_outage_takes_nothing_from_those_who_come_next(store: Store) -> None:
    fleet = Fleet(store, 6)
    old = [fleet.add(), fleet.add()]
    await old[1].coordinator.join()
    await fleet.rounds(1)
    before = [task.reads for task in old]
    store.down = True
    newcomer = fleet.add()
    await newcomer.coordinator.join()
    await fleet.rounds(6)
    store.down = False
    for task in (newcomer, *old):
        await task.round()
    await fleet.rounds(1)
    assert newcomer.open == []
    assert [task.reads for task in old] == before
    await fleet.rounds_until_balanced()


async def test_a_group_that_its_holder_cannot_connect_to_is_read_by_another(store: Store) -> None:
    fleet = Fleet(store, 2)
    banned, other = fleet.add(), fleet.add()
    await other.coordinator.join()
    await fleet.rounds(1)
    banned.unreachable = banned.reads
    await fleet.rounds(round(UNREAD_SECONDS) - 1)
    assert len(other.open) == 1
    await fleet.rounds(12)
    for _ in range(20):
        await fleet.rounds(1)
        assert all(fleet.readers[entry.name] >= 1 for entry in fleet.entries)


async def test_what_nobody_can_connect_to_is_always_tried_by_somebody_and_shared_again_after_it(store: Store) -> None:
    fleet = Fleet(store, 3)
    tasks = [fleet.add(), fleet.add(), fleet.add()]
    for task in tasks:
        await task.coordinator.join()
    await fleet.rounds(1)
    assert fleet.is_balanced()
    for task in tasks:
        task.unreachable = {"group-0"}
    for _ in range(90):
        await fleet.rounds(1)
        assert "group-0" in [connection.group for task in tasks for connection in task.open]
    for task in tasks:
        task.unreachable = set()
    await fleet.rounds_until_balanced()
    assert fleet.is_balanced()


async def test_a_group_whose_venue_does_not_trade_stays_where_it_is(store: Store) -> None:
    fleet = Fleet(store, 1)
    holder, other = fleet.add(), fleet.add()
    await fleet.rounds(1)
    holder.unreachable = {"group-0"}
    holder.open[0].halted = True
    await fleet.rounds(round(UNREAD_SECONDS) + 12)
    assert (holder.coordinator.groups, other.open) == (["group-0"], [])


async def test_a_stopping_task_takes_no_further_group(store: Store) -> None:
    fleet = Fleet(store, 4)
    task = fleet.add()
    opened = task._open

    def open_and_stop(entry: FeedSettings) -> Any:
        task.coordinator._stopping = True
        return opened(entry)

    task.coordinator._open = open_and_stop
    await task.coordinator.round()
    assert len(task.open) == 1


async def test_leases_that_cannot_be_released_do_not_hold_up_a_stopping_task(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = Fleet(store, 2)
    task = fleet.add()
    await fleet.rounds(1)

    async def never(_: Lease) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(task.coordinator._calls, "release", never)
    async with asyncio.timeout(30):
        await task.coordinator.release(0.01)


async def test_without_its_table_a_task_does_not_start(store: Store) -> None:
    store.table = "nowhere"
    with pytest.raises(NoCoordinationTable, match="nowhere"):
        await Fleet(store, 1).add().coordinator.join()


async def test_the_limit_of_a_task_is_kept_and_others_take_what_it_leaves(store: Store) -> None:
    fleet = Fleet(store, 4, limits={"task-0": 1})
    limited, other = fleet.add(), fleet.add()
    await limited.coordinator.join()
    await fleet.rounds(1)
    assert (len(limited.reads), len(other.reads)) == (1, 2)
    for _ in range(20):
        await fleet.rounds(1)
        assert len(limited.open) <= 1
    assert all(fleet.readers[entry.name] >= 1 for entry in fleet.entries)


async def test_a_stopping_task_reads_on_until_the_others_read_and_then_releases(store: Store) -> None:
    fleet = Fleet(store, 3)
    stopping, other = fleet.add(), fleet.add()
    await stopping.round()
    await other.coordinator.join()
    assert len(stopping.reads) == 3
    handing = asyncio.create_task(stopping.coordinator.hand_over(30))
    while len(other.open) < 3:
        await other.round(settle=False)
    assert not handing.done()
    assert len(stopping.reads) == 3
    await other.round()
    await handing
    stopping.open.clear()
    await stopping.coordinator.release(1000)
    await fleet.rounds(2)
    assert len(other.reads) == 3


async def test_a_task_that_stops_alone_waits_for_nobody_and_leaves_its_groups_free(store: Store) -> None:
    fleet = Fleet(store, 3)
    stopping = fleet.add()
    await fleet.rounds(1)
    await stopping.coordinator.hand_over(1000)
    await stopping.coordinator.release(1000)
    fleet.crash(stopping)
    successor = fleet.add()
    await fleet.rounds(1)
    assert len(successor.reads) == 3


async def test_a_task_stops_in_an_outage_of_the_store_too(store: Store) -> None:
    fleet = Fleet(store, 3)
    stopping = fleet.add()
    await fleet.rounds(1)
    store.down = True
    await stopping.coordinator.hand_over(1000)
    await stopping.coordinator.release(1000)
    assert "ConnectTimeoutError" in stopping.coordinator.trouble


EVENTS = st.lists(st.sampled_from(["round", "round", "round", "add", "crash", "outage", "stall"]), max_size=15)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.integers(1, 4), holders=st.integers(1, 2), events=EVENTS, settles=st.booleans())
async def test_whatever_happens_a_group_is_closed_only_where_another_reads_and_at_last_all_are_shared(
    dynamodb: Any, groups: int, holders: int, events: list[str], settles: bool
) -> None:
    fleet = Fleet(Store(dynamodb), groups, holders=holders)
    fleet.add()
    for event in events:
        match event:
            case "round":
                await fleet.rounds(1, settle=settles)
            case "add" if len(fleet.tasks) < 4:
                fleet.add()
            case "crash" if len(fleet.tasks) > 1:
                fleet.crash(fleet.tasks[0])
            case "outage":
                fleet.store.down = not fleet.store.down
            case "stall":
                fleet.now += 2 * SECONDS
    fleet.store.down = False
    await fleet.rounds_until_balanced()
