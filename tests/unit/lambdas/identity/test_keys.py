"""When the issuer's keys are fetched, and what happens if they cannot be."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from lambdas.identity.keys import LIFE_SECONDS, RETRY_SECONDS, SigningKeys, UnknownKey

PUBLIC = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(), as_dict=True)


class Issuer:
    """Publishes ``ids``, or ``document`` in their place; counts how often it is asked; silent where ``ids`` is None."""

    def __init__(self) -> None:
        self.ids: list[str] | None = ["k1"]
        self.document: bytes | None = None
        self.asked = 0
        self.now = 0.0

    def fetch(self, url: str) -> bytes:
        self.asked += 1
        if self.ids is None:
            raise TimeoutError
        if self.document is not None:
            return self.document
        return json.dumps({"keys": [{**PUBLIC, "kid": key_id} for key_id in self.ids]}).encode()


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def keys(issuer: Issuer) -> SigningKeys:
    return SigningKeys("https://issuer/jwks.json", fetch=issuer.fetch, clock=lambda: issuer.now)


def test_keys_are_fetched_when_one_is_needed_and_kept(keys: SigningKeys, issuer: Issuer) -> None:
    assert issuer.asked == 0
    assert [keys.get("k1").key_id for _ in range(3)] == ["k1"] * 3
    assert issuer.asked == 1


def test_a_new_key_of_the_issuer_is_found(keys: SigningKeys, issuer: Issuer) -> None:
    keys.get("k1")
    issuer.ids, issuer.now = ["k1", "k2"], RETRY_SECONDS
    assert keys.get("k2").key_id == "k2"
    assert issuer.asked == 2


def test_made_up_key_ids_cause_no_more_than_a_fetch_now_and_then(keys: SigningKeys, issuer: Issuer) -> None:
    for second in range(2 * RETRY_SECONDS):
        issuer.now = second
        with pytest.raises(UnknownKey):
            keys.get(f"made up {second}")
    assert issuer.asked == 2


def test_a_key_that_was_withdrawn_is_not_taken_after_the_keys_life(keys: SigningKeys, issuer: Issuer) -> None:
    keys.get("k1")
    issuer.ids, issuer.now = ["k2"], LIFE_SECONDS
    with pytest.raises(UnknownKey):
        keys.get("k1")


def test_known_keys_serve_on_while_the_issuer_is_silent(keys: SigningKeys, issuer: Issuer) -> None:
    keys.get("k1")
    issuer.ids, issuer.now = None, LIFE_SECONDS
    assert keys.get("k1").key_id == "k1"
    assert issuer.asked == 2


def test_without_an_issuer_no_key_is_known(keys: SigningKeys, issuer: Issuer) -> None:
    issuer.ids = None
    with pytest.raises(UnknownKey):
        keys.get("k1")


@pytest.mark.parametrize(
    "document", [b"", b"<html>", b"[]", b'{"keys": 1}', b'{"keys": [{"kty": "RSA", "kid": "k1"}]}']
)
def test_a_document_that_is_none_leaves_the_known_keys(keys: SigningKeys, issuer: Issuer, document: bytes) -> None:
    keys.get("k1")
    issuer.document, issuer.now = document, LIFE_SECONDS
    assert keys.get("k1").key_id == "k1"
    assert issuer.asked == 2


def test_keys_of_other_kinds_are_passed_over() -> None:
    secret = {"kty": "oct", "kid": "k2", "k": "c2VjcmV0"}
    document = json.dumps({"keys": [secret, {**PUBLIC, "kid": "k1"}]}).encode()
    keys = SigningKeys("", fetch=lambda url: document)
    assert keys.get("k1").key_id == "k1"
    with pytest.raises(UnknownKey):
        keys.get("k2")
