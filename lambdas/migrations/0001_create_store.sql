-- What the functions write and the API reads. Times named *_ns are int64 nanoseconds since 1970, UTC.

CREATE TABLE stream_checkpoints (
    sink       text        NOT NULL,
    partition  integer     NOT NULL,
    counter    bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sink, partition)
);
COMMENT ON TABLE stream_checkpoints IS
    'The last record of each logical partition that a sink has stored, advanced in the same transaction as its rows';

CREATE TABLE bars (
    venue             text        NOT NULL,
    symbol            text        NOT NULL,
    interval_seconds  integer     NOT NULL,
    start             timestamptz NOT NULL,
    open              numeric     NOT NULL,
    high              numeric     NOT NULL,
    low               numeric     NOT NULL,
    close             numeric     NOT NULL,
    volume            numeric     NOT NULL,
    buy_volume        numeric     NOT NULL,
    notional          numeric     NOT NULL,
    trades            bigint      NOT NULL,
    first_id          bigint      NOT NULL,
    last_id           bigint      NOT NULL,
    revision          bigint      NOT NULL,
    final             boolean     NOT NULL,
    latest_receive_ns bigint      NOT NULL,
    PRIMARY KEY (venue, symbol, interval_seconds, start)
) PARTITION BY RANGE (start);
COMMENT ON COLUMN bars.buy_volume IS 'Volume of the trades in which the aggressor bought';
COMMENT ON COLUMN bars.notional IS 'Exact sum of price times size; divided by volume it is the VWAP';

-- Months come into being with their first bar: a replay brings old ones, and a default partition
-- that holds rows of a month would stand in the way of that month's own.
CREATE FUNCTION ensure_bars_partition(day date) RETURNS void
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    month date := date_trunc('month', day::timestamp)::date;
    child text := 'bars_' || to_char(month, 'YYYYMM');
BEGIN
    IF to_regclass(child) IS NOT NULL THEN
        RETURN;
    END IF;
    -- One at a time. A lock on the table, not an advisory one: only the former makes this session
    -- see the partition that another has just created.
    LOCK TABLE bars IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(child) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Created apart and attached, so that readers and writers of other months are not locked out.
    EXECUTE format('CREATE TABLE %I (LIKE bars INCLUDING ALL)', child);
    EXECUTE format(
        'ALTER TABLE bars ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        child, month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC'
    );
END
$$;

CREATE TABLE progress (
    venue           text   NOT NULL,
    symbol          text   NOT NULL,
    first_id        bigint NOT NULL,
    last_id         bigint NOT NULL,
    accepted        bigint NOT NULL,
    duplicates      bigint NOT NULL,
    quarantined     bigint NOT NULL,
    quarantined_ids bigint NOT NULL,
    missing         bigint NOT NULL,
    missing_ranges  jsonb  NOT NULL,
    time_ns         bigint NOT NULL,
    PRIMARY KEY (venue, symbol)
);
COMMENT ON TABLE progress IS 'How complete the record of each symbol is, in totals since its first trade';
COMMENT ON COLUMN progress.missing_ranges IS 'Up to 64 [first, last] pairs of ids, inclusive, oldest first';

CREATE TABLE gaps (
    venue      text   NOT NULL,
    symbol     text   NOT NULL,
    first_id   bigint NOT NULL,
    last_id    bigint NOT NULL,
    cause      text   NOT NULL,
    noticed_ns bigint NOT NULL,
    PRIMARY KEY (venue, symbol, first_id, last_id)
);

CREATE TABLE quarantined (
    key              text     PRIMARY KEY,
    venue            text     NOT NULL,
    symbol           text     NOT NULL,
    trade_id         bigint   NOT NULL,
    rule             text     NOT NULL,
    detail           text     NOT NULL,
    price            text     NOT NULL,
    size             text     NOT NULL,
    side             smallint NOT NULL,
    exchange_time_ns bigint   NOT NULL,
    receive_time_ns  bigint   NOT NULL
);
COMMENT ON TABLE quarantined IS 'Trades that broke a rule, each once however often it came';
CREATE INDEX quarantined_by_symbol ON quarantined (venue, symbol, receive_time_ns DESC);

CREATE TABLE notices (
    partition integer  NOT NULL,
    counter   bigint   NOT NULL,
    ordinal   smallint NOT NULL,
    venue     text     NOT NULL,
    kind      text     NOT NULL,
    text      text     NOT NULL,
    count     bigint   NOT NULL,
    time_ns   bigint   NOT NULL,
    PRIMARY KEY (partition, counter, ordinal)
);
CREATE INDEX notices_by_time ON notices (time_ns DESC);

CREATE TABLE dead_letters (
    kind       text        NOT NULL,
    key        text        NOT NULL,
    reason     text        NOT NULL,
    detail     text        NOT NULL,
    venue      text,
    symbol     text,
    fields     jsonb,
    body       bytea       NOT NULL,
    queue      text        NOT NULL,
    message_id text        NOT NULL,
    receipts   bigint      NOT NULL DEFAULT 1,
    time_ns    bigint,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, key)
);
COMMENT ON COLUMN dead_letters.body IS 'The message exactly as it came';
COMMENT ON COLUMN dead_letters.fields IS 'The message without its payload, for queries; null where it is no letter';
COMMENT ON COLUMN dead_letters.receipts IS 'How many messages brought this letter; SQS repeating one does not count';
CREATE INDEX dead_letters_by_time ON dead_letters (last_seen DESC);
CREATE INDEX dead_letters_by_reason ON dead_letters (kind, reason);
