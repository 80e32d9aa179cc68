-- The bars of 15 minutes that a model learns from and is judged on, from the lake's trades.
--
-- {first}, {holdout}, {end}: text of UTC midnights, 2026-11-27 00:00:00 UTC
-- {holdout_ns}: the second of them, ns UTC
-- {table}: the lake's table
--
-- The notional is summed as floats: a product of two decimals of 38 digits overflows.
--
-- Runs on Athena (engine version 3) and on DuckDB. The last column becomes the folder of a file.
SELECT
    venue,
    symbol,
    exchange_time_ns - exchange_time_ns % 900000000000 AS start,
    CAST(min_by(price, trade_id) AS DOUBLE) AS open,
    CAST(max(price) AS DOUBLE) AS high,
    CAST(min(price) AS DOUBLE) AS low,
    CAST(max_by(price, trade_id) AS DOUBLE) AS close,
    CAST(sum(size) AS DOUBLE) AS volume,
    CAST(sum(CASE WHEN side = 'buy' THEN size ELSE 0 END) AS DOUBLE) AS buy_volume,
    sum(CAST(price AS DOUBLE) * CAST(size AS DOUBLE)) AS notional,
    CAST(count(*) AS DOUBLE) AS trades,
    CASE WHEN exchange_time_ns - exchange_time_ns % 900000000000 < {holdout_ns} THEN 'train' ELSE 'holdout' END AS part
FROM {table}
WHERE exchange_time >= CAST('{first}' AS TIMESTAMP WITH TIME ZONE)
    AND exchange_time < CAST('{end}' AS TIMESTAMP WITH TIME ZONE)
GROUP BY 1, 2, 3, 12
