"""Leases against moto: by hand, against a plain model, and with others in between."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecs_tasks.shared.leases import Lease, Leases, Occupant
from ecs_tasks.shared.table import CoordinationUnavailable, NoCoordinationTable

SECONDS = 15.0
_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    return f"group-{next(_numbers)}"


@pytest.fixture
def holder(dynamodb: Any, shared: Any, clock: Any) -> Callable[..., Leases]:
    def new(holder: str, *, ahead: float = 0.0, client: Any = None) -> Leases:
        return Leases(client or dynamodb, table=shared.TABLE, holder=holder, seconds=SECONDS, now=clock.skewed(ahead))

    return new


def test_one_holder_takes_a_name_and_another_does_not(holder: Any, name: str) -> None:
    a, b = holder("a"), holder("b")
    assert a.acquire(name) == Lease(name, 0, "a", 1)
    assert b.acquire(name) is None


def test_a_lease_that_is_not_renewed_is_free_after_its_time_and_its_old_holder_hears_of_it(
    holder: Any, name: str, clock: Any
) -> None:
    a, b = holder("a"), holder("b")
    lost = a.acquire(name)
    clock.seconds += SECONDS - 0.01
    assert b.acquire(name) is None
    clock.seconds += 0.01
    assert b.acquire(name) == Lease(name, 0, "b", 2)
    assert not a.renew(lost)
    a.release(lost)
    assert a.acquire(name) is None
    assert b.renew(Lease(name, 0, "b", 2))


def test_a_renewed_lease_lasts(holder: Any, name: str, clock: Any) -> None:
    a, b = holder("a"), holder("b")
    lease = a.acquire(name)
    for _ in range(10):
        clock.seconds += SECONDS / 3
        assert a.renew(lease)
        assert b.acquire(name) is None


def test_an_expired_lease_that_nobody_took_is_renewed(holder: Any, name: str, clock: Any) -> None:
    a = holder("a")
    lease = a.acquire(name)
    clock.seconds += 100 * SECONDS
    assert a.renew(lease)
    assert holder("b").acquire(name) is None


def test_a_released_lease_is_free_at_once_and_its_token_goes_on(holder: Any, name: str) -> None:
    a, b = holder("a"), holder("b")
    a.release(a.acquire(name))
    lease = b.acquire(name)
    assert lease == Lease(name, 0, "b", 2)
    b.release(lease)
    assert a.acquire(name) == Lease(name, 0, "a", 3)


def test_only_the_own_lease_is_released(holder: Any, name: str) -> None:
    a, b = holder("a"), holder("b")
    held = a.acquire(name)
    b.release(Lease(name, 0, "b", held.token))
    a.release(Lease(name, 0, "a", held.token - 1))
    assert a.renew(held)
    assert b.acquire(name) is None


def test_two_slots_go_to_two_holders_and_never_to_one(holder: Any, name: str) -> None:
    a, b, c = holder("a"), holder("b"), holder("c")
    first = a.acquire(name, slots=2)
    assert a.acquire(name, slots=2) == first
    assert b.acquire(name, slots=2) == Lease(name, 1, "b", 1)
    assert c.acquire(name, slots=2) is None
    a.release(first)
    assert b.acquire(name, slots=2) == Lease(name, 1, "b", 1)
    assert c.acquire(name, slots=2) == Lease(name, 0, "c", 2)


def test_a_holder_that_acquires_from_many_threads_has_one_slot(
    holder: Any, name: str, dynamodb: Any, shared: Any
) -> None:
    a = holder("a", client=shared.Meddling(dynamodb))
    found = _at_once([lambda: a.acquire(name, slots=8)] * 8)
    assert set(found) == {Lease(name, 0, "a", 1)}


def test_of_many_holders_at_once_as_many_get_a_slot_as_there_are(
    holder: Any, name: str, dynamodb: Any, shared: Any
) -> None:
    client = shared.Meddling(dynamodb)
    holders = [holder(f"holder-{number}", client=client) for number in range(8)]
    for slots in (1, 2):
        group = f"{name}/{slots}"
        found = _at_once([lambda one=one, group=group, slots=slots: one.acquire(group, slots=slots) for one in holders])
        held = [lease for lease in found if lease is not None]
        assert sorted(lease.slot for lease in held) == list(range(slots))
        assert len({lease.holder for lease in held}) == slots


def _at_once(calls: Any) -> list[Lease | None]:
    found: list[Lease | None] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(number: int) -> None:
        start.wait()
        found[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_who_is_overtaken_between_reading_and_writing_gets_nothing(
    holder: Any, name: str, clock: Any, dynamodb: Any, shared: Any
) -> None:
    client = shared.Meddling(dynamodb)
    slow, quick = holder("slow", client=client), holder("quick")
    client.before = lambda: quick.acquire(name)
    assert slow.acquire(name) is None
    clock.seconds += SECONDS
    # Read as expired, but renewed before the write.
    client.before = lambda: quick.renew(Lease(name, 0, "quick", 1))
    assert slow.acquire(name) is None
    assert quick.renew(Lease(name, 0, "quick", 1))


@pytest.mark.parametrize("ahead", [-9.9, 9.9])
def test_clocks_apart_by_less_than_two_thirds_of_the_time_take_no_live_lease(
    holder: Any, name: str, clock: Any, ahead: float
) -> None:
    a, b = holder("a"), holder("b", ahead=ahead)
    lease = a.acquire(name)
    for _ in range(20):
        clock.seconds += SECONDS / 3 - 0.01
        assert b.acquire(name) is None
        assert a.renew(lease)


def test_a_dead_holders_clock_that_was_far_ahead_keeps_nothing_for_ever(holder: Any, name: str, clock: Any) -> None:
    holder("dead", ahead=1e6).acquire(name)
    b = holder("b")
    assert b.acquire(name) is None
    clock.seconds += SECONDS - 0.1
    assert b.acquire(name) is None
    clock.seconds += 0.1
    assert b.acquire(name) == Lease(name, 0, "b", 2)


def test_a_live_holders_clock_that_is_far_ahead_keeps_its_lease(holder: Any, name: str, clock: Any) -> None:
    a, b = holder("a", ahead=1e6), holder("b")
    lease = a.acquire(name)
    for _ in range(20):
        clock.seconds += SECONDS / 3
        assert a.renew(lease)
        assert b.acquire(name) is None


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "InternalServerError", "AccessDeniedException"]
)
def test_what_dynamodb_refuses_is_told_with_its_code(
    holder: Any, name: str, dynamodb: Any, shared: Any, code: str
) -> None:
    client = shared.Meddling(dynamodb)
    a = holder("a", client=client)
    client.failures = [shared.refused(code)]
    with pytest.raises(CoordinationUnavailable, match=code):
        a.acquire(name)
    assert a.acquire(name) == Lease(name, 0, "a", 1)


def test_an_acquisition_whose_answer_was_lost_can_be_repeated(
    holder: Any, name: str, dynamodb: Any, shared: Any
) -> None:
    client = shared.Meddling(dynamodb)
    a = holder("a", client=client)
    client.lost_answers = [shared.unreachable()]
    with pytest.raises(CoordinationUnavailable, match="ConnectTimeoutError"):
        a.acquire(name, slots=2)
    assert a.acquire(name, slots=2) == Lease(name, 0, "a", 1)


def test_a_table_that_does_not_exist_is_told_with_its_name(dynamodb: Any) -> None:
    leases = Leases(dynamodb, table="nowhere", holder="a")
    with pytest.raises(NoCoordinationTable, match="no DynamoDB table 'nowhere' at https://dynamodb"):
        leases.acquire("group")
    with pytest.raises(NoCoordinationTable):
        leases.renew(Lease("group", 0, "a", 1))


def test_wrong_arguments_are_refused(holder: Any, name: str, dynamodb: Any) -> None:
    with pytest.raises(ValueError, match="0 slots"):
        holder("a").acquire(name, slots=0)
    with pytest.raises(ValueError, match="holder"):
        holder("")
    with pytest.raises(ValueError, match="-1 s"):
        Leases(dynamodb, table="t", holder="a", seconds=-1)


def test_an_item_outlives_its_lease_by_far_so_that_tokens_go_on(
    holder: Any, name: str, clock: Any, dynamodb: Any, shared: Any
) -> None:
    holder("a").acquire(name)
    item = dynamodb.get_item(TableName=shared.TABLE, Key={"id": {"S": f"lease#{name}#0"}})["Item"]
    assert int(item["expires_at"]["N"]) - clock() > 29 * 86_400


class Model:
    """Leases as one would write them down: a list of (holder, end, token) per slot, one true clock."""

    def __init__(self, slots: int) -> None:
        self.slots: list[tuple[str | None, float, int]] = [(None, 0.0, 0)] * slots

    def acquire(self, holder: str, now: float) -> tuple[int, int] | None:
        for number, (owner, _, token) in enumerate(self.slots):
            if owner == holder:
                self.slots[number] = holder, now + SECONDS, token
                return number, token
        for number, (owner, end, token) in enumerate(self.slots):
            if owner is None or end <= now:
                self.slots[number] = holder, now + SECONDS, token + 1
                return number, token + 1
        return None

    def renew(self, holder: str, slot: int, token: int, now: float) -> bool:
        if self.slots[slot][0] != holder or self.slots[slot][2] != token:
            return False
        self.slots[slot] = holder, now + SECONDS, token
        return True

    def release(self, holder: str, slot: int, token: int) -> None:
        if self.slots[slot][0] == holder and self.slots[slot][2] == token:
            self.slots[slot] = None, 0.0, token


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "acquire", "renew", "release", "wait"]),
        st.integers(0, 2),
        st.sampled_from([0.0, 1.0, SECONDS / 3, SECONDS, 2 * SECONDS]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(slots=st.integers(1, 3), steps=STEPS)
def test_any_sequence_of_calls_goes_as_in_the_plain_model(
    dynamodb: Any, shared: Any, slots: int, steps: list[tuple[str, int, float]]
) -> None:
    clock, name = shared.Clock(), f"model-{next(_numbers)}"
    holders = [Leases(dynamodb, table=shared.TABLE, holder=h, seconds=SECONDS, now=clock) for h in "abc"]
    model = Model(slots)
    held: dict[str, Lease] = {}
    for action, number, seconds in steps:
        leases = holders[number]
        lease = held.get(leases.holder)
        if action == "wait":
            clock.seconds += seconds
        elif action == "acquire":
            found = leases.acquire(name, slots=slots)
            assert (None if found is None else (found.slot, found.token)) == model.acquire(leases.holder, clock())
            if found is not None:
                held[leases.holder] = found
        elif lease is not None and action == "renew":
            assert leases.renew(lease) == model.renew(leases.holder, lease.slot, lease.token, clock())
        elif lease is not None:
            leases.release(lease)
            model.release(leases.holder, lease.slot, lease.token)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slots=st.integers(1, 2),
    skews=st.lists(st.floats(-1000, 1000), min_size=3, max_size=3),
    steps=STEPS,
    overtaken=st.lists(st.integers(0, 2), max_size=6),
)
def test_whatever_the_clocks_say_and_whoever_comes_between_tokens_grow_and_no_holder_has_two_slots(
    dynamodb: Any,
    shared: Any,
    slots: int,
    skews: list[float],
    steps: list[tuple[str, int, float]],
    overtaken: list[int],
) -> None:
    clock, name = shared.Clock(), f"skew-{next(_numbers)}"
    client = shared.Meddling(dynamodb)

    def of(number: int, client: Any) -> Leases:
        return Leases(
            client, table=shared.TABLE, holder="abc"[number], seconds=SECONDS, now=clock.skewed(skews[number])
        )

    holders, others = [of(n, client) for n in range(3)], [of(n, dynamodb) for n in range(3)]
    acting = 0

    def meddle() -> None:
        if overtaken and (other := overtaken.pop()) != acting:
            others[other].acquire(name, slots=slots)

    client.before = meddle
    owners: dict[tuple[int, int], str] = {}
    tokens = [0] * slots
    held: dict[int, Lease] = {}
    for action, acting, seconds in steps:
        if action == "wait":
            clock.seconds += seconds
        elif action == "acquire":
            lease = holders[acting].acquire(name, slots=slots)
            if lease is not None:
                held[acting] = lease
        elif acting in held and action == "renew":
            holders[acting].renew(held[acting])
        elif acting in held:
            holders[acting].release(held[acting])
        seen = []
        for slot in range(slots):
            item = dynamodb.get_item(TableName=shared.TABLE, Key={"id": {"S": f"lease#{name}#{slot}"}}).get("Item")
            if item is not None:
                token = int(item["token"]["N"])
                assert token >= tokens[slot]
                tokens[slot] = token
                if "holder" in item:
                    assert owners.setdefault((slot, token), item["holder"]["S"]) == item["holder"]["S"]
                    seen.append(item["holder"]["S"])
        assert len(seen) == len(set(seen))


def test_an_offered_lease_is_kept_if_nobody_wants_it(holder: Any, name: str) -> None:
    a, b = holder("a"), holder("b")
    lease = a.acquire(name)
    a.offer(lease)
    assert a.renew(lease)
    assert b.acquire(name) is None


def test_an_offered_lease_goes_to_who_takes_it(holder: Any, name: str) -> None:
    a, b = holder("a"), holder("b")
    lease = a.acquire(name, slots=2)
    a.offer(lease)
    assert b.acquire(name, slots=2) == Lease(name, 0, "b", 2)
    assert not a.renew(lease)
    a.offer(lease)
    assert b.renew(Lease(name, 0, "b", 2))


def test_who_looks_sees_the_holder_and_whether_it_is_ready(holder: Any, name: str, clock: Any) -> None:
    a, b = holder("a"), holder("b")
    assert b.look(name, 0) is None
    lease = a.acquire(name)
    assert b.look(name, 0) == Occupant("a", ready=False)
    assert a.renew(lease, ready=True)
    assert a.renew(lease)
    assert b.look(name, 0) == Occupant("a", ready=True)
    clock.seconds += SECONDS
    assert b.look(name, 0) is None
    # Ready was the holder before, not this one.
    b.acquire(name)
    assert a.look(name, 0) == Occupant("b", ready=False)
