"""Who called an API, what, and how it went, in a log group of ours."""

import json
from collections.abc import Sequence

import jsii
from aws_cdk import aws_apigateway as restapi
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.log_retention import new_log_group
from cdk.settings import StageSettings


@jsii.implements(apigateway.IAccessLogSettings)
class AccessLog:
    """The access log of a stage of an API: the named fields of ``$context``, as JSON.

    Without bodies and addresses with queries: they may hold what a client watches, or its ticket.
    """

    def __init__(
        self, scope: Construct, id_: str, *, settings: StageSettings, log_key: kms.IKey, fields: Sequence[str]
    ) -> None:
        self._fields = tuple(fields)
        self._log_group = new_log_group(
            scope,
            id_,
            settings=settings,
            key=log_key,
        )

    @property
    def destination(self) -> apigateway.IAccessLogDestination:
        """Where the lines go."""
        return apigateway.LogGroupLogDestination(self._log_group)

    @property
    def format(self) -> restapi.AccessLogFormat:
        """What a line holds."""
        return restapi.AccessLogFormat.custom(json.dumps({name: f"$context.{name}" for name in self._fields}))
