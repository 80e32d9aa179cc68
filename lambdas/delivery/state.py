"""Stage state per logical partition in a durable Valkey, saved by compare-and-set.

A state is a hash ``tickwire:state:{stage:partition}`` of two fields: ``version`` and ``data``. A
version is ``<saves so far>.<random>``, never written twice, so that neither a late twin of an
invocation nor a store restored from a backup can be taken for the state that a process remembers.

Only commands of Valkey 7.2 and before are used, as Amazon MemoryDB runs them. A hash tag keeps each
state in one slot, so the same code runs on a cluster.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any, Generic
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import valkey
from valkey.backoff import ExponentialBackoff
from valkey.retry import Retry

from lambdas.delivery.state_login import StateLogin
from tickwire.errors import TickwireError
from tickwire.stages.stage import State, StateCodec

_SAVE = Path(__file__).with_name("save_state.lua").read_text()
_TIMEOUT_SECONDS = 2.0
_RETRIES = 2


class StateConflict(TickwireError):
    """Another invocation saved this partition's state since it was loaded: this one must stop."""


@dataclass(frozen=True, slots=True)
class PartitionState(Generic[State]):
    """A partition's state as loaded: ``state`` may be advanced in place, ``data`` stays as it was.

    ``version`` and ``data`` are empty where nothing was saved yet.
    """

    partition: int
    version: str
    data: bytes
    state: State


def connect(url: str) -> Any:
    """Open a client for ``valkey://host:port/0``, ``valkeys://`` for TLS, ``?cluster=true`` for a cluster.

    ``valkeys://user@host:port/0?iam=name`` logs in to MemoryDB's cluster of that name with a token of IAM.

    Connecting, reading and writing time out after 2 s; a lost connection is retried twice, which is
    safe because a save that already took place answers as if it took place now.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    cluster = options.pop("cluster", "false") == "true"
    shared: dict[str, Any] = {"socket_timeout": _TIMEOUT_SECONDS, "socket_connect_timeout": _TIMEOUT_SECONDS}
    if (name := options.pop("iam", None)) is not None:
        shared["credential_provider"] = StateLogin(user=parts.username or "", cluster=name)
        # The library takes a user's name from one place alone.
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    url = urlunsplit(parts._replace(query=urlencode(options)))
    if cluster:
        from valkey.cluster import ValkeyCluster

        open_cluster: Any = ValkeyCluster.from_url
        return open_cluster(url, **shared)
    return valkey.Valkey.from_url(
        url,
        **shared,
        socket_keepalive=True,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), _RETRIES),
        retry_on_error=[valkey.ConnectionError, valkey.TimeoutError],
    )


class PartitionStates(Generic[State]):
    """The states of one stage's partitions. Saved states stay in memory for the next invocation."""

    def __init__(self, client: Any, stage: StateCodec[State]) -> None:
        self._client = client
        self._stage = stage
        self._warm: dict[int, PartitionState[State]] = {}

    def load(self, partitions: Iterable[int]) -> dict[int, PartitionState[State]]:
        """Give each partition's state. One in memory is used only if Valkey holds that very version.

        Raises
        ------
        valkey.ValkeyError
            If Valkey cannot be reached or refuses.
        """
        wanted = list(partitions)
        # A loaded state will be advanced in place, so memory gives it up until it is saved.
        warm = {partition: self._warm.pop(partition) for partition in wanted if partition in self._warm}
        if warm:
            versions = self._read(list(warm), "version")
            warm = {
                p: held
                for (p, held), (version,) in zip(warm.items(), versions, strict=True)
                if version == held.version.encode()
            }
        cold = [partition for partition in wanted if partition not in warm]
        stored = self._read(cold, "version", "data") if cold else []
        return warm | {p: self._loaded(p, version, data) for p, (version, data) in zip(cold, stored, strict=True)}

    def look(self, partitions: Iterable[int]) -> dict[int, State]:
        """Give the partitions' states as Valkey has them now, to be looked at and not saved.

        Raises
        ------
        valkey.ValkeyError
            If Valkey cannot be reached or refuses.
        """
        wanted = list(partitions)
        stored = self._read(wanted, "data")
        return {
            partition: self._stage.new_state() if data is None else self._stage.load(data)
            for partition, (data,) in zip(wanted, stored, strict=True)
        }

    def rewound(self, held: PartitionState[State]) -> PartitionState[State]:
        """Give the state as it was loaded, whatever became of ``held.state`` since."""
        return replace(held, state=self._stage.load(held.data) if held.version else self._stage.new_state())

    def save(self, advanced: Iterable[PartitionState[State]]) -> dict[int, StateConflict]:
        """Save each state if nobody did since it was loaded; give the conflicts by partition.

        An unchanged state is not written. Saved states are kept for the next :meth:`load`.

        Raises
        ------
        valkey.ValkeyError
            If Valkey cannot be reached or refuses; which states are saved is then unknown, and the
            next load finds out.
        """
        changed: list[PartitionState[State]] = []
        expected: list[str] = []
        for held in advanced:
            data = self._stage.dump(held.state)
            if held.version and data == held.data:
                self._warm[held.partition] = held
                continue
            saves = int(held.version.partition(".")[0] or 0) + 1
            expected.append(held.version)
            changed.append(replace(held, version=f"{saves}.{token_hex(8)}", data=data))
        if not changed:
            return {}
        pipeline = self._client.pipeline(transaction=False)
        for held, before in zip(changed, expected, strict=True):
            # Not `eval`: valkey-py's cluster pipeline has every command but that method.
            pipeline.execute_command("EVAL", _SAVE, 1, self._key(held.partition), before, held.version, held.data)
        conflicts: dict[int, StateConflict] = {}
        for held, before, current in zip(changed, expected, pipeline.execute(), strict=True):
            if current == held.version.encode():
                self._warm[held.partition] = held
            else:
                conflicts[held.partition] = StateConflict(
                    f"{self._stage.name} partition {held.partition}: loaded version {before or 'none'},"
                    f" found {current.decode() or 'none'}"
                )
        return conflicts

    def _read(self, partitions: list[int], *fields: str) -> list[list[bytes | None]]:
        pipeline = self._client.pipeline(transaction=False)
        for partition in partitions:
            pipeline.hmget(self._key(partition), *fields)
        rows: list[list[bytes | None]] = pipeline.execute()
        return rows

    def _loaded(self, partition: int, version: bytes | None, data: bytes | None) -> PartitionState[State]:
        if version is None or data is None:
            return PartitionState(partition, "", b"", self._stage.new_state())
        return PartitionState(partition, version.decode(), data, self._stage.load(data))

    def _key(self, partition: int) -> str:
        return f"tickwire:state:{{{self._stage.name}:{partition}}}"
