"""The rewrite of templates for the emulator, on small templates worked by hand."""

import copy
from typing import Any

import pytest

from local.template_rewrite import UNJUDGED, CodeLocation, LeftOut, TakenMapping, UnknownTemplate, rewrite

CODE = CodeLocation("bucket", "source.zip")
ZIP_CODE = {"S3Bucket": "bucket", "S3Key": "source.zip"}


def zip_function(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.13",
            "Handler": "lambdas.websocket.handler.handler",
            "Code": {"S3Bucket": "cdk-assets", "S3Key": "1.zip"},
            **properties,
        },
    }


def image_function(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "PackageType": "Image",
            "Code": {"ImageUri": {"Fn::Sub": "123.dkr.ecr.${AWS::Region}.amazonaws.com/assets:abc"}},
            "ImageConfig": {"Command": ["lambdas.validator.handler.handler"]},
            **properties,
        },
    }


def stream_mapping(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "FunctionName": {"Ref": "Validator"},
            "EventSourceArn": {"Fn::GetAtt": ["Trades", "Arn"]},
            "StartingPosition": "TRIM_HORIZON",
            **properties,
        },
    }


def test_an_image_function_becomes_a_zip_with_the_same_handler() -> None:
    template = {"Resources": {"Validator": image_function(MemorySize=1769, Timeout=60)}}
    properties = rewrite(template, code=CODE).template["Resources"]["Validator"]["Properties"]
    assert properties == {
        "PackageType": "Zip",
        "Runtime": "python3.13",
        "Handler": "lambdas.validator.handler.handler",
        "Code": ZIP_CODE,
        "MemorySize": 1769,
        "Timeout": 60,
        "Environment": {"Variables": {}},
    }


def test_a_zip_function_keeps_its_handler_and_runs_the_projects_source() -> None:
    rewritten = rewrite({"Resources": {"Websocket": zip_function()}}, code=CODE).template
    properties = rewritten["Resources"]["Websocket"]["Properties"]
    assert properties["Handler"] == "lambdas.websocket.handler.handler"
    assert properties["Code"] == ZIP_CODE


def test_an_image_function_without_a_command_is_refused() -> None:
    with pytest.raises(UnknownTemplate, match="which handler"):
        rewrite({"Resources": {"Validator": image_function(ImageConfig={})}}, code=CODE)


def test_overrides_reach_every_function_over_its_own_variables() -> None:
    own = {"Variables": {"TICKWIRE_STATE_URL": {"Fn::GetAtt": ["Cluster", "Address"]}, "KEEP": "1"}}
    template = {
        "Resources": {
            "Validator": image_function(Environment=own),
            "Websocket": zip_function(),
            "Cluster": {"Type": "AWS::MemoryDB::Cluster", "Properties": {}},
        }
    }
    rewritten = rewrite(template, code=CODE, overrides={"TICKWIRE_STATE_URL": "valkey://127.0.0.1:1/0"})
    functions = rewritten.template["Resources"]
    assert functions["Validator"]["Properties"]["Environment"]["Variables"] == {
        "TICKWIRE_STATE_URL": "valkey://127.0.0.1:1/0",
        "KEEP": "1",
    }
    assert functions["Websocket"]["Properties"]["Environment"]["Variables"] == {
        "TICKWIRE_STATE_URL": "valkey://127.0.0.1:1/0"
    }


def test_a_kinesis_mapping_is_taken_out_with_all_its_settings() -> None:
    template = {
        "Resources": {
            "Trades": {"Type": "AWS::Kinesis::Stream", "Properties": {}},
            "Validator": image_function(),
            "Mapping": stream_mapping(
                BatchSize=200,
                MaximumBatchingWindowInSeconds=5,
                BisectBatchOnFunctionError=True,
                MaximumRetryAttempts=3,
                MaximumRecordAgeInSeconds=3600,
                ParallelizationFactor=1,
                FunctionResponseTypes=["ReportBatchItemFailures"],
                DestinationConfig={"OnFailure": {"Destination": {"Fn::ImportValue": "failures-arn"}}},
            ),
        }
    }
    rewritten = rewrite(template, code=CODE)
    assert set(rewritten.template["Resources"]) == {"Trades", "Validator"}
    assert rewritten.left_out == ()
    assert rewritten.mappings == (
        TakenMapping(
            function={"Ref": "Validator"},
            stream_arn={"Fn::GetAtt": ["Trades", "Arn"]},
            on_failure_arn={"Fn::ImportValue": "failures-arn"},
            batch_size=200,
            maximum_batching_window_seconds=5,
            bisect=True,
            maximum_retry_attempts=3,
            maximum_record_age_seconds=3600,
            parallelization=1,
            report_batch_item_failures=True,
            starting_position="TRIM_HORIZON",
        ),
    )


