"""The mood of the market worked by hand, against pandas, and as it must move with each thing that it is made of."""

from math import exp, log, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from tickwire.conclusions import Sentiment
from tickwire.detect.sentiment import MinuteFacts, SentimentIndex
from tickwire.errors import UnreadableState

START = 1_700_000_040_000_000_000
MINUTE = 60_000_000_000


def _facts(
    minute: int, open_: float, close: float, *, notional: float = 100.0, bought: float = 50.0, symbol: str = "BTC-USD"
) -> MinuteFacts:
    return MinuteFacts("kraken", symbol, START + minute * MINUTE, open_, close, notional, bought, 10)


def _parts(sentiment: Sentiment | None) -> dict[str, tuple[float, float, float]]:
    assert sentiment is not None
    return {part.name: (part.score, part.weight, part.value) for part in sentiment.parts}


def test_the_first_minute_knows_breadth_and_imbalance_alone():
    facts = [
        _facts(0, 100.0, 101.0, bought=75.0),
        _facts(0, 10.0, 9.0, bought=50.0, symbol="ETH-USD"),
        _facts(0, 1.0, 1.1, bought=25.0, symbol="SOL-USD"),
        _facts(0, 5.0, 5.0, bought=100.0, symbol="XRP-USD"),
    ]
    sentiment = SentimentIndex().update(START, facts)
    parts = _parts(sentiment)
    assert parts.keys() == {"breadth", "imbalance"}
    # Two rose, one fell, one stayed: 2.5 of 4. Imbalances are 0.5, 0, -0.5 and 1: the median is 0.25, one scale.
    assert parts["breadth"] == pytest.approx((62.5, 0.5, 0.625))
    assert parts["imbalance"] == pytest.approx((84.13447, 0.5, 0.25))
    assert sentiment is not None
    assert sentiment.index == pytest.approx((62.5 + 84.13447) / 2)
    assert (sentiment.time, sentiment.symbols) == (START + MINUTE, 4)


def test_an_asset_counts_once_however_many_venues_have_it():
    rising = [MinuteFacts(f"venue{k}", "BTC-USD", START, 1.0, 2.0, 9.0, 4.5, 1) for k in range(9)]
    sentiment = SentimentIndex().update(START, [*rising, _facts(0, 2.0, 1.0, symbol="ETH-USD")])
    assert _parts(sentiment)["breadth"][0] == 50.0
    assert sentiment is not None
    assert sentiment.symbols == 10


def test_coins_in_coins_and_money_in_money_say_nothing_of_the_mood():
    facts = [_facts(0, 1.0, 2.0, symbol=symbol) for symbol in ("ETH-BTC", "USDT-USD", "USDC-USDT", "EUR-USD")]
    assert SentimentIndex().update(START, facts) is None


def test_a_market_where_nobody_traded_has_no_mood():
    index = SentimentIndex()
    assert index.update(START, []) is None
    index.update(START + MINUTE, [_facts(1, 1.0, 1.0)])
    moods = [index.update(START + k * MINUTE, []) for k in range(2, 20)]
    # The trade stays within the window for fourteen minutes more.
    assert [mood is not None for mood in moods] == [True] * 14 + [False] * 4


def test_a_market_at_rest_is_neutral_in_every_part():
    index, price, mood = SentimentIndex(), 100.0, None
    for minute in range(200):
        # Up and down by turns, by the same log return: over 15 minutes that is one up or down.
        before, price = price, 100.0 if minute % 2 else 100.1
        mood = index.update(START + minute * MINUTE, [_facts(minute, before, price)])
    mood = index.update(START + 200 * MINUTE, [_facts(200, 100.0, 100.0)])
    parts = _parts(mood)
    assert parts.keys() == {"momentum", "breadth", "imbalance", "volatility", "volume"}
    assert [weight for _, weight, _ in parts.values()] == pytest.approx([0.3, 0.2, 0.2, 0.15, 0.15])
    for name in ("momentum", "breadth", "imbalance", "volume"):
        assert parts[name][0] == pytest.approx(50.0), name
    # Fourteen moves in place of fifteen are a little less than usual.
    assert parts["volatility"][2] == pytest.approx(-log(14 / 15) / 2)


