"""What becomes of a resource when its stack goes."""

from aws_cdk import RemovalPolicy

from cdk.settings import StageSettings


def removal_of(settings: StageSettings) -> RemovalPolicy:
    """Keep what holds data or explains it, where the stage is protected; elsewhere it goes with its stack."""
    return RemovalPolicy.RETAIN if settings.protected else RemovalPolicy.DESTROY
