"""How much each stage writes for a load, and its CPU time: one logical partition's share, through the real stages.

    python -m benchmarks.volumes     the loads of the cost page, and benchmarks/results/volumes.json anew

A partition's symbols trade for some seconds of market time. What comes in a flush interval becomes a raw record, once
from each twin, and goes through the validator, the signals stage, the broadcaster's and the lake's encoders. Bytes
and rows follow from the market's seed; CPU seconds are those of this machine.
"""

import json
import math
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.market import narrowed, simulate, sorted_trades
from lambdas.broadcaster.last_values import LastValues
from lambdas.broadcaster.messages import Item, update_messages
from lambdas.broadcaster.roll_up import RollUp
from lambdas.broadcaster.value import Value
from lambdas.broadcaster.values import values_of
from lambdas.lake_writer.files import data_files
from lambdas.store_writer.changes import changes_of
from tickwire.columns import Int64, QuoteBatch, TradeBatch
from tickwire.envelope import decode, encode
from tickwire.records import Header, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.stage import Stage, State
from tickwire.stages.validator import ValidatorSettings, ValidatorStage

VOLUMES = Path(__file__).with_name("results") / "volumes.json"
QUOTES_PER_SECOND = 10
"""Of each symbol, the most that the ingestor lets through."""
_ROWS = 120_000
_SECONDS = (3, 12)
_WRITE_UNIT = 1_024
_SECOND = 10**9
_encode_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one partition has to do.

    ``trades`` are those of a second, over ``symbols``; a record goes out every ``seconds`` if there is anything in
    it, from each of ``twins`` ingestors.
    """

    trades: int
    symbols: int
    seconds: float
    twins: int

    def __str__(self) -> str:
        return (
            f"{self.trades} trades/s of {self.symbols} symbols, every {1_000 * self.seconds:g} ms, {self.twins} twins"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """One partition's figures, a second of market time; ``…_cpu`` are CPU seconds of one core a second.

    Attributes
    ----------
    raw_records, raw_bytes : from all twins
    clean_records, clean_bytes, event_records, event_bytes : envelopes, of which several may share a stream record
    lake_bytes : a trade, as Parquet
    validator_state, signals_state : bytes of the partition's state
    screen_bytes : of messages to a client that listens to all symbols
    write_units : of DynamoDB, 1 KiB each, for the last values
    rows : upserted in PostgreSQL, by batches of a second
    """

    raw_records: float
    raw_bytes: float
    clean_records: float
    clean_bytes: float
    event_records: float
    event_bytes: float
    lake_bytes: float
    validator_state: float
    signals_state: float
    screen_bytes: float
    write_units: float
    rows: float
    validator_cpu: float
    signals_cpu: float
    broadcaster_cpu: float
    lake_cpu: float


class _Runner:
    """One stage of the partition, from bytes to bytes."""

    def __init__(self, stage: Stage[State]) -> None:
        self._stage = stage
        self.state = stage.new_state()
        self.cpu = 0.0
        self.records = self.bytes = self._source = 0

    def take(self, data: bytes) -> bytes | None:
        """Process a record; gives the output's bytes."""
        began = time.process_time()
        self._source += 1
        output = self._stage.process(self.state, decode(data), self._source).record
        written = None if output is None else encode(output)
        self.cpu += time.process_time() - began
        if written is not None:
            self.records += 1
            self.bytes += len(written)
        return written

    @property
    def state_bytes(self) -> int:
        """The size of the state as it is saved."""
        return len(self._stage.dump(self.state))


