"""The application that a pipeline deploys: ``npx cdk deploy --app ".venv/bin/python -m cdk.pipeline_app"``, once.

From then on the pipeline deploys itself, and the stages, from the repository that ``settings.toml`` names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App, Environment, Tags

from cdk.app_factory import add_rules, new_app
from cdk.constructs.alarm import configure_alarms
from cdk.settings import SETTINGS_FILE, settings_of
from cdk.settings.pipeline import pipeline_settings
from cdk.stacks.pipeline import PipelineStack

STAGES = ("dev", "prod")


def build_pipeline_app(
    *,
    file: Path = SETTINGS_FILE,
    context: Mapping[str, Any] | None = None,
    outdir: str | Path | None = None,
    rules: bool = True,
) -> App:
    """Build the pipeline and, inside it, every stack of the stages that it deploys.

    The other parameters are as in :func:`cdk.app_factory.build_app`.

    Raises
    ------
    InvalidSettings
        If there are no settings of a pipeline, or those of a stage are incomplete.
    """
    app = new_app(context, outdir)
    settings = pipeline_settings(file=file)
    stages = [settings_of(stage, file=file) for stage in STAGES]
    first = stages[0]
    configure_alarms(app, first)
    PipelineStack(
        app,
        "Tickwire-Pipeline",
        description="Tickwire: from the repository to the stages",
        settings=settings,
        stages=stages,
        env=Environment(region=first.region, account=first.account),
    )
    Tags.of(app).add("application", "tickwire")
    if rules:
        add_rules(app)
    return app


if __name__ == "__main__":
    build_pipeline_app().synth()
