"""The real captures through both stages: nothing lost, nothing flagged in vain, bars as pandas makes them."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tickwire.bars import bars_from_trades
from tickwire.capture import read_capture
from tickwire.columns import TradeBatch
from tickwire.envelope import decode, encode
from tickwire.records import Bar, Header, Progress, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.validator import ValidatorSettings, ValidatorStage
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

# The captures' own receive clocks, or none: a replay must not judge them by today's.
SETTINGS = ValidatorSettings(max_age_seconds=1e9)
CAPTURES = [
    ("binance", "binance_spot_btcusdt_20240808.gz", {"BTC-USDT": 9_757}),
    ("binance", "binance_spot_ethusdt_20240808.gz", {"ETH-USDT": 6_106}),
    ("kraken", "kraken_v2_20260707.ndjson", None),
    ("coinbase", "coinbase_exchange_20260707.ndjson", None),
    ("binance", "binance_spot_20260707.ndjson", None),
]


def _raw_records(path: Path, feed_name: str, frames_each: int) -> list[Record]:
    feed, records, out = new_feed(feed_name), [], ParsedFrames()
    for number, captured in enumerate(read_capture(path), 1):
        feed.parse(captured.frame, captured.receive_time or 0, out)
        if number % frames_each == 0:
            records.append(_record(out))
            out = ParsedFrames()
    return [*records, _record(out)]


def _record(out: ParsedFrames) -> Record:
    return Record(
        header=Header(RecordKind.RAW, 0),
        trades=out.trades.batch(),
        quotes=out.quotes.batch(),
        heartbeats=tuple(out.heartbeats),
    )


class _Run:
    """Everything that came out of both stages, fed as the streams would."""

    def __init__(self, records: list[Record]) -> None:
        validator, signals = ValidatorStage(SETTINGS), SignalsStage(SignalsSettings())
        first, second = validator.new_state(), signals.new_state()
        clean: list[TradeBatch] = []
        self.quarantined, self.gaps = [], []
        self.progress: dict[str, Progress] = {}
        self.bars: dict[tuple[str, int, int], Bar] = {}
        for source, record in enumerate(records, 1):
            output = validator.process(first, decode(encode(record)), source)
            self.quarantined += output.quarantined
            if output.record is None:
                continue
            written = decode(encode(output.record))
            clean.append(written.trades)
            self.gaps += written.gaps
            self.progress.update((p.symbol, p) for p in written.progress)
            events = signals.process(second, written, written.header.counter).record
            for bar in events.bars if events is not None else ():
                self.bars[bar.symbol, bar.interval, bar.start] = bar
        self.trades = TradeBatch.concat(clean)


@pytest.mark.parametrize("frames_each", [7, 500])
@pytest.mark.parametrize(("feed", "file", "expected"), CAPTURES)
def test_every_trade_of_a_capture_comes_out_once_in_order_and_unflagged(realdata, feed, file, expected, frames_each):
    records = _raw_records(realdata / "captures" / file, feed, frames_each)
    sent = TradeBatch.concat([record.trades for record in records])
    run = _Run(records)
    ids = defaultdict(set)
    for index, trade_id in zip(sent.instrument.tolist(), sent.trade_id.tolist(), strict=True):
        ids[sent.instruments[index].symbol].add(trade_id)
    assert {symbol: p.accepted for symbol, p in run.progress.items()} == {s: len(i) for s, i in ids.items()}
    if expected is not None:
        assert {symbol: len(i) for symbol, i in ids.items()} == expected
    for progress in run.progress.values():
        assert progress.missing == progress.quarantined == 0
    assert (run.quarantined, run.gaps) == ([], [])
    for index in range(len(run.trades.instruments)):
        assert (np.diff(run.trades.trade_id[run.trades.instrument == index]) == 1).all()
    assert not (run.trades.flags & 2).any()


@pytest.mark.parametrize("interval", [1, 60])
@pytest.mark.parametrize(("feed", "file", "_expected"), CAPTURES[:3])
def test_live_bars_of_a_capture_are_those_that_pandas_makes_of_its_trades(realdata, feed, file, _expected, interval):
    records = _raw_records(realdata / "captures" / file, feed, 50)
    trades = TradeBatch.concat([record.trades for record in records])
    frame = pd.DataFrame({name: getattr(trades, name) for name in TradeBatch.COLUMNS})
    frame["symbol"] = [trades.instruments[i].symbol for i in trades.instrument]
    frame["start"] = frame["exchange_time"] // (interval * 10**9) * (interval * 10**9)
    frame["bought"] = frame["size"].where(frame["side"] == 1, 0)
    frame = frame.drop_duplicates(["symbol", "trade_id"]).sort_values(["symbol", "trade_id"])
    frame["notional"] = [
        Decimal(price) * Decimal(size) / 10**16 for price, size in zip(frame["price"], frame["size"], strict=True)
    ]
    expected = frame.groupby(["symbol", "start"]).agg(
        open=("price", "first"),
        high=("price", "max"),
        low=("price", "min"),
        close=("price", "last"),
        volume=("size", "sum"),
        bought=("bought", "sum"),
        notional=("notional", "sum"),
        trades=("trade_id", "count"),
    )
    run = _Run(records)
    live = {key: bar for key, bar in run.bars.items() if key[1] == interval}
    assert {(symbol, start) for symbol, _, start in live} == set(expected.index)
    for (symbol, start), row in expected.iterrows():
        bar = live[symbol, interval, start]
        assert (bar.open, bar.high, bar.low, bar.close) == (row.open, row.high, row.low, row.close)
        assert (bar.volume, bar.buy_volume, bar.notional) == (row.volume, row.bought, row.notional)
        assert bar.trades == row.trades
    offline = bars_from_trades(run.trades, interval)
    assert [(bar.symbol, bar.start, bar.notional) for bar in offline] == [
        (bar.symbol, bar.start, bar.notional) for _, bar in sorted(live.items())
    ]
