"""Reading the validator's states as its function writes them: what changed, and what cannot be read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecs_tasks.backfiller.states import ValidatorStates
from lambdas.delivery.state import PartitionStates, connect
from local.valkey import LocalValkey
from tickwire.stages.validator import ValidatorSettings, ValidatorStage
from tickwire.validation.state import SymbolState

KEY = ("binance", "BTC-USDT")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("valkey")
    with LocalValkey(folder) as server:
        yield server.url


@pytest.fixture
def client(url: str) -> Any:
    client = connect(url)
    client.flushall()
    return client


def save(client: Any, partition: int, *ids: int) -> None:
    """Let the validator's function see trades of these ids."""
    states = PartitionStates(client, ValidatorStage(ValidatorSettings()))
    held = states.load([partition])[partition]
    sequence = held.state.symbols.setdefault(KEY, SymbolState(8)).sequence
    for trade_id in ids:
        sequence.observe(trade_id, good=True, max_jump=1_000, time=1_000 * trade_id)
    held.state.counter += 1
    assert states.save([held]) == {}


def test_what_is_missing_and_since_which_time_is_read_where_it_changed(client: Any) -> None:
    states = ValidatorStates(client, partitions=3)
    assert states.look().symbols == {}
    save(client, 1, 10, 14, 15)
    seen = states.look().symbols[KEY]
    assert list(seen.missing.ranges()) == [(11, 13)]
    assert (seen.last_id, seen.last_time) == (15, 15_000)
    assert [(one.first, one.last, one.after_time, one.before_time) for one in seen.spans] == [(11, 13, 10_000, 14_000)]
    assert states.look().symbols == {}
    save(client, 1, 11, 12, 13)
    assert list(states.look().symbols[KEY].missing.ranges()) == []


def test_a_state_that_cannot_be_read_is_named_until_it_can_and_hides_no_other(client: Any) -> None:
    states = ValidatorStates(client, partitions=2)
    save(client, 1, 10, 12)
    client.hset("tickwire:state:{validator:0}", mapping={"version": "1.x", "data": b"\xff"})
    sight = states.look()
    assert sight.unreadable == {0: "validator state of version ff; this code reads 2"}
    assert list(sight.symbols) == [KEY]
    assert 0 in states.look().unreadable
    client.delete("tickwire:state:{validator:0}")
    save(client, 0, 7)
    assert states.look().unreadable == {}
