-- The backfiller logs in as this role, by IAM where there is RDS; it sees the requests for bars and no other table.

DO $$
BEGIN
    CREATE ROLE tickwire_backfiller LOGIN;
EXCEPTION
    -- Roles belong to the whole server, migrations to one database of it.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
        GRANT rds_iam TO tickwire_backfiller;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO tickwire_backfiller;
GRANT SELECT, DELETE ON bar_repairs TO tickwire_backfiller;
