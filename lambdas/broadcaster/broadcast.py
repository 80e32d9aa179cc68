"""Takes event records to everyone who listens, in as few messages as possible.

A screen is not a store: nothing here fails the batch. A message that cannot be posted is dropped and
counted; what it said is in the next update or the next snapshot.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.broadcaster.last_values import LastValues
from lambdas.broadcaster.last_values_table import LastValuesTable
from lambdas.broadcaster.latency import HERE, Latencies, LatencyReport
from lambdas.broadcaster.messages import ANY_SYMBOL, Data, Item, update_messages
from lambdas.broadcaster.outbox import Outbox
from lambdas.broadcaster.subscribers import Subscribers
from lambdas.broadcaster.value import Value
from lambdas.broadcaster.values import values_of
from lambdas.delivery.event import StreamInput, decode_event, decode_input, inputs_by_partition, unbundled
from lambdas.delivery.tracing import RecordSegments
from tickwire.errors import DamagedRecord, UnknownRecordVersion
from tickwire.records import Header, Record, RecordKind

_log = Logger()
_encode = msgspec.json.Encoder().encode

Key = tuple[str, str]
"""(topic, symbol)"""


@dataclass(slots=True)
class BroadcastCounts:
    """What one invocation did, for metrics; ``latency`` where a report of it was due."""

    records: int = 0
    repeats: int = 0
    damaged: int = 0
    values: int = 0
    messages: int = 0
    dropped: int = 0
    gone: int = 0
    throttled: int = 0
    rows_stored: int = 0
    iterator_age_ms: float = 0.0
    latency: LatencyReport | None = None


@dataclass(slots=True)
class _Partition:
    """What this process knows of a partition; ``last`` is the counter of the last record."""

    last: int
    values: LastValues


class Broadcast:
    """Runs for every market-events event that the function is invoked with."""

    def __init__(
        self,
        subscribers: Subscribers,
        outbox: Outbox,
        table: LastValuesTable,
        *,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._subscribers = subscribers
        self._outbox = outbox
        self._table = table
        self._clock = clock
        self._monotonic = monotonic
        self._partitions: dict[int, _Partition] = {}
        self._latencies = Latencies()
        self._segments = RecordSegments(HERE)

    def run(self, event: Mapping[str, Any]) -> BroadcastCounts:
        """Send what the event's records say, then store the last values that are due."""
        began = self._clock()
        counts = BroadcastCounts()
        traced: list[Header] = []
        inputs = unbundled(decode_event(event))
        news: dict[Key, list[Data]] = defaultdict(list)
        for partition, group in inputs_by_partition(inputs).items():
            for value in self._take(partition, group, counts, traced):
                news[value.topic, value.symbol].append(value.data)
        now = self._clock()
        counts.latency = self._latencies.report(now=now)
        if counts.latency is not None:
            news["health", ANY_SYMBOL].append(counts.latency.data)
        counts.values = sum(map(len, news.values()))
        self._send(news, counts)
        self._segments.send(traced, work=(began, self._clock()))
        self._store(counts)
        if inputs:
            counts.iterator_age_ms = max(0.0, (now - inputs[-1].arrival) / 1e6)
        return counts

    def _take(
        self, number: int, inputs: Iterable[StreamInput], counts: BroadcastCounts, traced: list[Header]
    ) -> list[Value]:
        """Decode a partition's inputs, leave out repeats, and give their values; adds the traced ones' headers."""
        records: list[Record] = []
        for item in inputs:
            try:
                record = decode_input(item, kind=RecordKind.EVENTS)
            except (DamagedRecord, UnknownRecordVersion) as error:
                # The store's writer stops at this record; stopping the screens too would help nobody.
                _log.error("record left out", sequence_number=item.sequence_number, reason=str(error))
                counts.damaged += 1
                continue
            counter = record.header.counter
            partition = self._partitions.get(number)
            if partition is not None and counter <= partition.last:
                counts.repeats += 1
                continue
            if partition is None or counter != partition.last + 1:
                # Another process had the records between: what is remembered here is out of date.
                partition = self._partitions[number] = _Partition(counter, LastValues())
            partition.last = counter
            records.append(record)
            if record.header.trace is not None:
                traced.append(record.header)
            self._latencies.add(record, now=self._clock())
        counts.records += len(records)
        values = values_of(records, partition=number)
        if records:
            self._partitions[number].values.apply(values)
        return values

    def _send(self, news: Mapping[Key, Sequence[Data]], counts: BroadcastCounts) -> None:
        newcomers = self._subscribers.refresh(news)
        wanted: dict[str, list[tuple[Key, bool]]] = defaultdict(list)
        for key in news:
            for connection_id in self._subscribers.of(*key):
                wanted[connection_id].append((key, False))
        for key, connections in self._catch_up(newcomers).items():
            for connection_id in connections:
                wanted[connection_id] = [one for one in wanted[connection_id] if one[0] != key]
                wanted[connection_id].append((key, True))
        sent = self._clock()
        encoded: dict[tuple[Key, bool], Item] = {}
        prepared: dict[tuple[tuple[Key, bool], ...], list[bytes]] = {}
        deliveries: dict[str, list[bytes]] = {}
        for connection_id, parts in wanted.items():
            for part in parts:
                if part not in encoded:
                    key, from_memory = part
                    data = self._current(key) if from_memory else news[key]
                    encoded[part] = Item(*key, [_encode(one) for one in data])
            signature = tuple(parts)
            if signature not in prepared:
                prepared[signature] = update_messages([encoded[part] for part in parts], sent=sent)
            deliveries[connection_id] = prepared[signature]
        result = self._outbox.deliver(deliveries)
        counts.messages, counts.dropped, counts.gone = result.posted, result.dropped, result.gone
        counts.throttled = result.throttled

    def _catch_up(self, newcomers: Mapping[str, frozenset[str]]) -> dict[Key, frozenset[str]]:
        """Give, by key, who subscribed after updates that their snapshot may have missed."""
        late: dict[Key, frozenset[str]] = {}
        for partition in self._partitions.values():
            for topic, symbol in partition.values.keys() if newcomers else ():
                some = newcomers.get(f"{topic}#{symbol}", frozenset()) | newcomers.get(f"{topic}#*", frozenset())
                if some:
                    late[topic, symbol] = late.get((topic, symbol), frozenset()) | some
        return late

    def _current(self, key: Key) -> list[Data]:
        return [data for partition in self._partitions.values() for data in partition.values.current(*key)]

    def _store(self, counts: BroadcastCounts) -> None:
        now = self._monotonic()
        try:
            for partition in self._partitions.values():
                unread = partition.values.unread()
                if unread:
                    partition.values.continue_from(self._table.read(unread))
            rows = {number: partition.values.due(now) for number, partition in self._partitions.items()}
            stored = [row for some in rows.values() for row in some]
            lost = frozenset(self._table.write(stored))
            for number, some in rows.items():
                self._partitions[number].values.not_stored(row.place for row in some if row.place in lost)
            self._table.name_symbols((row.place.topic, row.place.symbol) for row in stored)
            counts.rows_stored = len(stored) - len(lost)
        except (BotoCoreError, ClientError) as error:
            _log.warning("last values not stored", reason=str(error))
