"""Several stages in one process, from raw JSON or from stream records to features."""

import time

import numpy as np

from benchmarks.frames import write_frames
from benchmarks.harness import Prepared
from benchmarks.market import cut, market_rate, opening, simulate, soil, sorted_trades
from benchmarks.pipeline import Features, Validation
from benchmarks.stages import make_records
from tickwire.columns import TradeBatch
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


def json_to_features(batch: int, symbols: int, trades: int, feed: str = "binance", dirty: bool = False) -> Prepared:
    """Raw JSON frames: parse, validate, bars, order flow, indicators."""
    clean = simulate(trades, symbols, feed=feed, rate=market_rate(batch))
    soiled = soil(clean) if dirty else None
    offered = clean if soiled is None else soiled.batch
    frames = write_frames(offered, feed)
    # All of a call come out of one read of a socket, and so share its time.
    chunks = [(frames[at : at + batch], int(offered.receive_time[at])) for at in range(0, len(frames), batch)]
    reader = new_feed(feed)

    facts = {"bytes_a_frame": sum(map(len, frames)) / len(frames)}

    def run(chain: Chain) -> Chain:
        out, calls = ParsedFrames(), []
        for some, received in chunks:
            began = time.perf_counter_ns()
            reader.parse_frames(FrameBuffer.received(some, received), out)
            chain.take(out.trades.batch())
            calls.append(time.perf_counter_ns() - began)
        assert not out.rejects
        if len(calls) >= _ENOUGH_CALLS:
            # The best of the passes, as for latency the other programs of a shared machine count in full.
            for percent in (50, 99):
                name = f"call_us_p{percent}"
                facts[name] = min(facts.get(name, float("inf")), float(np.percentile(calls, percent)) / 1_000)
        return chain

    def fresh() -> Chain:
        reader.reconnected()
        return Chain(clean)

    return Prepared(
        rows=len(offered),
        run=run,
        fresh=fresh,
        check=lambda got: check_features(got, clean, good=None if soiled is None else len(soiled.good)),
        facts=facts,
    )


def wire_to_features(batch: int, symbols: int, trades: int) -> Prepared:
    """Stream records: decode, validate, bars, order flow, indicators."""
    truth = simulate(trades, symbols, rate=market_rate(batch))
    bodies = [encode(record) for record in make_records(truth, batch)]

    def run(chain: Chain) -> Chain:
        for body in bodies:
            chain.take(decode(body).trades)
        return chain

    return Prepared(
        rows=trades,
        run=run,
        fresh=lambda: Chain(truth),
        check=lambda got: check_features(got, truth),
        facts={"bytes_a_trade": sum(map(len, bodies)) / trades},
    )


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
