"""Users, groups and app clients."""

from typing import Any

import pytest

from lambdas.identity.user import Role


def pool(application: Any) -> dict[str, Any]:
    (found,) = application.resources("AWS::Cognito::UserPool")
    properties: dict[str, Any] = found.properties
    return properties


def client(application: Any, stack: str) -> dict[str, Any]:
    (found,) = [item for item in application.resources("AWS::Cognito::UserPoolClient") if item.stack == stack]
    properties: dict[str, Any] = found.properties
    return properties


def test_nobody_makes_a_user_of_themselves(prod: Any) -> None:
    assert pool(prod)["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True


def test_passwords_are_long_and_a_second_factor_is_an_app(prod: Any) -> None:
    policy = pool(prod)["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 14
    assert all(policy[f"Require{kind}"] for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols"))
    assert policy["TemporaryPasswordValidityDays"] <= 3
    assert pool(prod)["MfaConfiguration"] in ("OPTIONAL", "ON")
    assert pool(prod)["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]


def test_a_password_is_got_back_by_mail_alone(prod: Any) -> None:
    (mechanism,) = pool(prod)["AccountRecoverySetting"]["RecoveryMechanisms"]
    assert mechanism["Name"] == "verified_email"


def test_production_keeps_its_users_and_watches_their_logins(prod: Any, dev: Any) -> None:
    assert (pool(prod)["DeletionProtection"], pool(dev)["DeletionProtection"]) == ("ACTIVE", "INACTIVE")
    assert pool(prod)["UserPoolTier"] == "PLUS"
    assert pool(prod)["UserPoolAddOns"]["AdvancedSecurityMode"] == "ENFORCED"
    assert pool(dev)["UserPoolTier"] == "ESSENTIALS"
    assert "UserPoolAddOns" not in pool(dev)


def test_the_groups_are_the_roles(prod: Any) -> None:
    groups = {group.properties["GroupName"] for group in prod.resources("AWS::Cognito::UserPoolGroup")}
    assert groups == set(Role)


def test_the_page_gets_tokens_for_a_code_and_for_nothing_else(prod: Any) -> None:
    page = client(prod, "Delivery")
    assert page["AllowedOAuthFlows"] == ["code"]
    # Without this, Cognito adds flows that take passwords.
    assert page["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
    # A page can keep no secret; PKCE stands in for it.
    assert page["GenerateSecret"] is False
    assert page["AllowedOAuthScopes"] == ["openid"]
    assert page["CallbackURLs"] == page["LogoutURLs"]
    assert len(page["CallbackURLs"]) == 1
    assert page["CallbackURLs"][0]["Fn::Join"][1][0] == "https://"


def test_programmes_get_tokens_with_the_leave_of_iam(prod: Any) -> None:
    programmes = client(prod, "Identity")
    assert set(programmes["ExplicitAuthFlows"]) == {"ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}
    assert programmes["AllowedOAuthFlowsUserPoolClient"] is False


@pytest.mark.parametrize("stack", ["Delivery", "Identity"])
def test_tokens_are_short_and_can_be_revoked(prod: Any, stack: str) -> None:
    found = client(prod, stack)
    assert found["TokenValidityUnits"] == {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "minutes"}
    assert found["AccessTokenValidity"] <= 60
    assert found["RefreshTokenValidity"] <= 24 * 60
    assert found["EnableTokenRevocation"] is True
    assert found["PreventUserExistenceErrors"] == "ENABLED"


def test_the_outputs_name_what_a_client_needs(prod: Any) -> None:
    outputs = {name for template in prod.templates.values() for name in template.get("Outputs", {})}
    assert {"UserPoolId", "ProgrammesClientId", "PageClientId", "LoginUrl", "SiteUrl", "RestApiId"} <= outputs
