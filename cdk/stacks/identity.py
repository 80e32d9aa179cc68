"""Who may come in: users, their groups, the app client of programmes, and the tickets for WebSockets."""

from typing import Any

from aws_cdk import Aws, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.grants import grant_items
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings
from lambdas.identity.user import Role

_MAY = {
    Role.VIEWER: "Read market data and how complete it is",
    Role.TRADER: "Read, and compute risks",
    Role.OPERATOR: "Read, and run the platform",
}


class IdentityStack(Stack):
    """Stateful. The page's own app client is not here but with the page, whose address it must know."""

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, **stack: Any) -> None:
        super().__init__(scope, id_, **stack)
        removal = removal_of(settings)
        self._settings = settings
        self.users = self._new_pool(removal)
        for role in Role:
            cognito.CfnUserPoolGroup(
                self,
                role.capitalize(),
                user_pool_id=self.users.user_pool_id,
                group_name=role.value,
                description=_MAY[role],
            )
        self.programmes = self._new_programmes_client()
        self._login_prefix = settings.access.login_prefix or f"tickwire-{settings.stage}-{Aws.ACCOUNT_ID}"
        self.users.add_domain("Login", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=self._login_prefix))
        key = kms.Key(self, "Key", description="Tickwire tickets", enable_key_rotation=True, removal_policy=removal)
        self.tickets = dynamodb.Table(
            self,
            "Tickets",
            partition_key=dynamodb.Attribute(name="ticket_hash", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            time_to_live_attribute="expires",
            # Nobody wants yesterday's tickets back; but so no table is an exception.
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=removal,
        )

        CfnOutput(self, "UserPoolId", value=self.users.user_pool_id)
        CfnOutput(self, "ProgrammesClientId", value=self.programmes.user_pool_client_id)
        CfnOutput(self, "LoginUrl", value=self.login_url)
        CfnOutput(self, "TicketsTable", value=self.tickets.table_name)

    @property
    def issuer(self) -> str:
        """The pool's address, as its tokens name it; its keys are at ``/.well-known/jwks.json`` below."""
        return f"https://cognito-idp.{self.region}.amazonaws.com/{self.users.user_pool_id}"

    @property
    def login_url(self) -> str:
        """Where people log in; ``/oauth2/authorize`` and ``/oauth2/token`` are below."""
        return f"https://{self._login_prefix}.auth.{self.region}.amazoncognito.com"

    def grant_issuing(self, role: iam.IGrantable) -> None:
        """Let a role leave tickets."""
        grant_items(role, self.tickets, "PutItem")

    def grant_redeeming(self, role: iam.IGrantable) -> None:
        """Let a role take tickets away, which tells whose they were."""
        grant_items(role, self.tickets, "DeleteItem")

    def _new_pool(self, removal: RemovalPolicy) -> cognito.UserPool:
        protect = self._settings.access.threat_protection
        pool = cognito.UserPool(
            self,
            "Users",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.OPTIONAL,
            # By an app and not by text message: a number can be moved to another SIM.
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=cognito.PasswordPolicy(
                min_length=14,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=Duration.days(3),
                password_history_size=5,
            ),
            feature_plan=cognito.FeaturePlan.PLUS if protect else cognito.FeaturePlan.ESSENTIALS,
            standard_threat_protection_mode=cognito.StandardThreatProtectionMode.FULL_FUNCTION if protect else None,
            deletion_protection=self._settings.protected,
            removal_policy=removal,
        )
        acknowledge(
            pool,
            {"AwsSolutions-COG2": "Who is invited turns a second factor on at the first login; the pool offers it"},
        )
        if not protect:
            acknowledge(
                pool,
                {
                    "AwsSolutions-COG3": "Threat protection has a price a user: the setting access.threat_protection",
                    "AwsSolutions-COG8": "As above",
                },
            )
        return pool

    def _new_programmes_client(self) -> cognito.UserPoolClient:
        """Make the client of programmes, without any page.

        Their tokens come from ``AdminInitiateAuth``, which takes a password and IAM's leave: whoever has stolen
        only the password gets none.
        """
        return cognito.UserPoolClient(
            self,
            "Programmes",
            user_pool=self.users,
            disable_o_auth=True,
            auth_flows=cognito.AuthFlow(admin_user_password=True),
            access_token_validity=Duration.hours(1),
            id_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(1),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
        )
