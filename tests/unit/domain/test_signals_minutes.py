"""What the signals stage concludes when a minute closes: from trades alone, with the truth by pandas and by hand."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from math import log
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import talib

from tickwire.bar_table import Key
from tickwire.columns import Side, TradeRows
from tickwire.conclusions import Direction
from tickwire.envelope import encode
from tickwire.errors import UnreadableState
from tickwire.features.bar_features import FEATURES
from tickwire.features.indicators import Indicators
from tickwire.features.minutes import MINUTE_NS, SLOTS, Minutes, minute_rows, new_rings, put_minutes
from tickwire.forecast.forecaster import Absent, Float32, Forecast, NoForecast, Origin
from tickwire.forecast.trading_signals import Costs
from tickwire.records import LAKE_REVISION, Bar, Header, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.signals_state import SignalsState
from tickwire.symbols import Instrument

SECOND = 1_000_000_000
MIDNIGHT = 1_700_006_400 * SECOND
BTC = Instrument("binance", "BTC-USDT", 2, 3)
ETH = Instrument("kraken", "ETH-USD", 2, 3)
BTC_KEY, ETH_KEY = ("binance", "BTC-USDT"), ("kraken", "ETH-USD")
ORIGIN = Origin("lstm", "7", "champion")


class MemoryHistory:
    """Rings in memory, which outlive a stage; counts what is asked of it."""

    def __init__(self) -> None:
        self.rings: dict[Key, Minutes] = {}
        self.reads: list[list[Key]] = []

    def put(self, rows: Mapping[Key, Minutes]) -> None:
        for key, of_key in rows.items():
            ring = self.rings.setdefault(key, new_rings(1))
            put_minutes(ring, np.zeros(len(of_key), np.intp), of_key)

    def read(self, symbols: Iterable[Key]) -> dict[Key, Minutes]:
        self.reads.append(list(symbols))
        return {key: self.rings.get(key, new_rings(1))[0].copy() for key in self.reads[-1]}

    def starts(self, key: Key) -> list[int]:
        """Minutes since MIDNIGHT of which there is a row."""
        rows = self.rings[key][0]
        return sorted((rows["start"][rows["volume"] > 0] - MIDNIGHT) // MINUTE_NS)


class Told:
    """A forecaster that gives 0.75, and remembers what it was asked."""

    def __init__(self, probability: float = 0.75) -> None:
        self.probability = probability
        self.calls: list[tuple[Float32, int]] = []
        self.symbols: list[Key] = []
        self.fails: Absent | None = None

    def prepare(self) -> None:
        return

    def forecast(self, rows: Float32, *, symbols: Sequence[Key], end: int) -> Forecast:
        self.calls.append((rows, end))
        self.symbols = list(symbols)
        if self.fails is not None:
            raise NoForecast(self.fails, "as told")
        return Forecast(np.full(len(rows), self.probability), ORIGIN)


def _history(*keys: Key, minutes: int = SLOTS, seed: int = 1) -> MemoryHistory:
    """Minutes of a random walk that end at MIDNIGHT."""
    history = MemoryHistory()
    for number, key in enumerate(keys):
        random = np.random.default_rng(seed + number)
        close = np.round(100 * np.exp(np.cumsum(random.normal(0, 1e-3, minutes))), 2)
        volume = random.exponential(3, minutes) + 0.1
        start = MIDNIGHT - MINUTE_NS * np.arange(minutes, 0, -1, dtype=np.int64)
        columns: dict[str, Any] = {"open": close, "high": close, "low": close, "close": close, "volume": volume}
        columns |= {"buy_volume": volume / 2, "notional": volume * close, "trades": np.ceil(volume)}
        history.put({key: minute_rows(start, **columns)})
    return history


def clean(*trades: tuple[Instrument, int, float, int], created: float, **sections: Any) -> Record:
    """A record of (instrument, id, seconds since MIDNIGHT, price in cents), each of 0.5, made at that second."""
    rows = TradeRows()
    for instrument, trade_id, seconds, price in trades:
        time = MIDNIGHT + round(seconds * SECOND)
        values = {"price": price, "size": 500, "side": Side.BUY, "exchange_time": time, "receive_time": time}
        rows.append(instrument, trade_id=trade_id, flags=0, **values)
    made = MIDNIGHT + round(created * SECOND)
    return Record(header=Header(RecordKind.CLEAN, 7, 1, "99", made), trades=rows.batch(), **sections)


class Run:
    """A stage on one partition."""

    def __init__(self, history: MemoryHistory, forecaster: Told | None = None, costs: Costs | None = None) -> None:
        settings = SignalsSettings(costs=costs or Costs())
        self.stage = SignalsStage(settings, history=history, forecaster=forecaster)
        self.state: SignalsState = self.stage.new_state()

    def __call__(self, record: Record) -> Record:
        output = self.stage.process(self.state, record, self.state.source + 1).record
        assert output is not None
        return output

    def restarted(self) -> "Run":
        """Give the run as another process goes on with it: with the saved state alone."""
        again = Run.__new__(Run)
        again.stage, again.state = self.stage, self.stage.load(self.stage.dump(self.state))
        return again


def test_a_minute_closes_with_the_first_record_made_after_its_end_as_its_bars_stand() -> None:
    run = Run(_history(BTC_KEY), told := Told())
    first = run(clean((BTC, 1, 10.0, 10_000), created=10.1))
    # The partition is new, so midnight closes, for the symbol that its first record brought.
    assert [one.time - MIDNIGHT for one in first.predictions] == [0]
    assert run(clean((BTC, 2, 59.9, 10_100), created=59.99)).predictions == ()
    (prediction,) = run(clean((BTC, 3, 60.01, 10_200), created=60.05)).predictions
    assert (prediction.venue, prediction.symbol) == BTC_KEY
    assert prediction.time == MIDNIGHT + MINUTE_NS
    # Not the trade after the minute's end, which the same record brought.
    assert prediction.close == 101.0
    assert (prediction.probability, prediction.absent, prediction.horizon) == (0.75, "", 900)
    assert (prediction.model, prediction.version, prediction.variant) == ("lstm", "7", "champion")
    assert [(rows.shape, end) for rows, end in told.calls] == [((1, 960), MIDNIGHT), ((1, 960), MIDNIGHT + MINUTE_NS)]
    assert run(clean((BTC, 4, 60.2, 10_200), created=60.25)).predictions == ()


def test_a_minute_closes_once_though_a_twins_record_was_made_before() -> None:
    run = Run(_history(BTC_KEY), told := Told())
    for trade_id, created in enumerate((60.01, 59.99, 60.02), 1):
        run(clean((BTC, trade_id, created, 10_000), created=created))
    assert [end for _, end in told.calls] == [MIDNIGHT + MINUTE_NS]


def test_all_symbols_of_a_minute_go_out_in_one_call_and_one_record() -> None:
    run = Run(_history(BTC_KEY, ETH_KEY), told := Told())
    run(clean((BTC, 1, 30.0, 10_000), (ETH, 1, 30.0, 10_000), created=30.0))
    # A record of nothing but a later clock.
    output = run(clean((ETH, 2, 60.5, 10_000), created=60.5))
    assert [(one.symbol, one.probability) for one in output.predictions] == [("BTC-USDT", 0.75), ("ETH-USD", 0.75)]
    assert [one.symbol for one in output.signals] == ["BTC-USDT", "ETH-USD"]
    assert [rows.shape for rows, _ in told.calls] == [(2, 960)] * 2
    assert told.symbols == [BTC_KEY, ETH_KEY]


def test_the_newest_features_are_told_and_none_looks_past_the_minute() -> None:
    run = Run(_history(BTC_KEY), told := Told())
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    (prediction,) = run(clean((BTC, 2, 60.5, 99_900), created=60.5)).predictions
    newest = told.calls[-1][0].reshape(60, 16)[-1]
    assert prediction.features == pytest.approx(newest.tolist())
    # Worked from the history: the log return over four trailing bars, in parts of its volatility.
    rows = _history(BTC_KEY).read([BTC_KEY])[BTC_KEY]
    close = pd.Series(rows["close"], index=pd.to_datetime(rows["start"])).sort_index()
    close.loc[pd.Timestamp(MIDNIGHT)] = 101.0
    bars = close.iloc[1:].to_numpy().reshape(96, 15)[:, -1]
    sigma = np.sqrt(np.mean(np.diff(np.log(bars[-37:])) ** 2))
    assert newest[FEATURES.index("return_4")] == pytest.approx(log(bars[-1] / bars[-5]) / (2 * sigma), rel=1e-5)


def test_indicators_go_out_for_what_traded_in_the_minute_and_are_talibs() -> None:
    history = _history(BTC_KEY, ETH_KEY)
    run = Run(history)
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    run(clean((BTC, 2, 40.0, 10_300), (ETH, 1, 60.1, 10_000), created=59.0))
    (values,) = run(clean((BTC, 3, 61.0, 10_000), created=61.0)).indicators
    assert (values.venue, values.symbol, values.interval, values.start) == (*BTC_KEY, 60, MIDNIGHT)
    rows = _history(BTC_KEY).read([BTC_KEY])[BTC_KEY]
    past = rows["close"][np.argsort(rows["start"])]
    close = np.append(past, 103.0)
    given = dict(zip(Indicators.INDICATORS, values.values, strict=True))
    assert given["rsi_14"] == pytest.approx(talib.RSI(close, 14)[-1], rel=1e-9)
    assert given["macd"] == pytest.approx(talib.MACD(close)[0][-1], rel=1e-9, abs=1e-12)
    assert given["bollinger_upper"] == pytest.approx(talib.BBANDS(close, 20)[0][-1], rel=1e-9)
    # The minute's low is its first trade, 101.
    high, low = np.append(past, 103.0), np.append(past, 101.0)
    assert given["atr_14"] == pytest.approx(talib.ATR(high, low, close, 14)[-1], rel=1e-9)


def test_without_history_indicators_have_no_value_yet_and_predictions_say_that_it_warms_up() -> None:
    run = Run(MemoryHistory(), told := Told())
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    output = run(clean((BTC, 2, 61.0, 10_100), created=61.0))
    assert output.indicators[0].values == (None,) * 9
    (prediction,) = output.predictions
    assert (prediction.probability, prediction.absent, prediction.close) == (None, "warming_up", 101.0)
    assert prediction.features == ()
    assert (output.signals, told.calls) == ((), [])


@pytest.mark.parametrize(("minutes", "absent"), [(71 * 15, "warming_up"), (71 * 15 + 1, "")])
def test_warm_is_who_has_features_of_48_bars(minutes: int, absent: str) -> None:
    # The first of them with features is the 25th, which has 24 returns; so it takes 72, the first of them begun.
    run = Run(_history(BTC_KEY, minutes=minutes - 1), Told())
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    assert [one.absent for one in run(clean((BTC, 2, 61.0, 10_100), created=61.0)).predictions] == [absent]


def test_a_halted_symbol_is_told_as_such_until_it_is_a_day_ago() -> None:
    run = Run(_history(BTC_KEY), told := Told())
    run(clean((BTC, 1, 1.0, 10_100), created=1.0))
    calls = len(told.calls)
    minutes = {}
    for minute in (14, 16, 60, SLOTS, SLOTS + 1):
        (output,) = (run(clean((ETH, minute, 60.0 * minute, 10_000), created=60.0 * minute)),)
        minutes[minute] = [one.absent for one in output.predictions if one.symbol == "BTC-USDT"]
    # The trade at second 1 is in the bar that ends at minute 14, in none that ends at 16, and in no day at 1,441.
    assert minutes == {14: [""], 16: ["halted"], 60: ["halted"], SLOTS: ["halted"], SLOTS + 1: []}
    assert len(told.calls) == calls + 1


def test_an_endpoint_that_fails_stops_nothing_and_says_why() -> None:
    run = Run(_history(BTC_KEY), told := Told())
    told.fails = Absent.UNAVAILABLE
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    output = run(clean((BTC, 2, 61.0, 10_100), created=61.0))
    assert [(one.probability, one.absent) for one in output.predictions] == [(None, "unavailable")]
    assert len(output.indicators) == 1
    assert len(output.bars) == 3
    assert len(run.state.pending) == 0


def test_without_a_forecaster_there_are_no_predictions_at_all() -> None:
    run = Run(_history(BTC_KEY))
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    output = run(clean((BTC, 2, 61.0, 10_100), created=61.0))
    assert (output.predictions, output.signals, output.outcomes) == ((), (), ())
    assert len(output.indicators) == 1


@pytest.mark.parametrize(("price", "rose"), [(10_101, True), (10_099, False), (10_100, None)])
def test_the_outcome_comes_when_the_minute_at_the_horizon_closes(price: int, rose: bool | None) -> None:
    run = Run(_history(BTC_KEY), Told())
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    run(clean((BTC, 2, 61.0, 10_100), created=61.0))
    # Predicted at 60 s with a close of 101.00; the horizon is 960 s.
    before = run(clean((BTC, 3, 950.0, price), created=959.0))
    assert [one.time for one in before.outcomes] == [MIDNIGHT]
    output = run(clean((BTC, 4, 961.0, 10_500), created=961.0))
    (outcome,) = [one for one in output.outcomes if one.time == MIDNIGHT + MINUTE_NS]
    assert (outcome.close, outcome.closed_at, outcome.rose) == (101.0, price / 100, rose)
    assert (outcome.probability, outcome.horizon) == (0.75, 900)
    assert (outcome.model, outcome.version, outcome.variant) == ("lstm", "7", "champion")
    assert run(clean((BTC, 5, 1_021.0, 10_500), created=1_021.0)).outcomes == ()


def test_an_outcome_is_told_late_rather_than_never_and_not_of_a_horizon_without_a_trade() -> None:
    run = Run(_history(BTC_KEY, ETH_KEY), Told())
    run(clean((BTC, 1, 30.0, 10_100), (ETH, 1, 30.0, 10_100), created=30.0))
    run(clean((BTC, 2, 61.0, 10_200), created=61.0))
    output = run(clean((BTC, 3, 5_000.0, 10_500), created=5_000.0))
    told = {(one.symbol, (one.time - MIDNIGHT) // MINUTE_NS): one.closed_at for one in output.outcomes}
    # Both traded within 15 minutes of midnight; of 60 s, only BTC did.
    assert told == {("BTC-USDT", 0): 102.0, ("ETH-USD", 0): 101.0, ("BTC-USDT", 1): 102.0}
    assert len(run.state.pending) == 0


def test_a_signal_follows_from_the_prediction_and_the_windows_volatility() -> None:
    run = Run(_history(BTC_KEY), Told(0.9), Costs(fee=0.0, slippage=0.0))
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    output = run(clean((BTC, 2, 61.0, 10_100), created=61.0))
    (signal,), (prediction,) = output.signals, output.predictions
    assert (signal.direction, signal.price, signal.time) == (Direction.LONG, 101.0, prediction.time)
    assert signal.confidence == pytest.approx(0.8)
    assert signal.invalidation is not None
    # Expected is 0.8 of the mean move of 0.798 σ, and 1.5 σ below it is void.
    sigma = signal.expected_move / 0.8 / np.sqrt(2 / np.pi)
    assert signal.invalidation == pytest.approx(101 * np.exp(-1.5 * sigma))
    assert 0.001 < sigma < 0.02


def test_minutes_are_stored_when_they_close_and_again_when_they_are_final() -> None:
    history = MemoryHistory()
    run = Run(history)
    run(clean((BTC, 1, 30.0, 10_000), created=30.0))
    assert history.rings == {}
    run(clean((BTC, 2, 60.5, 10_100), created=60.5))
    assert history.starts(BTC_KEY) == [0]
    # A trade that was under way when the minute closed.
    run(clean((BTC, 3, 59.9, 10_200), created=60.6))
    assert history.rings[BTC_KEY][0][0]["close"] == 100.0
    run(clean((BTC, 4, 121.0, 10_300), created=119.0))
    ring = history.rings[BTC_KEY][0]
    assert (ring[0]["close"], ring[0]["high"], ring[0]["trades"]) == (102.0, 102.0, 2)
    assert (ring[0]["volume"], ring[0]["buy_volume"], ring[0]["notional"]) == (1.0, 1.0, 101.0)
    run(clean((BTC, 5, 122.0, 10_300), created=122.0))
    assert history.starts(BTC_KEY) == [0, 1]


def test_a_bar_that_was_computed_again_from_the_lake_takes_its_minute() -> None:
    history = _history(BTC_KEY)
    run = Run(history, Told())
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    run(clean((BTC, 2, 61.0, 10_100), created=61.0))
    bar = Bar(
        *("binance", "BTC-USDT", 60, MIDNIGHT - 2 * MINUTE_NS, 2, 3, 10_000, 11_000, 9_000, 10_500),
        *(2_000, 1_000, Decimal("210.0"), 4, 1, 4, LAKE_REVISION, True, 0),
    )
    run(clean((BTC, 3, 62.0, 10_100), created=62.0, bars=(bar,)))
    row = history.read([BTC_KEY])[BTC_KEY][SLOTS - 2]
    assert (row["start"], row["high"], row["low"], row["close"]) == (bar.start, 110.0, 90.0, 105.0)
    assert (row["volume"], row["buy_volume"], row["notional"], row["trades"]) == (2.0, 1.0, 210.0, 4.0)
    assert run.state.rings is not None
    assert run.state.rings.minutes[0][SLOTS - 2] == row


def test_a_minute_of_more_than_a_day_ago_does_not_take_todays_slot() -> None:
    history = _history(BTC_KEY)
    run = Run(history)
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    before = history.rings[BTC_KEY].copy()
    old = Bar(
        *("binance", "BTC-USDT", 60, MIDNIGHT - (SLOTS + 1) * MINUTE_NS, 2, 3, 1, 1, 1, 1),
        *(1, 1, Decimal(1), 1, 1, 1, LAKE_REVISION, True, 0),
    )
    run(clean((BTC, 2, 31.0, 10_100), created=31.0, bars=(old,)))
    assert (history.rings[BTC_KEY] == before).all()


def test_a_process_that_starts_predicts_at_once_and_the_same() -> None:
    told = Told()
    run = Run(history := _history(BTC_KEY), told)
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    run(clean((BTC, 2, 61.0, 10_200), created=61.0))
    again = run.restarted()
    assert again.state.rings is None
    record = clean((BTC, 3, 121.0, 10_300), created=121.0)
    fresh, warm = again(record), run(record)
    assert encode(fresh) == encode(warm)
    assert fresh.predictions[0].probability == 0.75
    np.testing.assert_array_equal(told.calls[-1][0], told.calls[-2][0])
    assert again.stage.dump(again.state) == run.stage.dump(run.state)
    assert len(history.reads) == 2


def test_rings_in_memory_are_read_once_unless_history_may_yet_come() -> None:
    history = _history(BTC_KEY)
    run = Run(history, Told())
    for minute in range(4):
        run(clean((BTC, minute + 1, 60.0 * minute, 10_000), created=60.0 * minute))
    assert history.reads == [[BTC_KEY]]
    run(clean((ETH, 1, 250.0, 10_000), created=250.0))
    assert history.reads == [[BTC_KEY], [ETH_KEY]]
    assert [one.absent for one in run(clean((ETH, 2, 310.0, 10_000), created=310.0)).predictions] == ["", "warming_up"]
    # What another part fetches from the exchange.
    filled = _history(ETH_KEY).rings[ETH_KEY][0]
    history.rings[ETH_KEY][0][5:] = filled[5:]
    assert [one.absent for one in run(clean((ETH, 3, 370.0, 10_000), created=370.0)).predictions] == ["", ""]
    assert history.reads[2:] == [[ETH_KEY], [ETH_KEY]]
    run(clean((ETH, 4, 430.0, 10_000), created=430.0))
    assert len(history.reads) == 4


def test_what_waits_for_its_outcome_is_part_of_the_state_and_small() -> None:
    run = Run(_history(BTC_KEY, ETH_KEY), Told())
    for minute in range(20):
        seconds = 60.0 * minute
        run(clean((BTC, minute + 1, seconds, 10_000 + minute), (ETH, minute + 1, seconds, 9_000), created=seconds))
    assert len(run.state.pending) == 30
    again = run.restarted()
    assert again.state.pending.rows.tolist() == run.state.pending.rows.tolist()
    assert again.state.pending.origins == (ORIGIN,)
    assert again.stage.dump(again.state) == run.stage.dump(run.state)


def test_predictions_of_two_models_wait_side_by_side_and_the_older_is_forgotten_at_last() -> None:
    class Changing(Told):
        def forecast(self, rows: Float32, *, symbols: Sequence[Key], end: int) -> Forecast:
            version = "7" if end < MIDNIGHT + 5 * MINUTE_NS else "8"
            return Forecast(np.full(len(rows), 0.5), Origin("lstm", version, "champion"))

    run = Run(_history(BTC_KEY), Changing())
    outcomes = []
    for minute in range(25):
        output = run(clean((BTC, minute + 1, 60.0 * minute, 10_000), created=60.0 * minute))
        outcomes += [((one.time - MIDNIGHT) // MINUTE_NS, one.version) for one in output.outcomes]
        if minute == 6:
            assert [one.version for one in run.state.pending.origins] == ["7", "8"]
    assert outcomes == [(minute, "7" if minute < 5 else "8") for minute in range(10)]
    assert [one.version for one in run.state.pending.origins] == ["8"]


def test_a_damaged_list_of_pending_predictions_is_an_unreadable_state() -> None:
    run = Run(_history(BTC_KEY), Told())
    run(clean((BTC, 1, 30.0, 10_100), created=30.0))
    data = run.stage.dump(run.state)
    parts = msgspec.msgpack.decode(data[1:])
    for spoil in (lambda p: p[7].__setitem__(1, 2), lambda p: p[7][2].pop(), lambda p: p[7].__setitem__(0, [])):
        damaged = msgspec.msgpack.decode(msgspec.msgpack.encode(parts))
        spoil(damaged)
        with pytest.raises(UnreadableState, match="pending predictions"):
            run.stage.load(data[:1] + msgspec.msgpack.encode(damaged))
