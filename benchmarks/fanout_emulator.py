"""A WebSocket API of the emulator, whose connections can ask for their names."""

import io
import json
import zipfile
from typing import Any

import boto3

from local.emulator import CREDENTIALS, REGION

_WHO = """
def handler(event, context):
    return {"statusCode": 200, "body": event["requestContext"]["connectionId"]}
"""


def new_api(endpoint_url: str) -> str:
    """Make the API with one function behind it; gives the path below which its stage stands."""
    session = boto3.Session(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name=REGION)

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint_url)

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("who.py", _WHO)
    trust = {"Version": "2012-10-17", "Statement": []}
    role = client("iam").create_role(RoleName="who", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    function = client("lambda").create_function(
        FunctionName="who", Runtime="python3.13", Role=role, Handler="who.handler", Code={"ZipFile": packed.getvalue()}
    )["FunctionArn"]
    apis = client("apigatewayv2")
    api = apis.create_api(Name="fanout", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
    integration = apis.create_integration(ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=uri)
    target = f"integrations/{integration['IntegrationId']}"
    apis.create_route(ApiId=api["ApiId"], RouteKey="$default", Target=target)
    apis.create_stage(ApiId=api["ApiId"], StageName="live")
    return f"_aws/execute-api/{api['ApiId']}/live"
