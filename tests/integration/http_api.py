"""Calls a function as an HTTP API with a JWT authorizer does.

Events: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs", payload 2.0.
"""

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

CLAIMS = {
    "sub": "5d1c2c0e",
    "token_use": "access",
    "client_id": "page",
    "exp": "4000000000",
    "cognito:groups": "[viewer]",
}


class Client:
    """Calls the function as an HTTP API with a JWT authorizer does."""

    def __init__(self, module: Any, context: SimpleNamespace) -> None:
        self._module = module
        self._context = context
        self.claims: dict[str, str] | None = CLAIMS

    def __call__(self, method: str, path: str, **query: object) -> Any:
        answer = self.ask(method, path, **query)
        content_type = answer["headers"]["Content-Type"]
        expected = "application/json" if answer["statusCode"] < 400 else "application/problem+json"
        assert content_type == expected
        return SimpleNamespace(status=answer["statusCode"], body=json.loads(answer["body"]))

    def post(self, path: str, body: object) -> Any:
        answer = self.ask("POST", path, headers={"content-type": "application/json"}, body=json.dumps(body))
        return SimpleNamespace(status=answer["statusCode"], body=json.loads(answer["body"]))

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: str | None = None,
        **query: object,
    ) -> Any:
        """Give the answer as the function gives it."""
        authorizer = {} if self.claims is None else {"authorizer": {"jwt": {"claims": self.claims, "scopes": None}}}
        event = {
            "version": "2.0",
            "routeKey": f"{method} {path}",
            "rawPath": path,
            "rawQueryString": urlencode(query),
            "headers": {"host": "abcdef.execute-api.eu-central-1.amazonaws.com", **(headers or {})},
            "queryStringParameters": {name: str(value) for name, value in query.items()} or None,
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
                "stage": "$default",
                "requestId": "r1",
                **authorizer,
            },
            "body": body,
            "isBase64Encoded": False,
        }
        return self._module.handler(event, self._context)
