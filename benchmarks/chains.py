"""Several stages in one process, from raw JSON or from stream records to features."""

import time

import numpy as np

from benchmarks.frames import write_frames
from benchmarks.harness import Prepared
from benchmarks.market import cut, market_rate, opening, simulate, soil, sorted_trades
from benchmarks.pipeline import Features, Validation
from benchmarks.stages import make_records
from tickwire.columns import Int64, TradeBatch
from tickwire.envelope import decode, encode
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.frame_buffer import FrameBuffer
from tickwire.venues.registry import new_feed

_ENOUGH_CALLS = 500
"""Of fewer a percentile of the times says nothing."""


class Chain:
    """Trades as parsed, validated and made into features; all symbols of ``truth`` are known already."""

    def __init__(self, truth: TradeBatch) -> None:
        self.validation = Validation()
        self.features = Features()
        self.offered = 0
        self.broken = 0
        self.take(opening(truth))
        self.offered = self.features.trades = self.features.closed_bars = 0

    def take(self, batch: TradeBatch) -> None:
        """Take in what was parsed."""
        if not len(batch):
            return
        self.offered += len(batch)
        admission = self.validation.admit(batch)
        self.broken += int(np.count_nonzero(admission.codes))
        self.features.update(admission.trades)


def check_features(chain: Chain, truth: TradeBatch, *, good: int | None = None) -> None:
    """Check that exactly the trades that should came through, whichever symbol they are of.

    Raises
    ------
    AssertionError
        If not.
    """
    expected = len(truth) if good is None else good
    features = chain.features
    assert chain.offered >= expected, f"{chain.offered} trades were offered, not {expected}"
    assert features.trades == expected, f"{features.trades} trades came through, not {expected}"
    # Less the one that made the symbol known.
    accepted = {key: symbol.sequence.accepted - 1 for key, symbol in chain.validation.symbols.items()}
    if good is None:
        counts = np.bincount(truth.instrument, minlength=len(truth.instruments)).tolist()
        expected_counts = {(one.venue, one.symbol): n for one, n in zip(truth.instruments, counts, strict=True) if n}
        assert {key: n for key, n in accepted.items() if n} == expected_counts, "trades went to other symbols"
    assert sum(accepted.values()) == expected


def json_to_features(
    batch: int, symbols: int, trades: int, feed: str = "binance", dirty: bool = False, partitions: int = 1
) -> Prepared:
    """Raw JSON frames: parse, validate, bars, order flow, indicators.

    With ``partitions`` each has a connection and a state of its own, as on the platform.
    """
    clean = simulate(trades, symbols, feed=feed, rate=market_rate(batch * partitions))
    soiled = soil(clean) if dirty else None
    offered = clean if soiled is None else soiled.batch
    # All of a call come out of one read of a socket: they lie side by side in memory and share its time.
    calls = [
        (partition, write_frames(offered.take(rows), feed), int(offered.receive_time[rows[0]]))
        for partition, rows in calls_of(offered, batch, partitions)
    ]
    readers = [new_feed(feed) for _ in range(partitions)]
    facts = {"bytes_a_frame": sum(len(frame) for _, frames, _ in calls for frame in frames) / len(offered)}

    def run(chains: list[Chain]) -> list[Chain]:
        out, times = ParsedFrames(), []
        for partition, some, received in calls:
            began = time.perf_counter_ns()
            readers[partition].parse_frames(FrameBuffer.received(some, received), out)
            chains[partition].take(out.trades.batch())
            times.append(time.perf_counter_ns() - began)
        assert not out.rejects
        if len(times) >= _ENOUGH_CALLS:
            # The best of the passes, as for latency the other programs of a shared machine count in full.
            for percent in (50, 99):
                name = f"call_us_p{percent}"
                facts[name] = min(facts.get(name, float("inf")), float(np.percentile(times, percent)) / 1_000)
        return chains

    def fresh() -> list[Chain]:
        for reader in readers:
            reader.reconnected()
        return _chains(clean, partitions)

    def check(got: list[Chain]) -> None:
        if soiled is None:
            _check(got, clean)
        else:
            check_features(got[0], clean, good=len(soiled.good))

    return Prepared(rows=len(offered), run=run, fresh=fresh, check=check, facts=facts)


def wire_to_features(batch: int, symbols: int, trades: int, partitions: int = 1) -> Prepared:
    """Stream records: decode, validate, bars, order flow, indicators; with ``partitions`` each has its own state."""
    truth = simulate(trades, symbols, rate=market_rate(batch * partitions))
    bodies = [
        (partition, encode(record))
        for partition, rows in calls_of(truth, batch, partitions)
        for record in make_records(truth.take(rows), batch)
    ]

    def run(chains: list[Chain]) -> list[Chain]:
        for partition, body in bodies:
            chains[partition].take(decode(body).trades)
        return chains

    return Prepared(
        rows=trades,
        run=run,
        fresh=lambda: _chains(truth, partitions),
        check=lambda got: _check(got, truth),
        facts={"bytes_a_trade": sum(len(body) for _, body in bodies) / trades},
    )


def _of(trades: TradeBatch, partition: int, partitions: int) -> TradeBatch:
    return trades.take(np.flatnonzero(trades.instrument % partitions == partition))


def _chains(truth: TradeBatch, partitions: int) -> list[Chain]:
    return [Chain(_of(truth, partition, partitions)) for partition in range(partitions)]


def _check(chains: list[Chain], truth: TradeBatch) -> None:
    for partition, chain in enumerate(chains):
        check_features(chain, _of(truth, partition, len(chains)))


def calls_of(trades: TradeBatch, batch: int, partitions: int) -> list[tuple[int, Int64]]:
    """Give (partition, rows) of each call: ``batch`` rows of it at most, in the order in which they are full."""
    calls: list[tuple[int, Int64]] = []
    for partition in range(partitions):
        rows = np.flatnonzero(trades.instrument % partitions == partition)
        calls += [(partition, rows[at : at + batch]) for at in range(0, len(rows), batch)]
    return sorted(calls, key=lambda call: int(call[1][-1]))


def trades_to_features(batch: int, symbols: int, trades: int) -> Prepared:
    """Admitted trades: bars, order flow, indicators."""
    truth = simulate(trades, symbols, rate=market_rate(batch))
    batches = [sorted_trades(one) for one in cut(truth, batch)]

    def run(features: Features) -> Features:
        for one in batches:
            features.update(one)
        return features

    first = opening(truth)

    def fresh() -> Features:
        features = Features()
        features.update(first)
        features.trades = 0
        return features

    def check(features: Features) -> None:
        assert features.trades == trades
        assert features.closed_bars > 0, "no bar closed"

    return Prepared(rows=trades, run=run, fresh=fresh, check=check)
