"""The entry point of the CDK CLI: ``npx cdk deploy --all -c stage=dev``."""

from cdk.app_factory import build_app

build_app().synth()
