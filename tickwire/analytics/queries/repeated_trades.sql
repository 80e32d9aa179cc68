-- Repeated trades: ids that are stored more than once. There are none, or exactly-once is broken.
--
-- :start  timestamp  first instant, inclusive  = current_timestamp - INTERVAL '1' DAY
-- :end    timestamp  last instant, exclusive   = current_timestamp
SELECT
    venue,
    symbol,
    trade_id,
    count(*) AS stored,
    min(stream_partition) AS stream_partition,
    min(stream_counter) AS first_counter,
    max(stream_counter) AS last_counter
FROM trades
WHERE exchange_time >= :start
    AND exchange_time < :end
GROUP BY venue, symbol, trade_id
HAVING count(*) > 1
ORDER BY venue, symbol, trade_id
