"""Signatures against botocore's own signer."""

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from lambdas.broadcaster.post_signer import PostSigner

ENDPOINT = "https://abcdef.execute-api.eu-west-1.amazonaws.com/live"
MOMENT = 1_792_432_800.25


class Rotating:
    """Credentials that somebody replaces."""

    def __init__(self) -> None:
        self.held = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a session")

    def get_frozen_credentials(self) -> object:
        return self.held.get_frozen_credentials()


def botocores(credentials: Credentials, url: str, body: bytes, *, stamp: str) -> str:
    """Give the header that botocore makes of a request that was signed at a moment."""
    request = AWSRequest("POST", url, data=body)
    signer = SigV4Auth(credentials, "execute-api", "eu-west-1")
    request.context["timestamp"] = stamp
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signer._inject_signature_to_request(request, signature)
    return str(request.headers["Authorization"])


def check(signer: PostSigner, credentials: Credentials, connection_id: str, body: bytes) -> None:
    headers = signer.signed_headers(connection_id, body)
    made = botocores(credentials, signer.url(connection_id), body, stamp=headers["X-Amz-Date"])
    assert headers["Authorization"] == made


@given(connection_id=st.text(min_size=1, max_size=40), body=st.binary(max_size=200))
def test_a_post_is_signed_as_botocore_signs_it(connection_id: str, body: bytes) -> None:
    credentials = Credentials("AKIDEXAMPLE", "secret", "a session")
    signer = PostSigner(credentials, "eu-west-1", endpoint_url=ENDPOINT, clock=lambda: MOMENT)
    check(signer, credentials, connection_id, body)


@pytest.mark.parametrize(
    "endpoint", [ENDPOINT, f"{ENDPOINT}/", "http://127.0.0.1:4566/_aws/execute-api/abc/live", "https://ws.example.com"]
)
@pytest.mark.parametrize("token", [None, "a session"])
def test_any_endpoint_and_credentials_will_do(endpoint: str, token: str | None) -> None:
    credentials = Credentials("AKIDEXAMPLE", "secret", token)
    signer = PostSigner(credentials, "eu-west-1", endpoint_url=endpoint, clock=lambda: MOMENT)
    check(signer, credentials, "L0SM9cOFvHcCIhw=", b"{}")


def test_the_signature_covers_the_body_and_the_connection() -> None:
    signer = PostSigner(Rotating(), "eu-west-1", endpoint_url=ENDPOINT, clock=lambda: MOMENT)
    made = {signer.signed_headers(*one)["Authorization"] for one in (("a", b"x"), ("a", b"y"), ("b", b"x"))}
    assert len(made) == 3


def test_a_new_day_and_new_credentials_are_signed_with() -> None:
    now = [MOMENT]
    credentials = Rotating()
    signer = PostSigner(credentials, "eu-west-1", endpoint_url=ENDPOINT, clock=lambda: now[0])
    check(signer, credentials.held, "a", b"x")
    now[0] += 86_400
    assert signer.signed_headers("a", b"x")["X-Amz-Date"].startswith("20261020T")
    check(signer, credentials.held, "a", b"x")
    credentials.held = Credentials("AKIDOTHER", "another", None)
    now[0] += 1
    assert "X-Amz-Security-Token" not in signer.signed_headers("a", b"x")
    check(signer, credentials.held, "a", b"x")
