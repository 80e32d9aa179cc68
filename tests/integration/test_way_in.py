"""How clients get in, on the deployed stacks: users, tokens, tickets, both APIs, with nothing stood in for.

The emulator's Cognito signs tokens with a key of its own and publishes it; its API Gateway runs both authorizers.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import jwt
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from lambdas.identity.user import Role
from lambdas.migrations.runner import apply
from local.deploy import Deployment, deploy, synthesise
from local.emulator import CREDENTIALS, Emulator
from local.identity import LocalUser
from local.page import Page
from local.postgres import LocalPostgres
from local.watcher import Watcher

pytestmark = pytest.mark.services("apigatewayv2", "cloudformation", "cognito-idp", "dynamodb", "lambda", "s3")

PROJECT = Path(__file__).parents[2]
RANGE = "venue=binance&symbol=BTC-USDT&start=2024-08-01T00:00:00Z&end=2024-08-02T00:00:00Z"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def deployment(emulator: Emulator, postgres: LocalPostgres) -> Iterator[Deployment]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE way_in")
    database = make_conninfo(postgres.url, dbname="way_in")
    with psycopg.connect(database) as connection:
        apply(connection)
    yield deploy(
        synthesise(PROJECT / ".tickwire" / "assembly").folder,
        endpoint_url=emulator.endpoint_url,
        overrides={
            "TICKWIRE_STATE_URL": "valkey://127.0.0.1:9/0",
            "TICKWIRE_DATABASE_URL": make_conninfo(database, user="tickwire_reader"),
            "TICKWIRE_DATABASE_IAM": "false",
        },
    )
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE way_in WITH (FORCE)")


@pytest.fixture(scope="module")
def cognito(emulator: Emulator) -> Any:
    return boto3.Session(
        CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1"
    ).client("cognito-idp", endpoint_url=emulator.endpoint_url)


@pytest.fixture(scope="module")
def user(deployment: Deployment, emulator: Emulator) -> Iterator[LocalUser]:
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        user = LocalUser(
            emulator.endpoint_url,
            pool_id=deployment.outputs["UserPoolId"],
            client_id=deployment.outputs["ProgrammesClientId"],
        )
        user.create()
        yield user


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def call(deployment: Deployment, method: str, path: str, headers: dict[str, str] | None = None) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, deployment.rest_url + path, headers=headers) as reply,
    ):
        return reply.status, await reply.json(content_type=None)


async def hears_a_pong(url: str, headers: dict[str, str] | None = None) -> bool:
    """Connect and ping; raises WSServerHandshakeError if the door stays shut."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
        await socket.send_json({"action": "ping"})
        return bool((await socket.receive_json(timeout=20))["type"] == "pong")


async def test_a_ticket_of_the_rest_api_opens_a_websocket_and_the_second_use_does_not(
    deployment: Deployment, user: LocalUser
) -> None:
    status, answer = await call(deployment, "POST", "/ws-tickets", bearer(user.token()))
    assert (status, answer["expires_in"]) == (201, 60)
    url = f"{deployment.websocket_url}?ticket={answer['ticket']}"
    assert await hears_a_pong(url)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await hears_a_pong(url)
    assert refused.value.status == 403


async def test_a_programme_connects_with_its_token(deployment: Deployment, user: LocalUser) -> None:
    assert await hears_a_pong(deployment.websocket_url, bearer(user.token()))


