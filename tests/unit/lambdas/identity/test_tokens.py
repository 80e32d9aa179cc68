"""Access tokens of Cognito, as its developer guide describes them, and what is forged, stale or somebody else's."""

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from lambdas.identity.keys import SigningKeys
from lambdas.identity.tokens import MAX_TOKEN_BYTES, TokenRefused, TokenVerifier
from lambdas.identity.user import Role

ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a1B2c3D4e"
CLIENT = "1h57kf5cpq17m0eml12EXAMPLE"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def verifier(key: rsa.RSAPrivateKey) -> TokenVerifier:
    document = json.dumps({"keys": [published(key, "k1")]}).encode()
    return TokenVerifier(SigningKeys("", fetch=lambda url: document), issuer=ISSUER, clients=[CLIENT, "other"])


def published(key: rsa.RSAPrivateKey, key_id: str) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "alg": "RS256", "use": "sig"}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["viewer", "everybody", "operator"],
        "iss": ISSUER,
        "client_id": CLIENT,
        "token_use": "access",
        "scope": "openid",
        "auth_time": now - 10,
        "exp": now + 3600,
        "iat": now - 10,
        "username": "jane",
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def signed(key: Any, *, algorithm: str = "RS256", key_id: str | None = "k1", **changes: Any) -> str:
    headers = {} if key_id is None else {"kid": key_id}
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def test_a_token_of_the_pool_gives_its_user_and_those_groups_that_are_roles(
    verifier: TokenVerifier, key: rsa.RSAPrivateKey
) -> None:
    expires = int(time.time()) + 77
    user = verifier.verify(signed(key, exp=expires))
    assert user.subject == "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    assert user.roles == (Role.VIEWER, Role.OPERATOR)
    assert user.expires == expires


def test_a_user_in_no_group_has_no_role(verifier: TokenVerifier, key: rsa.RSAPrivateKey) -> None:
    assert verifier.verify(signed(key, **{"cognito:groups": None})).roles == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": 1_700_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"iss": ISSUER.replace("a1B2", "z9Y8")}, "issuer"),
        ({"iss": None}, "iss"),
        ({"client_id": "a client of somebody else"}, "client"),
        ({"client_id": None, "aud": CLIENT}, "client_id"),
        ({"token_use": "id"}, "'id'"),
        ({"token_use": None}, "token_use"),
        ({"sub": None}, "sub"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(
    verifier: TokenVerifier, key: rsa.RSAPrivateKey, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(TokenRefused, match=reason):
        verifier.verify(signed(key, **changes))


def test_a_token_that_is_not_signed_is_refused(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenRefused, match="alg value"):
        verifier.verify(signed(None, algorithm="none"))


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    verifier: TokenVerifier, key: rsa.RSAPrivateKey
) -> None:
    # By hand, since PyJWT refuses to make one: CVE-2015-9235.
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": "k1"}
    signed_part = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims())
    )
    signature = base64.urlsafe_b64encode(hmac.new(public, signed_part, sha256).digest()).rstrip(b"=")
    with pytest.raises(TokenRefused, match="alg value"):
        verifier.verify((signed_part + b"." + signature).decode())


@pytest.mark.parametrize("algorithm", ["RS384", "PS256"])
def test_a_token_by_another_algorithm_is_refused_though_its_signature_is_right(
    verifier: TokenVerifier, key: rsa.RSAPrivateKey, algorithm: str
) -> None:
    with pytest.raises(TokenRefused, match="alg value"):
        verifier.verify(signed(key, algorithm=algorithm))


def test_a_token_signed_by_somebody_elses_key_is_refused(verifier: TokenVerifier) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(TokenRefused, match="Signature"):
        verifier.verify(signed(stranger))


def test_a_token_that_was_changed_is_refused(verifier: TokenVerifier, key: rsa.RSAPrivateKey) -> None:
    head, _, signature = signed(key, **{"cognito:groups": ["viewer"]}).split(".")
    forged = base64.urlsafe_b64encode(json.dumps(claims(**{"cognito:groups": ["operator"]})).encode()).rstrip(b"=")
    with pytest.raises(TokenRefused, match="Signature"):
        verifier.verify(f"{head}.{forged.decode()}.{signature}")


@pytest.mark.parametrize("key_id", ["k2", None, ""])
def test_a_token_with_a_key_that_the_pool_has_not_is_refused(
    verifier: TokenVerifier, key: rsa.RSAPrivateKey, key_id: str | None
) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(signed(key, key_id=key_id))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "é.é.é", "eyJhbGciOiJSUzI1NiJ9"])
def test_what_is_no_token_is_refused(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(token)


def test_an_oversized_token_is_refused_before_it_is_read(verifier: TokenVerifier, key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(TokenRefused, match="bytes"):
        verifier.verify(signed(key, padding="x" * MAX_TOKEN_BYTES))
