-- Largest trades: those of the highest notional, of all symbols.
--
-- Notional is in each symbol's own quote currency, so trades against a stablecoin and against dollars
-- stand side by side.
--
-- :rows   integer    how many                  = 20
-- :start  timestamp  first instant, inclusive  = current_timestamp - INTERVAL '1' DAY
-- :end    timestamp  last instant, exclusive   = current_timestamp
SELECT
    venue,
    symbol,
    trade_id,
    exchange_time_ns,
    side,
    price,
    size,
    CAST(price AS DOUBLE) * CAST(size AS DOUBLE) AS notional
FROM trades
WHERE exchange_time >= :start
    AND exchange_time < :end
ORDER BY notional DESC, venue, symbol, trade_id
LIMIT :rows
