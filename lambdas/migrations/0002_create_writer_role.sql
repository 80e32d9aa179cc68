-- The functions log in as this role, by IAM where there is RDS; it owns nothing and cannot delete.

DO $$
BEGIN
    CREATE ROLE tickwire_writer LOGIN;
EXCEPTION
    -- Roles belong to the whole server, migrations to one database of it.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
        GRANT rds_iam TO tickwire_writer;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO tickwire_writer;
GRANT SELECT, INSERT, UPDATE ON stream_checkpoints, bars, progress, dead_letters TO tickwire_writer;
GRANT SELECT, INSERT ON gaps, quarantined, notices TO tickwire_writer;
REVOKE EXECUTE ON FUNCTION ensure_bars_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_bars_partition(date) TO tickwire_writer;
