"""The environment that a function gets from its stack, filled in as AWS might fill it."""

from typing import Any


def environment_of(application: Any, function: Any) -> dict[str, str]:
    """Give a function's variables, what only a deployment knows replaced by a word."""
    variables = application.variables(function)
    # A client of a cluster asks for its nodes at once, and here there are none.
    return {key: _filled(value).partition("?cluster=true")[0] for key, value in variables.items()}


def lambda_environment() -> dict[str, str]:
    """Give what Lambda itself sets, as far as a function needs it to load."""
    return {
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }


def _filled(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(_filled(part) for part in parts)
    return "resolved"
