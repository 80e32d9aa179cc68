"""The two images of the model, as assets: one that serves, one that trains and evaluates."""

from pathlib import Path

from aws_cdk import aws_ecr_assets as ecr_assets
from constructs import Construct

from cdk.settings import ModelSettings
from cdk.source import stage_source

_ARM = ecr_assets.Platform.LINUX_ARM64
_X86 = ecr_assets.Platform.LINUX_AMD64


class ModelImages(Construct):
    """``serving`` is built for the instances that serve, ``training`` for x86, as SageMaker trains on nothing else."""

    def __init__(self, scope: Construct, id_: str, *, settings: ModelSettings, folder: str) -> None:
        super().__init__(scope, id_)
        self.serving = self._new_image("Serving", "inference", folder, _ARM if settings.on_graviton else _X86)
        self.training = self._new_image("Training", "training", folder, _X86)

    def _new_image(
        self, id_: str, name: str, folder: str, platform: ecr_assets.Platform
    ) -> ecr_assets.DockerImageAsset:
        return ecr_assets.DockerImageAsset(
            self, id_, directory=folder, file=f"sagemaker/{name}/Dockerfile", platform=platform
        )


def stage_model_images(target: Path) -> str:
    """Copy what the images are built from into ``target`` and give it back."""
    files = [f"sagemaker/inference/{name}" for name in ("Dockerfile", "serve.py")]
    files += [f"sagemaker/training/{name}" for name in ("Dockerfile", "train.py", "evaluate.py", "score.py")]
    return str(stage_source(target, packages=("tickwire",), files=(*files, "requirements.txt")))
