"""Reads from the validator's states what is missing; never writes there."""

from dataclasses import dataclass, field
from typing import Any

from tickwire.errors import UnreadableState
from tickwire.intervals import IntervalSet
from tickwire.validation.spans import Span
from tickwire.validation.state import load_state

_KEY = "tickwire:state:{{validator:{}}}"
"""As ``lambdas.delivery.state`` writes them."""


@dataclass(frozen=True, slots=True)
class SymbolSight:
    """What the validator says of one symbol: missing ids, their gaps, and its newest trade."""

    missing: IntervalSet
    spans: tuple[Span, ...]
    last_id: int
    last_time: int


@dataclass(slots=True)
class Sight:
    """What changed since the last look.

    Attributes
    ----------
    symbols : by (venue, symbol), of all partitions whose state changed
    unreadable : reasons by partition, as it stands now
    """

    symbols: dict[tuple[str, str], SymbolSight] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)


class ValidatorStates:
    """The validator's states of all partitions; those whose version is as before are not read again."""

    def __init__(self, client: Any, *, partitions: int) -> None:
        self._client = client
        self._keys = [_KEY.format(partition) for partition in range(partitions)]
        self._versions: list[bytes | None] = [None] * partitions
        self._unreadable: dict[int, str] = {}

    def look(self) -> Sight:
        """Read what changed.

        Raises
        ------
        valkey.ValkeyError
            If Valkey cannot be reached or refuses.
        """
        versions = self._read(range(len(self._keys)), "version")
        changed = [p for p, (version,) in enumerate(versions) if version is not None and version != self._versions[p]]
        sight = Sight(unreadable=self._unreadable)
        for partition, (version, data) in zip(changed, self._read(changed, "version", "data"), strict=True):
            if data is None:
                continue
            try:
                state = load_state(data)
            except UnreadableState as error:
                self._unreadable[partition] = str(error)
            else:
                self._unreadable.pop(partition, None)
                for key, symbol in state.symbols.items():
                    sequence = symbol.sequence
                    sight.symbols[key] = SymbolSight(
                        sequence.missing, tuple(sequence.spans), sequence.last_id, sequence.last_time
                    )
            self._versions[partition] = version
        return sight

    def _read(self, partitions: "range | list[int]", *fields: str) -> list[list[bytes | None]]:
        if not partitions:
            return []
        pipeline = self._client.pipeline(transaction=False)
        for partition in partitions:
            pipeline.hmget(self._keys[partition], *fields)
        rows: list[list[bytes | None]] = pipeline.execute()
        return rows
