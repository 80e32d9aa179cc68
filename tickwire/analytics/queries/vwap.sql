-- VWAP: the volume-weighted average price of each symbol at each venue over a range of time.
--
-- :symbols  texts      canonical symbols         = 'BTC-USD', 'BTC-USDT'
-- :start    timestamp  first instant, inclusive  = current_timestamp - INTERVAL '1' DAY
-- :end      timestamp  last instant, exclusive   = current_timestamp
SELECT
    venue,
    symbol,
    sum(CAST(price AS DOUBLE) * CAST(size AS DOUBLE)) / CAST(sum(size) AS DOUBLE) AS vwap,
    sum(size) AS volume,
    count(*) AS trades,
    min(price) AS low,
    max(price) AS high
FROM trades
WHERE symbol IN (:symbols)
    AND exchange_time >= :start
    AND exchange_time < :end
GROUP BY venue, symbol
ORDER BY venue, symbol
