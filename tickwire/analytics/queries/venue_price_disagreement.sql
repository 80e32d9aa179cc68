-- Venue price disagreement: how far the last prices of a symbol lie apart between venues, by interval.
--
-- Only intervals in which at least two venues traded the symbol. `basis_points` is the distance of the
-- highest last price from the lowest one, in hundredths of a percent of the lowest. `start` is UTC.
--
-- :seconds  integer    length of an interval     = 60
-- :start    timestamp  first instant, inclusive  = current_timestamp - INTERVAL '1' DAY
-- :end      timestamp  last instant, exclusive   = current_timestamp
WITH closes AS (
    SELECT
        venue,
        symbol,
        interval_start,
        max_by(price, trade_id) AS close
    FROM (
        SELECT
            venue,
            symbol,
            price,
            trade_id,
            (exchange_time_ns - exchange_time_ns % (:seconds * CAST(1000000000 AS BIGINT))) / 1000000000 AS interval_start
        FROM trades
        WHERE exchange_time >= :start
            AND exchange_time < :end
    ) AS placed
    GROUP BY venue, symbol, interval_start
)

SELECT
    symbol,
    TIMESTAMP '1970-01-01 00:00:00' + INTERVAL '1' SECOND * interval_start AS start,
    count(*) AS venues,
    min_by(venue, close) AS lowest_at,
    min(close) AS lowest,
    max_by(venue, close) AS highest_at,
    max(close) AS highest,
    CAST(max(close) - min(close) AS DOUBLE) / CAST(min(close) AS DOUBLE) * 10000 AS basis_points
FROM closes
GROUP BY symbol, interval_start
HAVING count(*) > 1
ORDER BY symbol, interval_start
