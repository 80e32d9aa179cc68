"""Tokens with which the stages log in to MemoryDB."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import valkey
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lambdas.delivery.state import connect
from lambdas.delivery.state_login import StateLogin, presigned

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a session")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "a session",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)


def test_a_token_is_a_presigned_request_to_connect_without_its_scheme() -> None:
    """Its parts are those of "Authenticating with IAM" in MemoryDB's developer guide."""
    made = presigned(CREDENTIALS, "eu-west-1", user="tickwire-prod-stages", cluster="tickwire-prod")
    assert made.startswith("tickwire-prod/?")
    query = {name: values[0] for name, values in parse_qs(urlsplit(f"//{made}").query).items()}
    assert query["Action"] == "connect"
    assert query["User"] == "tickwire-prod-stages"
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Expires"] == "900"
    assert query["X-Amz-Credential"].startswith("AKIDEXAMPLE/")
    assert query["X-Amz-Credential"].endswith("/eu-west-1/memorydb/aws4_request")
    assert query["X-Amz-Security-Token"] == "a session"
    assert len(query["X-Amz-Signature"]) == 64


def test_a_token_verifies_as_aws_would_verify_it() -> None:
    """The signature is made anew from the token's own date, by the same rules, with the secret."""
    made = presigned(CREDENTIALS, "eu-west-1", user="u", cluster="c")
    query = {name: values[0] for name, values in parse_qs(urlsplit(f"//{made}").query).items()}
    signature = query.pop("X-Amz-Signature")
    request = AWSRequest("GET", "http://c/", params=query)
    request.context["timestamp"] = query["X-Amz-Date"]
    signer = SigV4QueryAuth(CREDENTIALS, "memorydb", "eu-west-1", expires=900)
    request.url = f"http://c/?{urlsplit(f'//{made}').query.rpartition('&X-Amz-Signature=')[0]}"
    request.params = {}
    request.headers["host"] = "c"
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert signer.signature(text, request) == signature


def test_each_connection_gets_a_token_of_its_own() -> None:
    made = iter(["first", "second"])
    login = StateLogin(user="u", cluster="c", sign=lambda **_: next(made))
    assert [login.get_credentials(), login.get_credentials()] == [("u", "first"), ("u", "second")]


def test_the_address_says_who_logs_in_and_where(account: None) -> None:
    client: Any = connect("valkeys://tickwire-prod-stages@127.0.0.1:6379/0?iam=tickwire-prod")
    options = client.connection_pool.connection_kwargs
    assert options["credential_provider"].get_credentials()[0] == "tickwire-prod-stages"
    assert options["credential_provider"].get_credentials()[1].startswith("tickwire-prod/?Action=connect")
    assert "username" not in options
    assert client.connection_pool.connection_class is valkey.SSLConnection


def test_without_it_the_address_is_taken_as_it_stands() -> None:
    client: Any = connect("valkey://somebody:secret@127.0.0.1:6379/0")
    options = client.connection_pool.connection_kwargs
    assert (options["username"], options["password"]) == ("somebody", "secret")
    assert "credential_provider" not in options
