"""What the signals stage tells of whales and anomalies, whenever it is restarted."""

import numpy as np

from tickwire.columns import QuoteRows, Side, TradeBatch, TradeRows
from tickwire.conclusions import Anomaly, AnomalyKind, Whale
from tickwire.records import Header, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.symbols import Instrument

BTC = Instrument("binance", "BTC-USDT", 2, 3)
START = 1_700_000_040_000_000_000
SECOND = 1_000_000_000
MINUTES = 40
TRADES_A_MINUTE = 60


def _trades(first_id: int, prices: list[int], sizes: list[int], times: list[int]) -> TradeBatch:
    rows = TradeRows()
    for k, (price, size, time) in enumerate(zip(prices, sizes, times, strict=True)):
        side = Side.BUY if k % 2 else Side.SELL
        rows.append(
            BTC, trade_id=first_id + k, price=price, size=size, side=side, exchange_time=time, receive_time=time
        )
    return rows.batch()


def _records() -> list[Record]:
    """Forty quiet minutes of a trade a second and a quote every fifteen, and then all at once."""
    random = np.random.default_rng(5)
    records, quotes = [], QuoteRows()
    for minute in range(MINUTES):
        times = [START + (60 * minute + second) * SECOND for second in range(TRADES_A_MINUTE)]
        prices = (100_00 + random.integers(-3, 4, TRADES_A_MINUTE)).tolist()
        sizes = random.integers(900, 1_100, TRADES_A_MINUTE).tolist()
        trades = _trades(1 + TRADES_A_MINUTE * minute, prices, sizes, times)
        for second in range(0, 60, 15):
            _quote(quotes, times[second], spread=1 + second % 2)
        # In three records, as the ingestor may cut them.
        for begin, end in ((0, 7), (7, 45), (45, TRADES_A_MINUTE)):
            part = trades.take(np.arange(begin, end))
            whole = quotes.batch() if end == TRADES_A_MINUTE else QuoteRows().batch()
            header = Header(RecordKind.CLEAN, 7, len(records) + 1, "9", int(part.exchange_time[-1]))
            records.append(Record(header=header, trades=part, quotes=whole))
    end = START + MINUTES * 60 * SECOND
    trades = _trades(1 + TRADES_A_MINUTE * MINUTES, [99_00, 98_00], [1_000, 90_000], [end, end + SECOND])
    records.append(Record(header=Header(RecordKind.CLEAN, 7, len(records) + 1, "9", end + SECOND), trades=trades))
    return records


def _quote(rows: QuoteRows, time: int, *, spread: int) -> None:
    ask = 100_00 + spread
    rows.append(
        *(BTC,),
        bid_price=100_00,
        bid_size=1,
        ask_price=ask,
        ask_size=1,
        update_id=0,
        exchange_time=time,
        receive_time=time,
    )


def _run(records: list[Record], *, restarted: bool) -> tuple[list[tuple[int, Whale]], list[tuple[int, Anomaly]], bytes]:
    """Give what was found, each with the counter of its record, and the last state."""
    stage = SignalsStage(SignalsSettings())
    state, whales, anomalies = stage.new_state(), [], []
    for record in records:
        output = stage.process(state, record, record.header.counter).record
        assert output is not None
        whales += [(output.header.counter, one) for one in output.whales]
        anomalies += [(output.header.counter, one) for one in output.anomalies]
        state = stage.load(stage.dump(state)) if restarted else state
    return whales, anomalies, stage.dump(state)


def test_a_fall_with_a_large_trade_is_both_told_with_its_record():
    records = _records()
    whales, anomalies, _ = _run(records, restarted=False)
    last_id = TRADES_A_MINUTE * MINUTES + 2
    # 90 coins at 98, where all others are about one at 100.
    assert [(counter, one.notional, one.first_id, one.side) for counter, one in whales] == [
        (len(records), 90 * 98.0, last_id, 1)
    ]
    assert [(counter, one.kind) for counter, one in anomalies] == [(len(records), AnomalyKind.PRICE)]
    assert "fell" in anomalies[0][1].reason


def test_restarts_change_nothing():
    records = _records()
    assert _run(records, restarted=True) == _run(records, restarted=False)
