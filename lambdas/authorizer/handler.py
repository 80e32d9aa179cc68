"""Lambda authorizer of the WebSocket API's route $connect."""

from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from lambdas.authorizer.decision import Refused, identify
from lambdas.delivery.aws import aws_client
from lambdas.delivery.settings import read_settings
from lambdas.identity.keys import SigningKeys
from lambdas.identity.tickets import Tickets
from lambdas.identity.tokens import TokenVerifier


class FunctionSettings(msgspec.Struct, frozen=True):
    """Attributes
    ----------
    tickets_table : where the REST API leaves tickets
    token_issuer : the user pool's address, as its tokens name it
    token_keys_url : where the issuer publishes its public keys
    token_clients : ids of the app clients whose tokens are taken, with commas between
    """

    tickets_table: str
    token_issuer: str
    token_keys_url: str
    token_clients: str


logger = Logger()
metrics = Metrics(namespace="Tickwire")
tracer = Tracer(patch_modules=["botocore"])

_settings = read_settings(FunctionSettings)
tickets = Tickets(aws_client("dynamodb", config=Config(connect_timeout=1, read_timeout=3)), _settings.tickets_table)
tokens = TokenVerifier(
    SigningKeys(_settings.token_keys_url),
    issuer=_settings.token_issuer,
    clients=_settings.token_clients.split(","),
)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Allow or deny one connection.

    A refusal is a policy, hence a 403: the other way, an exception for a 401, would count every stranger
    as a failure of this function.
    """
    try:
        user = identify(event, tickets=tickets, tokens=tokens)
    except Refused as refusal:
        logger.info("connection refused", reason=str(refusal))
        metrics.add_metric(name="ConnectionsRefused", unit=MetricUnit.Count, value=1)
        return _answer("nobody", "Deny", event["methodArn"], {})
    return _answer(user.subject, "Allow", event["methodArn"], user.as_context())


def _answer(principal: str, effect: str, resource: str, context: dict[str, str]) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
