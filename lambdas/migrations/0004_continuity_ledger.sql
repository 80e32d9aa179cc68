-- The continuity ledger: of each symbol, which ids are accepted, missing, quarantined and absent, exactly.

CREATE TABLE ledger (
    venue       text           NOT NULL,
    symbol      text           NOT NULL,
    partition   integer        NOT NULL,
    counter     bigint         NOT NULL,
    first_id    bigint         NOT NULL,
    last_id     bigint         NOT NULL,
    missing     int8multirange NOT NULL,
    quarantined int8multirange NOT NULL,
    absent      int8multirange NOT NULL,
    accepted    bigint         NOT NULL,
    backfilled  bigint         NOT NULL,
    time_ns     bigint         NOT NULL,
    stored      int8multirange NOT NULL DEFAULT '{}',
    audited_at  timestamptz,
    PRIMARY KEY (venue, symbol)
) WITH (fillfactor = 70);
COMMENT ON TABLE ledger IS 'What became of each id from first_id to last_id; in none of the sets: accepted';
COMMENT ON COLUMN ledger.counter IS 'The record of trades-clean that last said something of the symbol';
COMMENT ON COLUMN ledger.quarantined IS 'Ids known only from rows that broke a rule or cannot be read; those are dead letters';
COMMENT ON COLUMN ledger.absent IS 'Ids that the venue itself does not have; the evidence is in findings';
COMMENT ON COLUMN ledger.accepted IS 'Number of accepted ids as the validator counts it';
COMMENT ON COLUMN ledger.backfilled IS 'How many trades came from the venue''s history';
COMMENT ON COLUMN ledger.stored IS 'Ids that the last audit found in the lake';

-- A range of int8 ends before its upper bound, so one that holds the highest int8 has none.
CREATE FUNCTION id_range(first_id bigint, last_id bigint) RETURNS int8range
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN last_id < first_id THEN 'empty'::int8range
        WHEN last_id = 9223372036854775807 THEN int8range(first_id, NULL, '[)')
        ELSE int8range(first_id, last_id, '[]')
    END;

CREATE FUNCTION multirange_count(ids int8multirange) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT coalesce(sum(coalesce(upper(part)::numeric, 9223372036854775808) - lower(part)), 0)::bigint
        FROM unnest(ids) AS part
    );

CREATE VIEW ledger_ids AS
SELECT
    venue,
    symbol,
    int8multirange(id_range(first_id, last_id)) - missing - quarantined - absent AS accepted,
    missing,
    quarantined,
    absent,
    multirange_count(missing) AS missing_count,
    multirange_count(quarantined) AS quarantined_count,
    multirange_count(absent) AS absent_count
FROM ledger;

CREATE TABLE findings (
    venue         text   NOT NULL,
    symbol        text   NOT NULL,
    first_id      bigint NOT NULL,
    last_id       bigint NOT NULL,
    kind          text   NOT NULL,
    evidence      text   NOT NULL,
    time_ns       bigint NOT NULL,
    after_time_ns bigint NOT NULL,
    PRIMARY KEY (venue, symbol, first_id, last_id, kind, time_ns)
);
COMMENT ON TABLE findings IS
    'What a look beyond the streams found out about ids, and took effect: absent, unreadable, reopen';

CREATE TABLE hours (
    venue    text        NOT NULL,
    symbol   text        NOT NULL,
    hour     timestamptz NOT NULL,
    trades   bigint      NOT NULL,
    first_id bigint      NOT NULL,
    last_id  bigint      NOT NULL,
    PRIMARY KEY (venue, symbol, hour)
) WITH (fillfactor = 90);
COMMENT ON COLUMN hours.trades IS 'Trades accepted, by exchange time; one that was reopened counts again when it comes again';

-- The same ids can be missing twice: they are filled, get lost in a store, and are reopened.
ALTER TABLE gaps
    DROP CONSTRAINT gaps_pkey,
    ADD PRIMARY KEY (venue, symbol, first_id, last_id, noticed_ns),
    ADD COLUMN after_time_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN before_time_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN remaining bigint NOT NULL DEFAULT 0,
    ADD COLUMN live bigint NOT NULL DEFAULT 0,
    ADD COLUMN history bigint NOT NULL DEFAULT 0,
    ADD COLUMN absent bigint NOT NULL DEFAULT 0,
    ADD COLUMN quarantined bigint NOT NULL DEFAULT 0,
    ADD COLUMN closed_ns bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN gaps.remaining IS 'Ids still missing; with live, history, absent and quarantined all ids of the gap';
