-- Completeness by hour: each symbol's ids against the number of its trades, and how many are missing.
--
-- Ids are contiguous per symbol on all feeds, so between the hour before and the end of this one lie
-- `last_id` less the hour before's `last_id` trades. What is missing here may be quarantined or
-- absent at the exchange: the ledger tells, `tickwire audit` proves. Trades whose ids and times run
-- against each other at the turn of an hour show as missing in one hour and as surplus (below 0) in
-- the next; over the whole range they cancel out. `hour` is UTC.
--
-- :start  timestamp  first instant, inclusive  = current_timestamp - INTERVAL '1' DAY
-- :end    timestamp  last instant, exclusive   = current_timestamp
WITH hours AS (
    SELECT
        venue,
        symbol,
        CAST(date_trunc('hour', exchange_time) AS TIMESTAMP) AS hour,
        min(trade_id) AS first_id,
        max(trade_id) AS last_id,
        count(DISTINCT trade_id) AS stored,
        count(*) - count(DISTINCT trade_id) AS repeated
    FROM trades
    WHERE exchange_time >= :start
        AND exchange_time < :end
    GROUP BY venue, symbol, date_trunc('hour', exchange_time)
),

spans AS (
    SELECT
        *,
        last_id - coalesce(lag(last_id) OVER (PARTITION BY venue, symbol ORDER BY hour), first_id - 1) AS expected
    FROM hours
)

SELECT
    venue,
    symbol,
    hour,
    first_id,
    last_id,
    stored,
    repeated,
    expected - stored AS missing
FROM spans
ORDER BY venue, symbol, hour
