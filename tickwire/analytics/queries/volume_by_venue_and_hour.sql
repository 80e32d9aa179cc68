-- Volume by venue and hour: how much of each symbol was traded where, and how much of it was bought.
--
-- `hour` is UTC. `buy_share` is the part of the volume whose aggressor bought, 0 to 1.
--
-- :start  timestamp  first instant, inclusive  = current_timestamp - INTERVAL '1' DAY
-- :end    timestamp  last instant, exclusive   = current_timestamp
SELECT
    CAST(date_trunc('hour', exchange_time) AS TIMESTAMP) AS hour,
    venue,
    symbol,
    count(*) AS trades,
    sum(size) AS volume,
    sum(CAST(price AS DOUBLE) * CAST(size AS DOUBLE)) AS notional,
    coalesce(CAST(sum(size) FILTER (WHERE side = 'buy') AS DOUBLE), 0) / CAST(sum(size) AS DOUBLE) AS buy_share
FROM trades
WHERE exchange_time >= :start
    AND exchange_time < :end
GROUP BY date_trunc('hour', exchange_time), venue, symbol
ORDER BY hour, venue, symbol
