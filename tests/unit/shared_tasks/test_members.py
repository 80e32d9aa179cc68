"""Members of a fleet, against moto."""

import itertools
from typing import Any

import pytest

from ecs_tasks.shared.members import FORGOTTEN_AFTER, Members
from ecs_tasks.shared.table import NoCoordinationTable

SECONDS = 15.0
_numbers = itertools.count()


@pytest.fixture
def member(dynamodb: Any, shared: Any, clock: Any) -> Any:
    fleet = f"fleet-{next(_numbers)}"

    def new(name: str) -> Members:
        return Members(dynamodb, table=shared.TABLE, fleet=fleet, member=name, seconds=SECONDS, now=clock)

    return new


def test_those_who_beat_live_and_those_who_leave_or_fall_silent_do_not(member: Any, clock: Any) -> None:
    a, b, c = member("a"), member("b.with-signs#1"), member("c")
    assert a.beat() == {"a"}
    assert b.beat() == {"a", "b.with-signs#1"}
    assert c.beat() == {"a", "b.with-signs#1", "c"}
    c.leave()
    clock.seconds += SECONDS - 1
    assert b.beat() == {"a", "b.with-signs#1"}
    clock.seconds += 1
    assert b.beat() == {"b.with-signs#1"}
    assert a.beat() == {"a", "b.with-signs#1"}


def test_the_dead_are_struck_off_after_a_while(member: Any, clock: Any, dynamodb: Any, shared: Any) -> None:
    dead, alive = member("dead"), member("alive")
    dead.beat()
    clock.seconds += (FORGOTTEN_AFTER + 1) * SECONDS + 1
    alive.beat()
    item = dynamodb.get_item(TableName=shared.TABLE, Key={"id": {"S": alive._key}})["Item"]
    assert {name for name in item if name.startswith("member:")} == {"member:alive"}


def test_a_table_that_does_not_exist_is_told(dynamodb: Any) -> None:
    with pytest.raises(NoCoordinationTable, match="nowhere"):
        Members(dynamodb, table="nowhere", fleet="f", member="a").beat()
