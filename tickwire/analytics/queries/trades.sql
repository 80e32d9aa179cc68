-- Trades: every single one of some symbols, as it is stored.
--
-- :symbols  texts      canonical symbols         = 'BTC-USD', 'BTC-USDT'
-- :start    timestamp  first instant, inclusive  = current_timestamp - INTERVAL '1' HOUR
-- :end      timestamp  last instant, exclusive   = current_timestamp
SELECT
    venue,
    symbol,
    trade_id,
    price,
    size,
    side,
    exchange_time_ns,
    receive_time_ns
FROM trades
WHERE symbol IN (:symbols)
    AND exchange_time >= :start
    AND exchange_time < :end
ORDER BY venue, symbol, trade_id
