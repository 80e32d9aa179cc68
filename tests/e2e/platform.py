"""A local stack under test: what its stores hold, its processes, and how to wait for it."""

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from urllib.request import Request, urlopen

import pandas as pd
import psycopg

from local.books import close_books
from local.completion import complete, made_ids
from local.stack import LocalPlatform, fetch
from tickwire.intervals import IntervalSet

from .captures import KEY, bars_of


def wait_until(condition: Callable[[], object], *, seconds: float, what: str, pause: float = 0.05) -> None:
    """Poll a condition until it holds, or fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(pause)


@dataclass(frozen=True, slots=True)
class Process:
    """One row of the system's table of processes."""

    pid: int
    parent: int
    command: str


def processes() -> list[Process]:
    """Give every process of this machine."""
    table = subprocess.run(["ps", "-axww", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
    rows = (line.split(None, 2) for line in table.stdout.splitlines())
    return [Process(int(row[0]), int(row[1]), row[2]) for row in rows if len(row) == 3]


@dataclass
class Platform:
    """A started stack, and the books of the ingestors that ran on it."""

    stack: LocalPlatform
    received: dict[str, int] = field(default_factory=dict)
    truth: dict[str, Any] | None = None
    statistics: dict[str, Any] = field(default_factory=dict)

    def ingest(self, feeds: list[Mapping[str, Any]]) -> None:
        """Start an ingestor that reads these connections."""
        self.stack.start_ingestor(feeds)

    def ingestor(self) -> dict[str, Any]:
        """Give the running ingestor's statistics."""
        return fetch(f"{self.stack.ingestor_url}/stats")

    def tell_truth(self) -> None:
        """Note what the stack's exchange has, by ``venue:SYMBOL``, for the books."""
        self.truth = fetch(f"{self.stack.exchange_url}/control/truth")

    def made(self) -> dict[str, IntervalSet]:
        """Give the ids of the trades that the stack's exchange has, by ``venue:SYMBOL``."""
        self.tell_truth()
        return made_ids(self.truth) or {}

    def order(self, *orders: Mapping[str, Any]) -> None:
        """Order faults at the stack's exchange."""
        body = json.dumps(orders).encode()
        with urlopen(Request(f"{self.stack.exchange_url}/control/faults", body, method="POST"), timeout=10) as reply:
            assert reply.status == 200

    def exchange_finished(self) -> bool:
        """Say whether the stack's exchange has played its recordings to the end."""
        return bool(fetch(f"{self.stack.exchange_url}/control/state")["finished"])

    def burst(self, key: str, *, trades: int) -> None:
        """Have the stack's simulated market make trades of a ``venue:SYMBOL`` within a tenth of a second."""
        body = json.dumps({"symbol": key, "trades": trades, "milliseconds": 100}).encode()
        with urlopen(Request(f"{self.stack.exchange_url}/control/burst", body, method="POST"), timeout=10) as reply:
            assert reply.status == 200

    def stop_exchange(self) -> None:
        """Have the stack's exchange end its market, and wait until it has sent everything."""
        fetch(f"{self.stack.exchange_url}/control/stop", method="POST")
        wait_until(self.exchange_finished, seconds=60, what="the exchange has ended")

    def finish(self, *, seconds: float = 150) -> dict[str, Any]:
        """Stop the ingestor, let everything through to the end, gaps filled, and give the books."""
        statistics = self.end(seconds=seconds)
        for key, symbol in statistics["symbols"].items():
            self.received[key] = self.received.get(key, 0) + symbol["trades"]
        self.statistics = statistics
        return self.books()

    def end(self, *, seconds: float = 150) -> dict[str, Any]:
        """Stop the ingestor, let everything through to the end, gaps filled, and give its statistics."""
        statistics = self.stack.stop_ingestor()
        left = complete(self.stack, seconds=seconds)
        assert not left, f"not within {seconds:g} s: {left}; {self.troubles()}"
        return statistics

    def books(self) -> dict[str, Any]:
        """Give the summary of all until the last :meth:`finish`; received is the sum over all ingestors."""
        symbols = {key: {"trades": count} for key, count in self.received.items()}
        return close_books(
            self.stack,
            ingested={**self.statistics, "symbols": symbols},
            backfilled=fetch(f"{self.stack.backfiller_url}/stats"),
            truth=self.truth,
        )

    def troubles(self) -> dict[str, str]:
        """Give the last error of each stream function that had one."""
        return {name: s.last_error for name, s in self.stack.function_statistics().items() if s.last_error}

    def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Ask the stack's PostgreSQL."""
        with psycopg.connect(self.stack.postgres.url) as connection:
            return connection.execute(sql, arguments).fetchall()  # type: ignore[arg-type]

    def stored_trades(self, symbols: Iterable[str]) -> pd.DataFrame:
        """Read every row that the lake has of some ``venue:SYMBOL``, as the oracle writes trades."""
        from lambdas.lake_committer.lake_table import glue_catalog

        table = glue_catalog().load_table((self.stack.output("LakeDatabaseName"), "trades"))
        rows = table.scan().to_arrow().to_pandas()
        rows = rows[(rows["venue"] + ":" + rows["symbol"]).isin(list(symbols))]
        rows = rows.rename(columns={"exchange_time_ns": "time"})
        return rows[[*KEY, "price", "size", "side", "time"]].sort_values(KEY, ignore_index=True)

    def stored_bars(self, symbols: Iterable[str], seconds: int) -> pd.DataFrame:
        """Read the bars of some ``venue:SYMBOL`` from PostgreSQL, as the oracle writes bars."""
        columns = "open, high, low, close, volume, buy_volume, notional, trades, first_id, last_id"
        rows = self.rows(
            f"SELECT venue, symbol, extract(epoch FROM start)::bigint, {columns} FROM bars"
            " WHERE interval_seconds = %s AND venue || ':' || symbol = ANY(%s) ORDER BY venue, symbol, start",
            seconds,
            list(symbols),
        )
        return pd.DataFrame(rows, columns=["venue", "symbol", "start", *columns.split(", ")])

    def progress(self, symbols: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Read what the validator says of some ``venue:SYMBOL``."""
        names = "first_id, last_id, accepted, duplicates, quarantined, quarantined_ids, missing, missing_ranges"
        rows = self.rows(
            f"SELECT venue || ':' || symbol, {names} FROM progress WHERE venue || ':' || symbol = ANY(%s)",
            list(symbols),
        )
        return {key: dict(zip(names.split(", "), row, strict=True)) for key, *row in rows}

    def workers(self, function: str) -> list[int]:
        """Give the process ids in which the emulator runs a function, by the name of its folder.

        They are children of this stack's emulator, and their code lies in a folder named by the function.
        """
        name = self.stack.deployment.functions[function]
        return [p.pid for p in processes() if p.parent == self.stack.emulator.pid and name in p.command]


def keys_of(trades: pd.DataFrame) -> list[str]:
    """Give the ``venue:SYMBOL`` of all trades."""
    return sorted(set(trades["venue"] + ":" + trades["symbol"]))


def assert_stored(platform: Platform, trades: pd.DataFrame, *, time_units: Mapping[str, int] | None = None) -> None:
    """Check that lake and PostgreSQL hold these trades and their bars, and of their symbols nothing else.

    ``time_units`` (ns by venue) is how exactly times are compared: Kraken's history tells tenths of
    the microseconds that its stream tells.
    """
    symbols = keys_of(trades)
    expected = trades.sort_values(KEY, ignore_index=True)[[*KEY, "price", "size", "side", "time"]]
    stored = platform.stored_trades(symbols)
    if time_units is not None:
        unit = stored["venue"].map(time_units)
        stored["time"] = stored["time"] // unit * unit
    ids, stored_ids = expected[KEY].apply(tuple, axis=1), stored[KEY].apply(tuple, axis=1)
    assert stored_ids[stored_ids.duplicated()].tolist() == [], "stored twice"
    assert sorted(set(ids) - set(stored_ids)) == [], "never stored"
    assert sorted(set(stored_ids) - set(ids)) == [], "stored, but never sent"
    assert_same_rows(expected, stored)
    for seconds in (1, 60):
        assert_same_rows(bars_of(trades, seconds), platform.stored_bars(symbols, seconds))


def assert_same_rows(expected: pd.DataFrame, found: pd.DataFrame, shown: int = 5) -> None:
    """Check that two frames hold the same rows in the same order."""
    assert list(expected.columns) == list(found.columns)
    # As Python objects: Decimal and int compare exactly.
    left, right = (frame.astype(object).to_dict("records") for frame in (expected, found))
    pairs = [pair for pair in zip_longest(left, right) if pair[0] != pair[1]]
    text = "\n".join(json.dumps(pair, default=str) for pair in pairs[:shown])
    assert not pairs, f"{len(pairs)} rows differ; expected, found:\n{text}"
