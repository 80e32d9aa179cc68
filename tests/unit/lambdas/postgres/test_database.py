from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from lambdas.delivery.settings import InvalidSettings, read_settings
from lambdas.postgres.database import Database, DatabaseSettings, connect

URL = "postgresql://tickwire_writer@cluster.example:5433/tickwire?sslmode=require"


@pytest.fixture
def opened(monkeypatch):
    found = []
    monkeypatch.setattr(psycopg, "connect", lambda address: found.append(conninfo_to_dict(address)))
    return found


def test_settings_come_from_the_environment():
    assert read_settings(DatabaseSettings, {"TICKWIRE_DATABASE_URL": URL}) == DatabaseSettings(URL, False)
    environment = {"TICKWIRE_DATABASE_URL": URL, "TICKWIRE_DATABASE_IAM": "true"}
    assert read_settings(DatabaseSettings, environment) == DatabaseSettings(URL, True)
    with pytest.raises(InvalidSettings, match="TICKWIRE_DATABASE_URL"):
        read_settings(DatabaseSettings, {})


def test_without_iam_the_address_is_used_with_limits_on_idle_transactions(opened):
    connect(DatabaseSettings(URL))
    assert opened[0]["host"] == "cluster.example"
    assert opened[0]["sslmode"] == "require"
    assert "idle_in_transaction_session_timeout" in opened[0]["options"]
    assert "password" not in opened[0]


def test_with_iam_the_password_is_a_signed_token_for_this_host_and_user(opened, monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    connect(DatabaseSettings(URL, database_iam=True))
    token = urlsplit(f"https://{opened[0]['password']}")
    assert token.netloc == "cluster.example:5433"
    fields = parse_qs(token.query)
    assert (fields["Action"], fields["DBUser"]) == (["connect"], ["tickwire_writer"])
    assert "eu-west-1/rds-db" in fields["X-Amz-Credential"][0]


def test_a_failure_of_a_new_connection_is_raised_not_repeated():
    attempts = []

    def refuse() -> psycopg.Connection:
        attempts.append(1)
        raise psycopg.OperationalError("no")

    with pytest.raises(psycopg.OperationalError):
        Database(refuse).run(lambda connection: None)
    assert len(attempts) == 1
