"""The page's distribution, the firewall in front of it, and what lies in which region."""

import json
from pathlib import Path
from typing import Any

import pytest

from cdk.constructs.page_files import _NpmBundling
from cdk.settings import settings_of


def distribution(application: Any) -> dict[str, Any]:
    (found,) = application.resources("AWS::CloudFront::Distribution")
    configuration: dict[str, Any] = found.properties["DistributionConfig"]
    return configuration


def behaviors(application: Any) -> dict[str, Any]:
    found = distribution(application)
    return {"*": found["DefaultCacheBehavior"], **{item["PathPattern"]: item for item in found["CacheBehaviors"]}}


def origin(application: Any, path: str) -> dict[str, Any]:
    target = behaviors(application)[path]["TargetOriginId"]
    (found,) = [item for item in distribution(application)["Origins"] if item["Id"] == target]
    return dict(found)


def test_the_page_and_both_apis_are_one_origin_to_a_browser(prod: Any) -> None:
    assert set(behaviors(prod)) == {"*", "/v1/*", "/ws-tickets", "/live"}
    apis = {item.properties["ProtocolType"]: item.name for item in prod.resources("AWS::ApiGatewayV2::Api")}
    for path, protocol in (("/v1/*", "HTTP"), ("/ws-tickets", "HTTP"), ("/live", "WEBSOCKET")):
        host = origin(prod, path)
        assert host["DomainName"]["Fn::Join"][1] == [
            {"Ref": apis[protocol]},
            ".execute-api.eu-west-1.amazonaws.com",
        ]
        assert "OriginPath" not in host
    # CloudFront hands the path on, and API Gateway takes its first part for the stage.
    stages = {item.properties["StageName"] for item in prod.resources("AWS::ApiGatewayV2::Stage")}
    assert stages == {"live", "$default"}


def test_nothing_is_asked_or_answered_in_the_clear(prod: Any) -> None:
    for path, behavior in behaviors(prod).items():
        assert behavior["ViewerProtocolPolicy"] == ("redirect-to-https" if path == "*" else "https-only")
        if path != "*":
            assert origin(prod, path)["CustomOriginConfig"] == {
                "OriginProtocolPolicy": "https-only",
                "OriginSSLProtocols": ["TLSv1.2"],
            }


