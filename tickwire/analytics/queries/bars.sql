-- Bars: open, high, low, close, volume and VWAP of each interval in which there was a trade.
--
-- Intervals are counted from 1970-01-01 UTC, and `start` is UTC. Open and close are the trades of
-- lowest and highest id, as in every other bar of Tickwire. Prices and volumes are exact, notional
-- and VWAP are doubles.
--
-- :symbols  texts      canonical symbols         = 'BTC-USD', 'BTC-USDT'
-- :seconds  integer    length of a bar           = 60
-- :start    timestamp  first instant, inclusive  = current_timestamp - INTERVAL '1' DAY
-- :end      timestamp  last instant, exclusive   = current_timestamp
SELECT
    venue,
    symbol,
    TIMESTAMP '1970-01-01 00:00:00' + INTERVAL '1' SECOND * bar AS start,
    min_by(price, trade_id) AS open,
    max(price) AS high,
    min(price) AS low,
    max_by(price, trade_id) AS close,
    sum(size) AS volume,
    coalesce(sum(size) FILTER (WHERE side = 'buy'), 0) AS buy_volume,
    sum(notional) AS notional,
    sum(notional) / CAST(sum(size) AS DOUBLE) AS vwap,
    count(*) AS trades,
    min(trade_id) AS first_id,
    max(trade_id) AS last_id
FROM (
    SELECT
        venue,
        symbol,
        trade_id,
        price,
        size,
        side,
        CAST(price AS DOUBLE) * CAST(size AS DOUBLE) AS notional,
        (exchange_time_ns - exchange_time_ns % (:seconds * CAST(1000000000 AS BIGINT))) / 1000000000 AS bar
    FROM trades
    WHERE symbol IN (:symbols)
        AND exchange_time >= :start
        AND exchange_time < :end
) AS placed
GROUP BY venue, symbol, bar
ORDER BY venue, symbol, bar
