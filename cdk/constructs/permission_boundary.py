"""The most that any role of a stage can ever do, whatever its own policies say."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.settings import StageSettings


def boundary_name(settings: StageSettings) -> str:
    """Give the name of a stage's boundary; IAM's names hold for all regions."""
    return f"tickwire-{settings.stage}-boundary"


class PermissionBoundary(iam.ManagedPolicy):
    """Grants nothing by itself: a role may do what both this and its own policies allow.

    It keeps whoever can change a role's policy, or run code as the role, from reaching for identities,
    accounts and organisations, and from handing a role to anything but the services that run here.
    """

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings) -> None:
        super().__init__(
            scope,
            id_,
            managed_policy_name=boundary_name(settings),
            description="Tickwire: the most that a role of this stage may do",
            statements=[
                iam.PolicyStatement(
                    sid="EverythingButIdentities",
                    not_actions=["iam:*", "organizations:*", "account:*", "aws-portal:*", "sso:*"],
                    resources=["*"],
                ),
                iam.PolicyStatement(
                    sid="RolesForTheServicesThatRunHere",
                    actions=["iam:PassRole"],
                    resources=[
                        Stack.of(scope).format_arn(service="iam", region="", resource="role", resource_name="*")
                    ],
                    conditions={
                        "StringEquals": {"iam:PassedToService": ["sagemaker.amazonaws.com", "ecs-tasks.amazonaws.com"]}
                    },
                ),
            ],
        )
        acknowledge(
            self,
            {
                # The rule cannot read a statement with NotAction.
                "AwsSolutions-IAM5": "A boundary grants nothing: it limits what the roles' own policies can allow",
                "CloudFormation-Validate::W2512": "As above",
            },
        )


def apply_boundary(stack: Stack, settings: StageSettings, foundation: Stack) -> None:
    """Set the boundary on every role and user of a stack, and have the stack deployed after it."""
    boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "PermissionBoundary", boundary_name(settings))
    iam.PermissionsBoundary.of(stack).apply(boundary)
    if stack is not foundation:
        stack.add_stack_dependency(foundation, "roles need the permission boundary")