def test_a_mapping_without_settings_has_those_that_aws_documents() -> None:
    template = {"Resources": {"Mapping": stream_mapping()}}
    (mapping,) = rewrite(template, code=CODE).mappings
    assert mapping.batch_size == 100
    assert mapping.maximum_batching_window_seconds == 0
    assert mapping.maximum_retry_attempts == -1
    assert mapping.maximum_record_age_seconds == -1
    assert mapping.parallelization == 1
    assert not mapping.bisect
    assert not mapping.report_batch_item_failures
    assert mapping.on_failure_arn is None


@pytest.mark.parametrize("reference", [{"Ref": "Consumer"}, {"Fn::GetAtt": ["Consumer", "ConsumerARN"]}])
def test_a_mapping_of_a_fan_out_consumer_reads_the_consumers_stream(reference: dict[str, Any]) -> None:
    stream = {"Fn::ImportValue": "trades-arn"}
    template = {
        "Resources": {
            "Consumer": {"Type": "AWS::Kinesis::StreamConsumer", "Properties": {"StreamARN": stream}},
            "Mapping": stream_mapping(EventSourceArn=reference),
        }
    }
    rewritten = rewrite(template, code=CODE)
    assert rewritten.mappings[0].stream_arn == stream
    assert [item.type for item in rewritten.left_out] == ["AWS::Kinesis::StreamConsumer"]


def test_a_queue_mapping_stays_as_the_emulator_runs_it_rightly() -> None:
    mapping = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {"FunctionName": {"Ref": "Validator"}, "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}},
    }
    rewritten = rewrite({"Resources": {"Mapping": mapping}}, code=CODE)
    assert rewritten.template["Resources"] == {"Mapping": mapping}
    assert rewritten.mappings == ()


def test_what_the_emulator_lacks_is_left_out_with_its_reason() -> None:
    template = {
        "Resources": {
            "Database": {"Type": "AWS::RDS::DBCluster", "Properties": {}},
            "Service": {"Type": "AWS::ECS::Service", "Properties": {}},
            "Endpoint": {"Type": "AWS::Neptune::DBCluster", "Properties": {}},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}},
        }
    }
    rewritten = rewrite(template, code=CODE)
    assert set(rewritten.template["Resources"]) == {"Queue"}
    assert rewritten.left_out == (
        LeftOut("Database", "AWS::RDS::DBCluster", "PostgreSQL runs beside the emulator"),
        LeftOut("Service", "AWS::ECS::Service", "the tasks run as processes"),
        LeftOut("Endpoint", "AWS::Neptune::DBCluster", UNJUDGED),
    )


def test_references_to_what_was_left_out_become_text() -> None:
    template = {
        "Resources": {
            "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {}},
            "Role": {
                "Type": "AWS::IAM::Role",
                "DependsOn": ["Secret"],
                "Properties": {
                    "Description": {"Fn::Sub": "reads ${Secret} and ${Secret.Arn} in ${AWS::Region}"},
                    "Tags": [
                        {"Key": "a", "Value": {"Ref": "Secret"}},
                        {"Key": "b", "Value": {"Fn::GetAtt": ["Secret", "Arn"]}},
                        {"Key": "c", "Value": {"Fn::GetAtt": "Secret.Arn"}},
                        {"Key": "d", "Value": {"Fn::Join": ["-", [{"Ref": "Secret"}, {"Ref": "AWS::Region"}]]}},
                        {"Key": "e", "Value": {"Fn::Sub": ["${x}", {"x": {"Ref": "Secret"}}]}},
                    ],
                },
            },
        },
        "Outputs": {"Arn": {"Value": {"Ref": "Secret"}, "Export": {"Name": "secret"}}},
    }
    rewritten = rewrite(template, code=CODE).template
    role = rewritten["Resources"]["Role"]
    assert "DependsOn" not in role
    assert role["Properties"]["Description"] == {"Fn::Sub": "reads local-Secret and local-Secret in ${AWS::Region}"}
    assert [tag["Value"] for tag in role["Properties"]["Tags"]] == [
        "local-Secret",
        "local-Secret",
        "local-Secret",
        {"Fn::Join": ["-", ["local-Secret", {"Ref": "AWS::Region"}]]},
        {"Fn::Sub": ["${x}", {"x": "local-Secret"}]},
    ]
    assert rewritten["Outputs"]["Arn"] == {"Value": "local-Secret", "Export": {"Name": "secret"}}


def test_dependencies_on_what_stays_are_kept() -> None:
    template = {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {}},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}, "DependsOn": ["Vpc", "Role"]},
            "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}, "DependsOn": "Role"},
        }
    }
    rewritten = rewrite(template, code=CODE).template["Resources"]
    assert rewritten["Queue"]["DependsOn"] == ["Role"]
    assert rewritten["Table"]["DependsOn"] == ["Role"]


