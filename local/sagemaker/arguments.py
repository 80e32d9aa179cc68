"""Arguments and answers of the control plane, held against botocore's model of the service."""

import json
import time
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationNotFoundError, ServiceModel
from botocore.validate import ParamValidator

from local.sagemaker.faults import ServiceError, invalid

ACCOUNT, REGION = "000000000000", "us-east-1"


@cache
def service_model() -> ServiceModel:
    """Give botocore's model of SageMaker; reading it takes a quarter of a second."""
    return botocore.session.get_session().get_service_model("sagemaker")


def read_arguments(operation: str, body: bytes) -> dict[str, Any]:
    """Read the JSON body of a call.

    Raises
    ------
    ServiceError
        If SageMaker has no such operation, or it takes other arguments.
    """
    try:
        shape = service_model().operation_model(operation).input_shape
    except OperationNotFoundError as error:
        raise ServiceError("UnknownOperationException", f"SageMaker has no {operation!r}") from error
    try:
        arguments = json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError("SerializationException", f"the body is no JSON: {error}") from error
    report = ParamValidator().validate(arguments, shape)
    if report.has_errors():
        raise invalid(report.generate_report())
    return dict(arguments)


def answered(operation: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Give of an answer what the operation's shape has: a service tells its clients nothing else."""
    shape = service_model().operation_model(operation).output_shape
    return {} if shape is None else {name: answer[name] for name in shape.members if name in answer}


def arn(kind: str, name: str) -> str:
    """Name a resource of the account that the emulator has."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


def page(found: list[dict[str, Any]], arguments: dict[str, Any], *, key: str, time_key: str) -> dict[str, Any]:
    """Give one page of a listing, in the order that was asked for; ``NextToken`` is the number of the next item."""
    matched = [item for item in found if _matches(item, arguments, time_key)]
    matched.sort(key=lambda item: item[time_key], reverse=arguments.get("SortOrder", "Descending") == "Descending")
    token = arguments.get("NextToken", "0")
    if not token.isdigit():
        raise invalid(f"Invalid pagination token: {token!r}")
    first, size = int(token), arguments.get("MaxResults", 100)
    more = {"NextToken": str(first + size)} if first + size < len(matched) else {}
    return {key: matched[first : first + size], **more}


def _matches(item: dict[str, Any], arguments: dict[str, Any], time_key: str) -> bool:
    name = next((value for key, value in item.items() if key.endswith("Name")), "")
    status = next((value for key, value in item.items() if key.endswith("Status")), None)
    return (
        arguments.get("NameContains", "").lower() in name.lower()
        and arguments.get("StatusEquals", status) == status
        and arguments.get("CreationTimeAfter", 0) <= item[time_key]
        and item[time_key] <= arguments.get("CreationTimeBefore", time.time() + 1)
    )
