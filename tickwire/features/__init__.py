"""Numbers that describe a market: after every trade (order flow) and after every closed bar (indicators).

Both are incremental. What is remembered of thousands of symbols lies in a few arrays, one loop goes over
the columns of a batch, and neither history nor the number of symbols changes what a row costs. Cutting
the same rows into other calls, or saving and loading the state between them, changes no bit of what comes
out. Here prices and sizes are no longer fixed point: they are float64, in quote and base currency.

After every trade, of :class:`~tickwire.features.order_flow.OrderFlow`. A trade of age t (s) has the weight
``exp(-t / T)``; p is its price, q its size, s is +1 if the aggressor bought and -1 if he sold.

| feature | formula | T | unit | note |
|---|---|---|---|---|
| ``price_ewma_1s`` | Σw·p / Σw | 1 s | price | pandas' ``ewm(times=…, halflife=T·ln 2)`` |
| ``price_ewma_30s`` | Σw·p / Σw | 30 s | price | |
| ``vwap_30s`` | Σw·q·p / Σw·q | 30 s | price | decayed volume-weighted average price |
| ``imbalance_30s`` | Σw·q·s / Σw·q | 30 s | -1 to 1 | decayed buys less sells, by all |
| ``volatility_30s`` | √Σw·r² | 30 s | 1 | r = p / previous p - 1: the realised volatility of some 30 s |
| ``trend`` | ``price_ewma_1s`` / ``price_ewma_30s`` - 1 | 1 s, 30 s | 1 | fast less slow, in parts of slow |

After every closed bar, of :class:`~tickwire.features.indicators.Indicators`. "From bar" is the first bar
with a value, the first bar of the symbol being 1; before it the value is NaN, exactly where TA-Lib's is.

| indicator | formula | from bar | unit | the same as |
|---|---|---|---|---|
| ``rsi_14`` | 100·G / (G + L), Wilder's averages of gains and losses; 0 if none | 15 | 0 to 100 | ``talib.RSI`` |
| ``macd`` | EMA 12 - EMA 26 of close | 34 | price | ``talib.MACD`` |
| ``macd_signal`` | EMA 9 of ``macd`` | 34 | price | ``talib.MACD`` |
| ``bollinger_upper`` | mean + 2·σ of 20 closes, σ of the population | 20 | price | ``talib.BBANDS`` |
| ``bollinger_lower`` | mean - 2·σ | 20 | price | ``talib.BBANDS`` |
| ``atr_14`` | Wilder's average of the true range | 15 | price | ``talib.ATR`` |
| ``vwap_20`` | Σ notional / Σ volume of 20 bars | 20 | price | pandas' ``rolling(20).sum()`` |
| ``volatility_30`` | σ of 30 log returns of the sample (ddof 1), a bar | 31 | 1 | pandas' ``rolling(30).std()`` |
| ``imbalance_20`` | (Σ bought - Σ sold) / Σ volume of 20 bars | 20 | -1 to 1 | pandas' ``rolling(20).sum()`` |

Sources: J. Welles Wilder, New Concepts in Technical Trading Systems (1978), for RSI and ATR; TA-Lib for
how each average starts; O. Barndorff-Nielsen and N. Shephard, Econometric analysis of realized volatility
(J. R. Statist. Soc. B 64, 2002); U. Müller, Specially weighted moving averages with repeated application
of the EMA operator (1991), for exponential weights at irregular times.
"""

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
