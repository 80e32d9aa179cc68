-- Who did what, and the role that the operators' function logs in as, by IAM where there is RDS.

CREATE TABLE audit_log (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time       timestamptz NOT NULL DEFAULT clock_timestamp(),
    subject    text        NOT NULL,
    action     text        NOT NULL,
    target     text        NOT NULL,
    outcome    text        NOT NULL,
    detail     jsonb       NOT NULL DEFAULT '{}',
    request_id text        NOT NULL
);
COMMENT ON TABLE audit_log IS 'Every act of an operator, noted before it was done and again when it was; rows are only ever added';
COMMENT ON COLUMN audit_log.subject IS 'The user pool''s id of the user, or cli: and a name of the machine''s';
COMMENT ON COLUMN audit_log.outcome IS 'begun, done or failed';
CREATE INDEX audit_log_newest ON audit_log (time DESC, id DESC);

DO $$
BEGIN
    CREATE ROLE tickwire_operator LOGIN;
EXCEPTION
    -- Roles belong to the whole server, migrations to one database of it.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
        GRANT rds_iam TO tickwire_operator;
    END IF;
END
$$;

-- By the role, since RDS Proxy takes no options with a connection, and pins one that sets them later.
ALTER ROLE tickwire_operator SET statement_timeout = '10s';
ALTER ROLE tickwire_operator SET idle_in_transaction_session_timeout = '10s';

GRANT USAGE ON SCHEMA public TO tickwire_operator;
GRANT SELECT, INSERT ON audit_log TO tickwire_operator;
GRANT SELECT ON dead_letters TO tickwire_operator;
GRANT UPDATE (redrive_outcome, redrives, redriven_at) ON dead_letters TO tickwire_operator;
-- Where each symbol is, against which the number of partitions is checked before anything is sent.
GRANT SELECT (venue, symbol, partition) ON ledger TO tickwire_operator;
