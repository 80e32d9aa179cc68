"""``python -m lambdas.migrations URL``: bring a PostgreSQL database up to this code's schema."""

import argparse
import sys

import psycopg

from lambdas.migrations.runner import MigrationChanged, apply


def main(arguments: list[str] | None = None) -> int:
    """Apply the migrations that the database lacks; 0 if it is up to date after it."""
    parser = argparse.ArgumentParser(prog="python -m lambdas.migrations", description=__doc__)
    parser.add_argument("url", help="postgresql:// address of the database, as its owner")
    options = parser.parse_args(arguments)
    try:
        with psycopg.connect(options.url, connect_timeout=10) as connection:
            applied = apply(connection)
    except (psycopg.Error, MigrationChanged) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"applied {name}" for name in applied) or "up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