def measure(share: Share) -> Volumes:
    """Run a partition's share of a load through the stages."""
    low, high = _SECONDS
    seconds = min(high, max(low, _ROWS // share.trades))
    trades = simulate(share.trades * seconds, share.symbols, rate=share.trades)
    ages = ValidatorSettings(max_age_seconds=1e9, max_ahead_seconds=1e9)
    validator, signals = _Runner(ValidatorStage(ages)), _Runner(SignalsStage(SignalsSettings()))
    screen = _Screen()
    clean: list[Record] = []
    events: list[Record] = []
    raw_records = raw_bytes = 0
    for record in _raw_records(trades, share, seconds):
        body = encode(record)
        for _ in range(share.twins):
            raw_records += 1
            raw_bytes += len(body)
            validated = validator.take(body)
            if validated is None:
                continue
            clean.append(decode(validated))
            derived = signals.take(validated)
            if derived is not None:
                events.append(decode(derived))
                screen.take(events[-1])
    began = time.process_time()
    lake = sum(len(file.body) for file in data_files(clean))
    lake_cpu = time.process_time() - began
    return Volumes(
        raw_records=raw_records / seconds,
        raw_bytes=raw_bytes / seconds,
        clean_records=validator.records / seconds,
        clean_bytes=validator.bytes / seconds,
        event_records=signals.records / seconds,
        event_bytes=signals.bytes / seconds,
        lake_bytes=lake / len(trades),
        validator_state=validator.state_bytes,
        signals_state=signals.state_bytes,
        screen_bytes=screen.bytes / seconds,
        write_units=screen.write_units / seconds,
        rows=_rows(events) / seconds,
        validator_cpu=validator.cpu / seconds,
        signals_cpu=signals.cpu / seconds,
        broadcaster_cpu=screen.cpu / seconds,
        lake_cpu=lake_cpu / seconds,
    )


class _Screen:
    """The broadcaster's work without its network: messages to one client, and the last values that fall due."""

    def __init__(self) -> None:
        self._values = LastValues()
        self._roll_up = RollUp()
        self.cpu = 0.0
        self.bytes = self.write_units = 0

    def take(self, record: Record) -> None:
        """Make the messages of a record, and the rows that fall due with it."""
        began = time.process_time()
        values = values_of([record], partition=record.header.partition)
        # This is of a process that has read what was stored before: nothing was.
        self._roll_up.take(values)
        self._roll_up.continue_from(dict.fromkeys(self._roll_up.unread(sys.maxsize), ()))
        values += self._roll_up.values()
        self._values.apply(values)
        self._values.continue_from(dict.fromkeys(self._values.unread(), ()))
        news: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        for value in values:
            news[value.topic, value.symbol].append(_json(value))
        items = [Item(*key, data) for key, data in news.items()]
        self.bytes += sum(map(len, update_messages(items, sent=record.header.created)))
        for row in self._values.due(record.header.created / _SECOND):
            self.write_units += math.ceil(len(_encode_json(row.data)) / _WRITE_UNIT)
        self.cpu += time.process_time() - began


def _json(value: Value) -> bytes:
    return _encode_json(value.data)


def _raw_records(trades: TradeBatch, share: Share, seconds: int) -> list[Record]:
    """Cut a market into the records of its flush intervals, with quotes."""
    start = int(trades.exchange_time[0])
    ticks = round(seconds / share.seconds)
    edges = np.searchsorted(trades.exchange_time, start + np.arange(ticks + 1) * int(share.seconds * _SECOND))
    random = np.random.default_rng(3)
    quoting = random.random((ticks, share.symbols)) < 1 - math.exp(-QUOTES_PER_SECOND * share.seconds)
    records = []
    for tick, (first, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        quoted = np.flatnonzero(quoting[tick])
        if first == end and not len(quoted):
            continue
        created = start + int((tick + 1) * share.seconds * _SECOND)
        records.append(
            Record(
                header=Header(RecordKind.RAW, 0, created=created, hops=(("ingestor", created),)),
                trades=narrowed(sorted_trades(trades.take(np.arange(first, end)))) if first < end else trades.empty(),
                quotes=_quotes(trades, quoted, tick, created),
            )
        )
    return records


def _quotes(trades: TradeBatch, quoted: Int64, tick: int, time_ns: int) -> QuoteBatch:
    """Give a quote of each symbol in ``quoted``, some ticks about a price."""
    if not len(quoted):
        return QuoteBatch.empty()
    rows = np.arange(len(quoted), dtype=np.int64)
    price = 100 * 10**8 + (quoted * 977 + tick * 31) % 5_000 * 10**6
    size = 10**5 * (1 + (quoted * 131 + tick * 17) % 900)
    times = np.full(len(quoted), time_ns, np.int64)
    instruments = tuple(trades.instruments[row] for row in quoted.tolist())
    return QuoteBatch(instruments, rows.astype(np.int32), price, size, price + 10**6, size, rows + tick, times, times)


def _rows(events: list[Record]) -> int:
    """Count the rows that the store writer upserts when it takes a second's records together."""
    batches: dict[int, list[Record]] = defaultdict(list)
    for record in events:
        batches[record.header.created // _SECOND].append(record)
    changes = map(changes_of, batches.values())
    return sum(len(one.bars) + len(one.progress) + len(one.ledger) + len(one.hours) for one in changes)


def read_volumes() -> dict[str, Volumes]:
    """Give what was measured last, by the text of its share."""
    return {share: Volumes(**figures) for share, figures in json.loads(VOLUMES.read_text()).items()}


def volumes_of(share: Share) -> Volumes:
    """Give what was measured of a share, or measure it now."""
    found = read_volumes().get(str(share)) if VOLUMES.exists() else None
    return found or measure(share)


def rounded(volumes: Volumes) -> Volumes:
    """Give the figures with four digits: more would change with every run."""
    return Volumes(**{one.name: float(f"{getattr(volumes, one.name):.4g}") for one in fields(volumes)})


def main() -> None:
    """Measure every share that the cost page needs, and keep the figures."""
    from cdk.costs.flow import measured
    from cdk.costs.page import shares_of_page

    # Compiles, and loads what the first use of each library loads.
    measure(Share(trades=100, symbols=2, seconds=0.02, twins=1))
    # What is not in the file is measured anew.
    VOLUMES.unlink(missing_ok=True)
    figures = {str(share): asdict(rounded(measured(share))) for share in shares_of_page()}
    VOLUMES.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
