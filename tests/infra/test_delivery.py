"""The ways in: both APIs, who may call them, and how their functions are replaced."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
GRADUAL = {"authorizer", "operator_api", "rest_api", "websocket"}


def api(application: Any, protocol: str) -> Any:
    (found,) = [
        item for item in application.resources("AWS::ApiGatewayV2::Api") if item.properties["ProtocolType"] == protocol
    ]
    return found


def parts(application: Any, kind: str, protocol: str) -> list[Any]:
    """Give an API's routes, stages, authorizers or integrations."""
    owner = {"Ref": api(application, protocol).name}
    return [item for item in application.resources(f"AWS::ApiGatewayV2::{kind}") if item.properties["ApiId"] == owner]


def named(application: Any, kind: str, reference: Any) -> Any:
    """Give the resource that a ``Ref`` names, or a text with one in it."""
    (found,) = [item for item in application.resources(kind) if f'"{item.name}"' in json.dumps(reference)]
    return found


def test_the_websocket_api_routes_by_the_action_of_a_message(prod: Any) -> None:
    assert api(prod, "WEBSOCKET").properties["RouteSelectionExpression"] == "$request.body.action"
    routes = {route.properties["RouteKey"] for route in parts(prod, "Route", "WEBSOCKET")}
    assert routes == {"$connect", "$disconnect", "$default", "subscribe", "unsubscribe", "ping"}


def test_nobody_connects_past_the_authorizer(prod: Any) -> None:
    routes = {route.properties["RouteKey"]: route.properties for route in parts(prod, "Route", "WEBSOCKET")}
    connect = routes["$connect"]
    assert connect["AuthorizationType"] == "CUSTOM"
    authorizer = named(prod, "AWS::ApiGatewayV2::Authorizer", connect["AuthorizerId"]).properties
    assert authorizer["AuthorizerType"] == "REQUEST"
    # A source would have to be there with every request, and a client brings a ticket or a token.
    assert not authorizer.get("IdentitySource")
    alias = named(prod, "AWS::Lambda::Alias", authorizer["AuthorizerUri"])
    assert alias.properties["FunctionName"] == {"Ref": prod.function("authorizer").name}


def test_every_route_of_the_rest_api_wants_a_token_but_health(prod: Any) -> None:
    routes = {route.properties["RouteKey"]: route.properties for route in parts(prod, "Route", "HTTP")}
    assert {key for key, route in routes.items() if route.get("AuthorizationType", "NONE") == "NONE"} == {
        "GET /v1/health"
    }
    for key in set(routes) - {"GET /v1/health"}:
        assert routes[key]["AuthorizationType"] == "JWT"
        authorizer = named(prod, "AWS::ApiGatewayV2::Authorizer", routes[key]["AuthorizerId"]).properties
        assert authorizer["IdentitySource"] == ["$request.header.Authorization"]


def test_the_routes_of_the_stack_are_those_of_the_functions(prod: Any) -> None:
    written = {
        # Powertools writes a part of a path as <key>, API Gateway as {key}.
        f"{call.func.attr.upper()} {call.args[0].value.replace('<', '{').replace('>', '}')}"
        for file in sorted((PROJECT / "lambdas").glob("*/*_routes.py"))
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef)
        for call in function.decorator_list
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("get", "post", "put", "patch", "delete")
        and isinstance(call.args[0], ast.Constant)
    }
    assert len(written) >= 4
    assert {route.properties["RouteKey"] for route in parts(prod, "Route", "HTTP")} == written


def test_both_apis_take_the_tokens_of_the_same_pool_and_clients(prod: Any) -> None:
    (authorizer,) = parts(prod, "Authorizer", "HTTP")
    configuration = authorizer.properties["JwtConfiguration"]
    variables = prod.variables(prod.function("authorizer"))
    assert variables["TICKWIRE_TOKEN_ISSUER"] == configuration["Issuer"]
    assert variables["TICKWIRE_TOKEN_CLIENTS"] == {
        "Fn::Join": ["", [configuration["Audience"][0], ",", configuration["Audience"][1]]]
    }
    issuer = "".join(part for part in configuration["Issuer"]["Fn::Join"][1] if isinstance(part, str))
    assert issuer == "https://cognito-idp.eu-west-1.amazonaws.com/"
    keys = variables["TICKWIRE_TOKEN_KEYS_URL"]["Fn::Join"][1]
    assert keys[-1] == "/.well-known/jwks.json"


@pytest.mark.parametrize("protocol", ["HTTP", "WEBSOCKET"])
def test_each_api_is_throttled_and_logs_who_called_without_what_was_sent(prod: Any, protocol: str) -> None:
    (stage,) = parts(prod, "Stage", protocol)
    throttle = stage.properties["DefaultRouteSettings"]
    assert 0 < throttle["ThrottlingBurstLimit"] <= throttle["ThrottlingRateLimit"] <= 1000
    line = stage.properties["AccessLogSettings"]["Format"]
    assert "$context.requestId" in line
    # A query may hold a ticket.
    for secret in ("$context.path", "querystring", "header", "body"):
        assert secret not in line.lower()