def test_a_function_leaves_the_network_and_its_layers() -> None:
    template = {"Resources": {"Websocket": zip_function(VpcConfig={"SubnetIds": ["a"]}, Layers=["arn"])}}
    properties = rewrite(template, code=CODE).template["Resources"]["Websocket"]["Properties"]
    assert "VpcConfig" not in properties
    assert "Layers" not in properties


def test_an_alarm_over_metric_math_is_left_out_and_a_plain_one_is_kept() -> None:
    template = {
        "Resources": {
            "Plain": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}},
            "Math": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": [{"Id": "m1"}]}},
        }
    }
    rewritten = rewrite(template, code=CODE)
    assert set(rewritten.template["Resources"]) == {"Plain"}
    assert [item.logical_id for item in rewritten.left_out] == ["Math"]


def test_the_function_behind_a_custom_resource_is_left_out() -> None:
    template = {
        "Resources": {
            "Provider": zip_function(Runtime="nodejs22.x"),
            "Migrate": {"Type": "Custom::Trigger", "Properties": {"ServiceToken": {"Ref": "Provider"}}},
        }
    }
    rewritten = rewrite(template, code=CODE)
    assert rewritten.is_empty
    assert {item.logical_id for item in rewritten.left_out} == {"Provider", "Migrate"}


def test_posts_to_connections_go_to_the_websocket_api_of_the_emulator() -> None:
    api, stage = {"Ref": "Screens"}, {"Ref": "Stage"}
    away = {"Fn::Join": ["", ["https://", api, ".execute-api.eu-west-1.amazonaws.com/", stage]]}
    template = {
        "Resources": {
            "Rest": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"ProtocolType": "HTTP"}},
            "RestStage": {
                "Type": "AWS::ApiGatewayV2::Stage",
                "Properties": {"ApiId": {"Ref": "Rest"}, "StageName": "$default"},
            },
            "Screens": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"ProtocolType": "WEBSOCKET"}},
            "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {"ApiId": api, "StageName": "live"}},
            "Broadcaster": zip_function(Environment={"Variables": {"TICKWIRE_WEBSOCKET_ENDPOINT": away}}),
            "Other": zip_function(),
        }
    }
    functions = rewrite(template, code=CODE, endpoint_url="http://127.0.0.1:4566").template["Resources"]
    assert functions["Broadcaster"]["Properties"]["Environment"]["Variables"] == {
        "TICKWIRE_WEBSOCKET_ENDPOINT": {"Fn::Join": ["/", ["http://127.0.0.1:4566/_aws/execute-api", api, "live"]]}
    }
    assert functions["Other"]["Properties"]["Environment"]["Variables"] == {}


def test_the_keys_of_the_user_pool_are_read_from_the_emulator_and_its_tokens_keep_their_issuer() -> None:
    issuer = {"Fn::Join": ["", ["https://cognito-idp.", {"Ref": "AWS::Region"}, ".amazonaws.com/", {"Ref": "Users"}]]}
    keys = {"Fn::Join": ["", [issuer, "/.well-known/jwks.json"]]}
    variables = {"TICKWIRE_TOKEN_ISSUER": issuer, "TICKWIRE_TOKEN_KEYS_URL": keys}
    template = {"Resources": {"Authorizer": zip_function(Environment={"Variables": variables})}}
    rewritten = rewrite(template, code=CODE, endpoint_url="http://127.0.0.1:4566").template["Resources"]
    found = rewritten["Authorizer"]["Properties"]["Environment"]["Variables"]
    assert found["TICKWIRE_TOKEN_ISSUER"] == issuer
    pool = {"Fn::Select": [3, {"Fn::Split": ["/", issuer]}]}
    assert found["TICKWIRE_TOKEN_KEYS_URL"] == {
        "Fn::Join": ["/", ["http://127.0.0.1:4566", pool, ".well-known/jwks.json"]]
    }


def test_the_check_of_the_bootstrap_stack_goes() -> None:
    template = {
        "Resources": {},
        "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>"}, "Mine": {"Type": "String"}},
        "Rules": {"CheckBootstrapVersion": {}},
    }
    rewritten = rewrite(template, code=CODE)
    assert rewritten.template == {"Resources": {}, "Parameters": {"Mine": {"Type": "String"}}}
    assert rewritten.is_empty


def test_the_template_that_is_given_is_not_changed() -> None:
    template = {
        "Resources": {
            "Validator": image_function(),
            "Mapping": stream_mapping(),
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {}},
        },
        "Rules": {},
    }
    before = copy.deepcopy(template)
    rewrite(template, code=CODE, overrides={"A": "b"})
    assert template == before