@pytest.mark.parametrize("query", ["", "?ticket=", "?ticket=" + "x" * 43])
async def test_nobody_else_opens_a_websocket(deployment: Deployment, query: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await hears_a_pong(deployment.websocket_url + query)
    assert refused.value.status == 403


async def test_a_token_that_was_changed_opens_neither_api(deployment: Deployment, user: LocalUser) -> None:
    head, body, signature = user.token().split(".")
    forged = bearer(f"{head}.{body}.{signature[::-1]}")
    assert (await call(deployment, "POST", "/ws-tickets", forged))[0] == 401
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await hears_a_pong(deployment.websocket_url, forged)


async def test_a_user_in_no_group_gets_a_token_and_gets_no_further(deployment: Deployment, cognito: Any) -> None:
    pool, password = deployment.outputs["UserPoolId"], "correct-Horse-battery-7"
    cognito.admin_create_user(
        UserPoolId=pool, Username="guest@localhost.localdomain", TemporaryPassword=password, MessageAction="SUPPRESS"
    )
    cognito.admin_set_user_password(
        UserPoolId=pool, Username="guest@localhost.localdomain", Password=password, Permanent=True
    )
    token = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=deployment.outputs["ProgrammesClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "guest@localhost.localdomain", "PASSWORD": password},
    )["AuthenticationResult"]["AccessToken"]
    status, problem = await call(deployment, "POST", "/ws-tickets", bearer(token))
    assert (status, problem["title"]) == (403, "Forbidden")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await hears_a_pong(deployment.websocket_url, bearer(token))
    assert refused.value.status == 403


async def test_an_id_token_is_no_access_token(deployment: Deployment, user: LocalUser, cognito: Any) -> None:
    tokens = cognito.admin_initiate_auth(
        UserPoolId=deployment.outputs["UserPoolId"],
        ClientId=deployment.outputs["ProgrammesClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user.name, "PASSWORD": user._password},
    )["AuthenticationResult"]
    assert (await call(deployment, "POST", "/ws-tickets", bearer(tokens["IdToken"])))[0] == 401
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await hears_a_pong(deployment.websocket_url, bearer(tokens["IdToken"]))


@pytest.mark.parametrize("path", [f"/v1/bars?{RANGE}&interval=1m", f"/v1/continuity?{RANGE}"])
async def test_the_rest_api_answers_from_the_database_and_only_with_a_token(
    deployment: Deployment, user: LocalUser, path: str
) -> None:
    status, answer = await call(deployment, "GET", path, bearer(user.token()))
    assert (status, answer["venue"]) == (200, "binance")
    assert (await call(deployment, "GET", path))[0] == 401


async def test_health_is_open(deployment: Deployment) -> None:
    assert await call(deployment, "GET", "/v1/health") == (200, {"status": "ok"})


def test_the_connections_row_says_whose_it_is(deployment: Deployment, user: LocalUser, emulator: Emulator) -> None:
    dynamodb = boto3.client("dynamodb", endpoint_url=emulator.endpoint_url)

    async def look() -> list[Any]:
        async with (
            aiohttp.ClientSession(headers=bearer(user.token())) as session,
            session.ws_connect(deployment.websocket_url) as socket,
        ):
            await socket.send_json({"action": "subscribe", "topics": ["trades"], "symbols": ["*"]})
            assert (await socket.receive_json(timeout=20))["type"] == "subscribed"
            rows: list[Any] = dynamodb.scan(TableName=deployment.outputs["ConnectionsTable"])["Items"]
            return [row for row in rows if "subscriptions" in row]

    (row,) = asyncio.run(look())
    assert row["roles"] == {"SS": ["viewer"]}
    assert len(row["subject"]["S"]) == 36


def test_a_token_serves_until_shortly_before_its_end(
    deployment: Deployment, emulator: Emulator, user: LocalUser
) -> None:
    now = 0.0
    other = LocalUser(
        emulator.endpoint_url,
        pool_id=deployment.outputs["UserPoolId"],
        client_id=deployment.outputs["ProgrammesClientId"],
        clock=lambda: now,
    )
    other._password = user._password
    first = other.token()
    now = 3_600 - 301
    assert other.token() == first
    now = 3_600 - 299
    assert other.token() != first


async def test_the_local_page_hands_on_what_cloudfront_would(
    deployment: Deployment, emulator: Emulator, user: LocalUser, tmp_path: Path
) -> None:
    operator = LocalUser(
        emulator.endpoint_url,
        pool_id=deployment.outputs["UserPoolId"],
        client_id=deployment.outputs["ProgrammesClientId"],
        role=Role.OPERATOR,
    )
    operator.create()
    users = {Role.VIEWER: user, Role.OPERATOR: operator}
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<html></html>")
    (tmp_path / "sw.js").write_text("self.skipWaiting()")
    page = Page(tmp_path, port=0)
    page.start()
    try:
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{page.url}ws-tickets") as early:
                assert early.status == 503
            page.token, page.rest_url = lambda role: users[role].token(), deployment.rest_url
            for query, role in (("", "operator"), ("?role=viewer", "viewer")):
                async with session.get(f"{page.url}token{query}") as reply:
                    token = (await reply.json())["accessToken"]
                    claims = jwt.decode(token, options={"verify_signature": False})
                    assert claims["cognito:groups"] == [role]
            async with session.get(f"{page.url}token?role=king") as reply:
                assert reply.status == 422
            headers = bearer(token)
            async with session.get(f"{page.url}sw.js") as reply:
                assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-cache")
            async with session.get(f"{page.url}other.js") as reply:
                assert reply.status == 404
            async with session.post(f"{page.url}ws-tickets", headers=headers) as reply:
                ticket = (await reply.json())["ticket"]
            assert await hears_a_pong(f"{deployment.websocket_url}?ticket={ticket}")
            async with session.get(f"{page.url}v1/bars?{RANGE}&interval=1m", headers=headers) as reply:
                assert (reply.status, (await reply.json())["bars"]) == (200, [])
                tag = reply.headers["ETag"]
            async with session.get(
                f"{page.url}v1/bars?{RANGE}&interval=1m", headers={**headers, "If-None-Match": tag}
            ) as reply:
                assert (reply.status, await reply.read()) == (304, b"")
            async with session.delete(f"{page.url}v1/nothing/of/this?kind=a%2Fb", headers=headers) as reply:
                assert reply.status == 404
            async with session.get(f"{page.url}v1/bars?{RANGE}", headers=headers) as reply:
                assert reply.status == 422
                assert reply.content_type == "application/problem+json"
            async with session.post(f"{page.url}ws-tickets") as reply:
                assert reply.status == 401
    finally:
        await asyncio.to_thread(page.stop)


def test_the_watcher_gets_in_and_hears(deployment: Deployment, user: LocalUser) -> None:
    watcher = Watcher(deployment.websocket_url, token=user.token)
    watcher.start()
    try:
        assert watcher.subscribed.wait(20)
    finally:
        watcher.stop()
