-- What is concluded from the market. Estimates, so floats; the indicators are not here: they are recomputed from bars.

CREATE TABLE predictions (
    venue           text             NOT NULL,
    symbol          text             NOT NULL,
    time            timestamptz      NOT NULL,
    horizon_seconds integer          NOT NULL,
    close           double precision NOT NULL,
    probability     double precision,
    absent          text             NOT NULL DEFAULT '',
    model           text             NOT NULL DEFAULT '',
    version         text             NOT NULL DEFAULT '',
    variant         text             NOT NULL DEFAULT '',
    features        real[]           NOT NULL DEFAULT '{}',
    closed_at       double precision,
    rose            boolean,
    scored_ns       bigint,
    PRIMARY KEY (venue, symbol, time, horizon_seconds)
) PARTITION BY RANGE (time);
COMMENT ON COLUMN predictions.time IS 'End of the newest minute that the prediction knows';
COMMENT ON COLUMN predictions.probability IS 'Of a higher close horizon_seconds later; null where absent says why';
COMMENT ON COLUMN predictions.features IS
    'Of the newest bar, in the order of the model''s schema, null where masked; empty where only the outcome came';
COMMENT ON COLUMN predictions.closed_at IS 'The close at the horizon; null while it is not known';
COMMENT ON COLUMN predictions.rose IS 'Whether it closed higher; null where it is not known, or closed level';
COMMENT ON COLUMN predictions.scored_ns IS 'When the outcome was concluded; null while there is none';

CREATE TABLE trading_signals (
    venue           text             NOT NULL,
    symbol          text             NOT NULL,
    time            timestamptz      NOT NULL,
    horizon_seconds integer          NOT NULL,
    direction       text             NOT NULL,
    confidence      double precision NOT NULL,
    price           double precision NOT NULL,
    invalidation    double precision,
    expected_move   double precision NOT NULL,
    reason          text             NOT NULL,
    PRIMARY KEY (venue, symbol, time, horizon_seconds)
) PARTITION BY RANGE (time);
COMMENT ON COLUMN trading_signals.invalidation IS 'The price at which the signal is void; null where flat';
COMMENT ON COLUMN trading_signals.expected_move IS 'Fraction of the price within the horizon, after costs';

CREATE TABLE whales (
    venues    text[]           NOT NULL,
    symbol    text             NOT NULL,
    side      smallint         NOT NULL,
    started   timestamptz      NOT NULL,
    ended     timestamptz      NOT NULL,
    trades    bigint           NOT NULL,
    notional  double precision NOT NULL,
    price     double precision NOT NULL,
    threshold double precision NOT NULL,
    first_id  bigint           NOT NULL,
    last_id   bigint           NOT NULL,
    PRIMARY KEY (symbol, started, venues, side, first_id)
) PARTITION BY RANGE (started);
COMMENT ON COLUMN whales.side IS '+1 if the aggressor bought, -1 if he sold';
COMMENT ON COLUMN whales.trades IS '1 is a single trade; a cluster that grows replaces what it was';
COMMENT ON COLUMN whales.first_id IS '0, as last_id, where the cluster lies on several venues';

CREATE TABLE anomalies (
    venue  text             NOT NULL,
    symbol text             NOT NULL,
    kind   text             NOT NULL,
    time   timestamptz      NOT NULL,
    value  double precision NOT NULL,
    usual  double precision NOT NULL,
    unit   text             NOT NULL,
    reason text             NOT NULL,
    PRIMARY KEY (venue, symbol, time, kind)
) PARTITION BY RANGE (time);
COMMENT ON COLUMN anomalies.usual IS 'The bound that value passed, both in unit';

-- One row a minute for the whole market: half a million a year need no months of their own.
CREATE TABLE sentiment (
    time    timestamptz      PRIMARY KEY,
    index   double precision NOT NULL,
    symbols integer          NOT NULL,
    parts   jsonb            NOT NULL
);
COMMENT ON COLUMN sentiment.index IS '0 (fear) to 100 (greed)';
COMMENT ON COLUMN sentiment.parts IS 'Objects of name, score, weight and value; index is the weighted mean of the scores';

-- As ensure_bars_partition, for the tables above.
CREATE FUNCTION ensure_conclusions_partition(day date) RETURNS void
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    month date := date_trunc('month', day::timestamp)::date;
    parent text;
    child text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['predictions', 'trading_signals', 'whales', 'anomalies'] LOOP
        child := parent || '_' || to_char(month, 'YYYYMM');
        CONTINUE WHEN to_regclass(child) IS NOT NULL;
        EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE', parent);
        CONTINUE WHEN to_regclass(child) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            parent, child,
            month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC'
        );
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION ensure_conclusions_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_conclusions_partition(date) TO tickwire_writer;
GRANT SELECT, INSERT, UPDATE ON predictions, whales, sentiment TO tickwire_writer;
GRANT SELECT, INSERT ON trading_signals, anomalies TO tickwire_writer;
GRANT SELECT ON predictions, trading_signals, whales, anomalies, sentiment TO tickwire_reader;