@pytest.mark.parametrize("path", ["/v1/*", "/ws-tickets", "/live"])
def test_an_answer_of_an_api_is_cached_for_nobody_and_asked_with_all_that_the_client_sent(prod: Any, path: str) -> None:
    behavior = behaviors(prod)[path]
    # CloudFront developer guide, "Use managed cache policies" and "Use managed origin request policies".
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "CachingDisabled"
    assert behavior["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac", "AllViewerExceptHostHeader"
    assert ("POST" in behavior["AllowedMethods"]) == (path != "/live")


def test_only_the_distribution_reads_the_pages_files(prod: Any) -> None:
    assert "OriginAccessControlId" in origin(prod, "*")
    bucket = origin(prod, "*")["DomainName"]["Fn::GetAtt"][0]
    (policy,) = [
        item.properties["PolicyDocument"]["Statement"]
        for item in prod.resources("AWS::S3::BucketPolicy")
        if item.properties["Bucket"] == {"Ref": bucket}
    ]
    (allowed,) = [statement for statement in policy if statement["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Action"] == "s3:GetObject"
    (found,) = prod.resources("AWS::CloudFront::Distribution")
    assert found.name in json.dumps(allowed["Condition"]["StringEquals"]["AWS:SourceArn"])


def test_a_browser_lets_the_page_do_no_more_than_it_does(prod: Any) -> None:
    (policy,) = prod.resources("AWS::CloudFront::ResponseHeadersPolicy")
    assert behaviors(prod)["*"]["ResponseHeadersPolicyId"] == {"Ref": policy.name}
    headers = policy.properties["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    text = json.dumps(headers["ContentSecurityPolicy"]["ContentSecurityPolicy"])
    for rule in ("default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in text
    assert "script-src 'self' '" not in text
    assert ".amazoncognito.com" in text, "the page asks the login for its tokens"
    assert headers["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000
    assert headers["FrameOptions"]["FrameOption"] == "DENY"
    assert headers["ReferrerPolicy"]["ReferrerPolicy"] == "no-referrer"
    assert headers["ContentTypeOptions"]["Override"] is True


def test_the_access_log_is_delivered_encrypted_and_ages_out(prod: Any) -> None:
    bucket = distribution(prod)["Logging"]["Bucket"]["Fn::GetAtt"][0]
    (found,) = [item for item in prod.resources("AWS::S3::Bucket") if item.name == bucket]
    # CloudFront's log delivery sets an ACL, which a bucket that enforces its owner refuses.
    assert found.properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    (rule,) = found.properties["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 90
    key = found.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    name = key["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]["Fn::GetAtt"][0]
    (policy,) = [
        item.properties["KeyPolicy"]["Statement"] for item in prod.resources("AWS::KMS::Key") if item.name == name
    ]
    assert any(
        statement["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
        and statement["Action"] == "kms:GenerateDataKey*"
        for statement in policy
    )


def test_the_firewall_stands_in_us_east_1_and_the_distribution_behind_it(prod: Any) -> None:
    manifest = json.loads((prod.folder / "manifest.json").read_text())["artifacts"]
    assert manifest["Tickwire-prod-Edge"]["environment"].endswith("/us-east-1")
    (firewall,) = prod.resources("AWS::WAFv2::WebACL")
    assert firewall.stack == "Edge"
    reference = distribution(prod)["WebACLId"]["Fn::GetStackOutput"]
    assert (reference["StackName"], reference["Region"]) == ("Tickwire-prod-Edge", "us-east-1")
    output = prod.templates["Edge"]["Outputs"][reference["OutputName"]]
    assert output["Value"] == {"Fn::GetAtt": [firewall.name, "Arn"]}
    assert "Tickwire-prod-Edge" in manifest["Tickwire-prod-Delivery"]["dependencies"]


def test_no_stack_needs_functions_to_speak_to_another_region(prod: Any) -> None:
    kinds = {resource["Type"] for template in prod.templates.values() for resource in template["Resources"].values()}
    assert not {kind for kind in kinds if "CrossRegion" in kind}


def test_the_firewall_limits_each_address_and_asks_the_managed_rules(prod: Any) -> None:
    (firewall,) = prod.resources("AWS::WAFv2::WebACL")
    assert firewall.properties["Scope"] == "CLOUDFRONT"
    rules = sorted(firewall.properties["Rules"], key=lambda rule: rule["Priority"])
    assert [rule["Name"] for rule in rules] == [
        "RateLimit",
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
    ]
    limit = rules[0]["Statement"]["RateBasedStatement"]
    assert (limit["AggregateKeyType"], limit["Limit"]) == ("IP", settings_of("prod").access.rate_limit)
    assert rules[0]["Action"] == {"Block": {}}
    # The sets keep their own actions; counting instead would turn nobody away.
    assert all(rule["OverrideAction"] == {"None": {}} for rule in rules[1:])


def test_the_firewalls_log_has_no_tokens_in_it(prod: Any) -> None:
    (logging,) = prod.resources("AWS::WAFv2::LoggingConfiguration")
    assert logging.properties["RedactedFields"] == [{"SingleHeader": {"Name": "authorization"}}]
    (destination,) = logging.properties["LogDestinationConfigs"]
    assert destination["Fn::Join"][1][-1] == ":log-group:aws-waf-logs-tickwire-prod"
    (group,) = [item for item in prod.resources("AWS::Logs::LogGroup") if item.stack == "Edge"]
    assert group.properties["LogGroupName"] == "aws-waf-logs-tickwire-prod"


def test_alarms_of_another_region_have_topics_there(prod: Any) -> None:
    topics = {item.properties["TopicName"] for item in prod.resources("AWS::SNS::Topic") if item.stack == "Edge"}
    assert topics == {"tickwire-prod-alarms", "tickwire-prod-pages"}
    alarms = [item for item in prod.resources("AWS::CloudWatch::Alarm") if item.stack == "Edge"]
    assert {alarm.name.rstrip("0123456789ABCDEF") for alarm in alarms} == {"Blocks", "ServerErrors"}
    for alarm in alarms:
        assert "arn:aws:sns:us-east-1:" in json.dumps(alarm.properties["AlarmActions"])


def test_the_page_is_told_where_to_log_in_and_knows_no_secret(prod: Any) -> None:
    (deployed,) = prod.resources("Custom::CDKBucketDeployment")
    assert len(deployed.properties["SourceObjectKeys"]) == 2
    told = json.dumps(deployed.properties["SourceMarkers"])
    (page,) = [item for item in prod.resources("AWS::Cognito::UserPoolClient") if item.stack == "Delivery"]
    assert page.name in told
    assert "Secret" not in told
    assert deployed.properties["SystemMetadata"] == {"cache-control": "no-cache"}


def test_the_pages_files_are_copied_without_rights_to_anything_else(prod: Any) -> None:
    written = {
        action: json.dumps(statement["Resource"])
        for where, statement in prod.statements()
        if where.startswith("Delivery/SiteDeploymentRole")
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert "SiteFiles" in written["s3:PutObject"]
    assert "SiteDistribution" in written["cloudfront:CreateInvalidation"]
    assert not [action for action in written if action.startswith("iam:") or action.endswith("*")]


@pytest.fixture(scope="module")
def with_domain(synthesise: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    access = {"domain": "market.example.com", "zone_id": "Z0123456789ABCDEFGHIJ"}
    settings = settings_of("dev").changed(access=access)
    return synthesise("dev", tmp_path_factory.mktemp("domain") / "dev", settings)


def test_a_domain_of_ours_brings_a_certificate_a_name_and_modern_tls(with_domain: Any) -> None:
    assert distribution(with_domain)["Aliases"] == ["market.example.com"]
    (certificate,) = with_domain.resources("AWS::CertificateManager::Certificate")
    assert certificate.stack == "Edge"
    viewer = distribution(with_domain)["ViewerCertificate"]
    assert viewer["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert viewer["AcmCertificateArn"]["Fn::GetStackOutput"]["StackName"] == "Tickwire-dev-Edge"
    records = {item.properties["Type"]: item.properties for item in with_domain.resources("AWS::Route53::RecordSet")}
    assert set(records) == {"A", "AAAA"}
    assert {record["Name"] for record in records.values()} == {"market.example.com."}
    (page,) = [item for item in with_domain.resources("AWS::Cognito::UserPoolClient") if item.stack == "Delivery"]
    assert page.properties["CallbackURLs"] == ["https://market.example.com/"]


def test_a_build_that_fails_says_what_npm_said(tmp_path: Path) -> None:
    from cdk.constructs.page_files import PageNotBuilt

    (tmp_path / "package.json").write_text('{"name": "no-lock"}')
    with pytest.raises(PageNotBuilt, match=r"`npm ci.*` in dashboard/ failed"):
        _NpmBundling(tmp_path).try_bundle(str(tmp_path / "out"))