def test_the_websocket_api_may_write_its_log_before_its_stage_asks_for_one(prod: Any) -> None:
    (stage,) = parts(prod, "Stage", "WEBSOCKET")
    (account,) = prod.resources("AWS::ApiGateway::Account")
    # "CloudWatch Logs role ARN must be set in account settings to enable logging", says API Gateway otherwise.
    assert "AccessLogSettings" in stage.properties
    assert account.name in stage.whole["DependsOn"]
    role = account.properties["CloudWatchRoleArn"]["Fn::GetAtt"][0]
    (found,) = [item for item in prod.resources("AWS::IAM::Role") if item.name == role]
    # The setting is the account's and outlives the stack, and so must its role.
    assert {account.whole["DeletionPolicy"], found.whole["DeletionPolicy"]} == {"Retain"}


def test_no_page_of_another_origin_may_call_the_rest_api(prod: Any) -> None:
    assert "CorsConfiguration" not in api(prod, "HTTP").properties


def test_functions_that_answer_are_replaced_by_and_by_and_go_back_on_an_alarm(prod: Any) -> None:
    replaced = {}
    for group in prod.resources("AWS::CodeDeploy::DeploymentGroup"):
        assert group.properties["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"
        assert "DEPLOYMENT_STOP_ON_ALARM" in group.properties["AutoRollbackConfiguration"]["Events"]
        alarms = group.properties["AlarmConfiguration"]
        assert alarms["Enabled"] is True
        (alias,) = [
            item
            for item in prod.resources("AWS::Lambda::Alias")
            if group.name in json.dumps(item.whole.get("UpdatePolicy", {}))
        ]
        watched = [named(prod, "AWS::CloudWatch::Alarm", alarm).properties for alarm in alarms["Alarms"]]
        replaced[alias.properties["FunctionName"]["Ref"]] = {alarm["MetricName"] for alarm in watched}
    functions = {prod.function(name).name: name for name in GRADUAL}
    assert {functions[function]: metrics for function, metrics in replaced.items() if function in functions} == {
        "authorizer": {"Errors"},
        # What it catches and answers with 5xx is no error of the function.
        "rest_api": {"Errors", "5xx"},
        "operator_api": {"Errors", "5xx"},
        "websocket": {"Errors", "IntegrationError"},
    }


def test_a_function_that_reads_a_stream_is_replaced_at_once(prod: Any) -> None:
    aliased = {json.dumps(alias.properties["FunctionName"]) for alias in prod.resources("AWS::Lambda::Alias")}
    readers = {
        json.dumps(mapping.properties["FunctionName"])
        for mapping in prod.resources("AWS::Lambda::EventSourceMapping")
        if "StartingPosition" in mapping.properties
    }
    assert len(readers) >= 5
    assert readers & aliased == set()
    assert all("Ref" in json.loads(reader) for reader in readers), "a mapping to an alias or a version"


def test_what_calls_a_gradual_function_calls_its_alias(prod: Any) -> None:
    for protocol in ("HTTP", "WEBSOCKET"):
        for integration in parts(prod, "Integration", protocol):
            assert named(prod, "AWS::Lambda::Alias", integration.properties["IntegrationUri"])


def test_the_rest_api_logs_in_as_a_role_that_only_reads(prod: Any) -> None:
    address = json.dumps(prod.variables(prod.function("rest_api"))["TICKWIRE_DATABASE_URL"])
    assert "postgresql://tickwire_reader@" in address
    connects = [
        json.dumps(statement["Resource"])
        for where, statement in prod.statements()
        if where.startswith("Delivery/RestApi") and "rds-db:connect" in json.dumps(statement["Action"])
    ]
    assert len(connects) == 1
    assert connects[0].rstrip('"]}').endswith("/tickwire_reader")


def test_the_rest_api_is_deployed_after_the_migrations_that_make_its_role(prod: Any) -> None:
    manifest = json.loads((prod.folder / "manifest.json").read_text())["artifacts"]
    assert "Tickwire-prod-Processing" in manifest["Tickwire-prod-Delivery"]["dependencies"]


def test_tickets_are_issued_by_one_function_and_redeemed_by_another(prod: Any) -> None:
    issuing = {action for action in prod.actions_of("rest_api") if action.startswith("dynamodb:")}
    # It reads the last indicators too, from another table.
    assert issuing == {"dynamodb:PutItem", "dynamodb:GetItem"}
    assert {action for action in prod.actions_of("authorizer") if action.startswith("dynamodb:")} == {
        "dynamodb:DeleteItem"
    }
