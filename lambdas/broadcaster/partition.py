"""What a process knows of a partition: the last record, the numbers, the newest values."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from lambdas.broadcaster.conflation import Said
from lambdas.broadcaster.data_types import decode_data
from lambdas.broadcaster.heads import FORGET_SECONDS, Span
from lambdas.broadcaster.keys import keys_of
from lambdas.broadcaster.last_values import LastValues
from lambdas.broadcaster.replay_log import Recovered
from lambdas.broadcaster.replay_rows import Block, Checkpoint, Update
from lambdas.broadcaster.roll_up import RollUp
from lambdas.broadcaster.value import Key, Value
from tickwire.records import Record

CHECKPOINT_SECONDS = 5.0

_encode = msgspec.json.Encoder().encode


class Numbered(NamedTuple):
    """What consecutive records say of a key: the numbers that it got, and the values as JSON."""

    key: Key
    span: Span
    said: Sequence[Said]


class Partition:
    """Numbers a partition's values, record by record in order.

    Attributes
    ----------
    last : the counter of the last record
    values : the newest values, for snapshots
    roll_up : the longer bars
    """

    def __init__(self, source: int, recovered: Recovered, *, last: int) -> None:
        self._source = source
        self._heads = recovered.heads
        self._checked = float("-inf")
        self.last = last
        self.values = LastValues()
        self.roll_up = RollUp()
        self._restore(recovered)

    def checkpoint(self, now: float, *, time: int) -> Checkpoint | None:
        """Give what is to be stored of the numbers so far, if it is due (``now``: s, monotonic; ``time``: s UTC).

        What was done before the records at hand, which is done for good: Lambda hands on no later ones before.
        """
        if now - self._checked < CHECKPOINT_SECONDS:
            return None
        self._checked = now
        self._heads.forget(before=time - FORGET_SECONDS)
        not_stored = self.values.not_stored_from()
        return Checkpoint(self.last, self.last + 1 if not_stored is None else not_stored, self._heads.copy())

    def number(self, records: Sequence[Record], values: Iterable[Value], *, time: int) -> list[Numbered]:
        """Number the values of the records that follow the last (``time``: s UTC), and keep them for snapshots."""
        values = list(values)
        spans = self._heads.take(map(keys_of, records), now=time)
        said: dict[Key, list[Said]] = {key: [] for key in spans}
        for topic, symbol, at, keep, data in values:
            said[topic, symbol].append(Said(at, keep, data.order, msgspec.Raw(_encode(data))))
        self.values.apply(values, {key: span.last for key, span in spans.items()}, counter=self.last + 1)
        self.last = records[-1].header.counter
        return [Numbered(key, spans[key], said[key]) for key in spans]

    def block(self, first: int, numbered: Iterable[Numbered]) -> Block:
        """Give what :meth:`number` gave as a block of the log, from the record ``first``."""
        updates = [Update(*key, *span, said) for key, span, said in numbered]
        return Block(self._source, first, self.last, self._heads.floor, self._heads.base, updates)

    def _restore(self, recovered: Recovered) -> None:
        """Take what another process may not have stored yet."""
        for update in recovered.updates:
            values = [
                Value(*update.key, said.at, said.keep, decode_data(update.topic, said.data)) for said in update.said()
            ]
            self.values.apply(values, {update.key: update.last}, counter=recovered.since)
            self.roll_up.take(values)
