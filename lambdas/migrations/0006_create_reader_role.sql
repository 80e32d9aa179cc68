-- The REST API logs in as this role, by IAM where there is RDS; it reads what clients may know, and changes nothing.

DO $$
BEGIN
    CREATE ROLE tickwire_reader LOGIN;
EXCEPTION
    -- Roles belong to the whole server, migrations to one database of it.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
        GRANT rds_iam TO tickwire_reader;
    END IF;
END
$$;

-- By the role, since RDS Proxy takes no options with a connection, and pins one that sets them later.
ALTER ROLE tickwire_reader SET default_transaction_read_only = on;
ALTER ROLE tickwire_reader SET statement_timeout = '5s';
ALTER ROLE tickwire_reader SET idle_in_transaction_session_timeout = '10s';

GRANT USAGE ON SCHEMA public TO tickwire_reader;
GRANT SELECT ON bars, gaps, completeness_by_hour TO tickwire_reader;