def test_values_are_those_that_pandas_computes():
    random = np.random.default_rng(7)
    returns, notionals = random.normal(0, 1e-3, 400), random.lognormal(3, 1, 400)
    bought = notionals * random.random(400)
    closes = 50 * np.exp(np.cumsum(returns))
    index, moods = SentimentIndex(), []
    for k in range(400):
        open_ = 50.0 if k == 0 else closes[k - 1]
        facts = _facts(k, open_, closes[k], notional=notionals[k], bought=bought[k])
        moods.append(_parts(index.update(START + k * MINUTE, [facts])))
    r, v = pd.Series(returns), pd.Series(notionals)
    # The minute that is judged does not say what is usual.
    sigma = (r**2).ewm(halflife=1440).mean().shift() ** 0.5
    momentum = r.rolling(15).sum() / (sigma * sqrt(15))
    ln_sigma = np.log((r**2).rolling(15).mean()) / 2
    volatility = ln_sigma.ewm(halflife=1440, ignore_na=True).mean().shift() - ln_sigma
    ln_volume = np.log(v.rolling(15).mean())
    volume = ln_volume - ln_volume.ewm(halflife=1440, ignore_na=True).mean().shift()
    imbalance = (2 * pd.Series(bought) - v).rolling(15).sum() / v.rolling(15).sum()
    for k in (80, 150, 399):
        rose = float(r.rolling(15).sum()[k] > 0)
        expected = {
            "momentum": (momentum[k], 1.0),
            "imbalance": (imbalance[k], 0.25),
            "volatility": (volatility[k], 0.6),
            "volume": ((2 * rose - 1) * max(0.0, volume[k]), 0.7),
        }
        for name, (value, scale) in expected.items():
            assert moods[k][name][2] == pytest.approx(value, rel=1e-9, abs=1e-9), (k, name)
            assert moods[k][name][0] == pytest.approx(100 * norm.cdf(value / scale)), (k, name)


def test_parts_come_as_they_are_known():
    index, seen = SentimentIndex(), {}
    for k in range(90):
        price = 100.0 + k % 3
        for name in _parts(index.update(START + k * MINUTE, [_facts(k, 100.0, price)])):
            seen.setdefault(name, k)
    # Ten returns for the deviation; fifteen minutes fill the window, and sixty such windows are usual.
    assert seen == {"breadth": 0, "imbalance": 0, "momentum": 10, "volatility": 74, "volume": 74}


def test_after_a_long_pause_everything_begins_anew():
    index = SentimentIndex()
    for k in range(30):
        index.update(START + k * MINUTE, [_facts(k, 100.0, 100.0 + k % 2)])
    mood = index.update(START + 60 * MINUTE, [_facts(60, 900.0, 901.0)])
    assert _parts(mood).keys() == {"breadth", "imbalance"}


CHANGES = st.floats(-0.05, 0.05)
MARKETS = st.lists(st.tuples(CHANGES, CHANGES, st.floats(0, 1), st.floats(1, 1e6)), min_size=1, max_size=40)


def _run(market, *, saved: bool = False, lift: float = 0.0, bought: float = 0.0) -> Sentiment:
    """Two coins' minutes; ``lift`` is added to the last minute's returns, ``bought`` to its bought share."""
    index, prices, mood = SentimentIndex(), [100.0, 7.0], None
    for k, (first, second, share, notional) in enumerate(market):
        last = k == len(market) - 1
        facts = []
        for coin, change in enumerate((first, second)):
            before = prices[coin]
            prices[coin] *= exp(change + (lift if last else 0.0))
            part = min(1.0, share + (bought if last else 0.0))
            facts.append(
                _facts(k, before, prices[coin], notional=notional, bought=part * notional, symbol=f"C{coin}-USD")
            )
        mood = index.update(START + k * MINUTE, facts)
        index = SentimentIndex.load(index.dump()) if saved else index
    assert mood is not None
    return mood


@given(MARKETS)
@settings(deadline=None)
def test_the_index_is_the_mean_of_its_parts_within_bounds_and_survives_saving(market):
    mood = _run(market)
    assert 0 <= mood.index <= 100
    assert sum(part.weight for part in mood.parts) == pytest.approx(1)
    assert mood.index == pytest.approx(sum(part.weight * part.score for part in mood.parts))
    assert all(0 <= part.score <= 100 for part in mood.parts)
    assert _run(market, saved=True) == mood


@given(MARKETS, st.floats(0, 0.05), st.floats(0, 1))
@settings(deadline=None)
def test_a_higher_close_and_more_buying_never_make_the_mood_worse(market, lift, bought):
    usual, better = _parts(_run(market)), _parts(_run(market, lift=lift, bought=bought))
    for name in usual.keys() & {"momentum", "breadth", "imbalance"}:
        assert better[name][0] >= usual[name][0] - 1e-9


def test_what_is_not_a_state_is_refused():
    with pytest.raises(UnreadableState, match="version none"):
        SentimentIndex.load(b"")
    index = SentimentIndex()
    index.update(START, [_facts(0, 1.0, 2.0)])
    for end in range(1, len(index.dump())):
        with pytest.raises(UnreadableState):
            SentimentIndex.load(index.dump()[:end])