COMMENT ON COLUMN gaps.live IS 'Ids that came on a stream after all';
COMMENT ON COLUMN gaps.history IS 'Ids that came from the venue''s history';
COMMENT ON COLUMN gaps.closed_ns IS 'When nothing remained; 0 while something does';
CREATE INDEX gaps_open ON gaps (venue, symbol) WHERE closed_ns = 0;

ALTER TABLE progress ADD COLUMN absent bigint NOT NULL DEFAULT 0;

ALTER TABLE stream_checkpoints ADD COLUMN source bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN stream_checkpoints.source IS
    'The record of trades-clean that the last one came from: what the sink holds is as of it';

CREATE TABLE bar_repairs (
    venue            text        NOT NULL,
    symbol           text        NOT NULL,
    interval_seconds integer     NOT NULL,
    start            timestamptz NOT NULL,
    partition        integer     NOT NULL,
    counter          bigint      NOT NULL,
    trades           bigint      NOT NULL,
    requested_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (venue, symbol, interval_seconds, start)
);
COMMENT ON TABLE bar_repairs IS
    'Bars to compute again from the lake; who did deletes the row if its counter is still the one that it saw';
COMMENT ON COLUMN bar_repairs.counter IS 'The newest record of trades-clean that asked for it: the lake must hold it first';
COMMENT ON COLUMN bar_repairs.trades IS 'Trades that the bar lacks';

-- A gap's ids are spread over the hours between the trades beside it in proportion to time.
CREATE VIEW completeness_by_hour AS
WITH bounds AS (
    SELECT
        *,
        coalesce(nullif(after_time_ns, 0), nullif(before_time_ns, 0), noticed_ns) AS from_ns,
        coalesce(nullif(before_time_ns, 0), nullif(after_time_ns, 0), noticed_ns) AS until_ns
    FROM gaps
    WHERE remaining + absent + quarantined > 0 OR cause = 'reopened'
), spread AS (
    SELECT
        gap.*,
        place.hour,
        CASE
            WHEN gap.until_ns <= gap.from_ns THEN 1
            ELSE (least(gap.until_ns, (place.hour + 1) * 3600000000000) - greatest(gap.from_ns, place.hour * 3600000000000))
                ::numeric / (gap.until_ns - gap.from_ns)
        END AS share
    FROM bounds AS gap
    CROSS JOIN LATERAL generate_series(
        gap.from_ns / 3600000000000, greatest(gap.from_ns, gap.until_ns) / 3600000000000
    ) AS place (hour)
), parts AS (
    SELECT venue, symbol, hour, trades::numeric AS trades, 0 AS missing, 0 AS absent, 0 AS quarantined FROM hours
    UNION ALL
    SELECT
        venue,
        symbol,
        to_timestamp(hour * 3600),
        -- The ids of a reopened gap were counted when they were accepted first, and are not stored.
        CASE WHEN cause = 'reopened' THEN -(last_id - first_id + 1) * share ELSE 0 END,
        remaining * share,
        absent * share,
        quarantined * share
    FROM spread
), sums AS (
    SELECT
        venue,
        symbol,
        hour,
        sum(trades) AS trades,
        sum(missing) AS missing,
        sum(absent) AS absent,
        sum(quarantined) AS quarantined
    FROM parts
    GROUP BY venue, symbol, hour
)
SELECT
    venue,
    symbol,
    hour,
    round(trades, 3) AS trades,
    round(missing, 3) AS missing,
    round(absent, 3) AS absent,
    round(quarantined, 3) AS quarantined,
    coalesce(round(1 - missing / nullif(trades + missing + absent + quarantined, 0), 12), 1) AS completeness
FROM sums;
COMMENT ON VIEW completeness_by_hour IS 'Share of each hour''s ids that are accounted for: stored, quarantined, or absent';

GRANT SELECT, INSERT, UPDATE ON ledger, hours, gaps TO tickwire_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON bar_repairs TO tickwire_writer;
GRANT SELECT, INSERT ON findings TO tickwire_writer;
GRANT SELECT ON ledger_ids, completeness_by_hour TO tickwire_writer;
