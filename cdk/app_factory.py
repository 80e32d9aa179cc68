"""Builds the CDK application; ``app.py``, the local run and the tests build the same one."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aws_cdk import App, Tags

from cdk.constructs.function_code import FunctionSource
from cdk.constructs.task_service import stage_task_images
from cdk.settings import settings_of
from cdk.source import PROJECT, scratch_folder
from cdk.stacks.data import DataStack
from cdk.stacks.delivery import DeliveryStack
from cdk.stacks.ingestion import IngestionStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.processing import ProcessingStack
from cdk.stacks.streams import StreamsStack


def build_app(
    stage: str | None = None, *, context: Mapping[str, Any] | None = None, outdir: str | Path | None = None
) -> App:
    """Build every stack of a stage.

    Parameters
    ----------
    stage
        ``dev``, ``prod`` or ``local``. None takes it from the context, hence from
        ``cdk deploy -c stage=prod``.
    context
        Added to the context of ``cdk.json``, which the CDK reads only when its CLI starts it.
        ``zones`` (``us-east-1b,us-east-1d``) names the availability zones, where the region's first
        ones will not do: which of them have MemoryDB differs from account to account.
    outdir
        Where ``app.synth()`` writes the assembly; None leaves it to the CDK.

    Raises
    ------
    UnknownStage
        If there are no settings for the stage.
    InvalidSettings
        If ``zones`` are too few.
    """
    configured = json.loads((PROJECT / "cdk.json").read_text())["context"]
    app = App(context={**configured, **(context or {})}, outdir=None if outdir is None else str(outdir))
    settings = settings_of(stage or str(app.node.try_get_context("stage")))
    zones = app.node.try_get_context("zones")
    if zones:
        settings = replace(settings, zones=tuple(str(zones).split(",")))
    source = FunctionSource.stage(bundle_dependencies=settings.bundle_dependencies)

    prefix = f"Tickwire-{settings.stage}"
    stateful: dict[str, Any] = {"settings": settings, "termination_protection": settings.protected}
    network = NetworkStack(app, f"{prefix}-Network", description="Tickwire: network", **stateful)
    streams = StreamsStack(app, f"{prefix}-Streams", description="Tickwire: streams and queues", **stateful)
    data = DataStack(app, f"{prefix}-Data", description="Tickwire: stores", vpc=network.vpc, **stateful)
    ProcessingStack(
        app,
        f"{prefix}-Processing",
        description="Tickwire: stages and writers",
        settings=settings,
        source=source,
        network=network,
        streams=streams,
        data=data,
    )
    DeliveryStack(
        app,
        f"{prefix}-Delivery",
        description="Tickwire: WebSocket API",
        settings=settings,
        source=source,
        streams=streams,
        data=data,
    )
    IngestionStack(
        app,
        f"{prefix}-Ingestion",
        description="Tickwire: ingestor and backfiller",
        settings=settings,
        image_folder=stage_task_images(scratch_folder()),
        network=network,
        streams=streams,
        data=data,
    )
    Tags.of(app).add("application", "tickwire")
    Tags.of(app).add("stage", settings.stage)
    return app
