"""Builds the CDK application; ``app.py``, the local run and the tests build the same one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App, Environment, Stack, Tags, Validations
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import configure_alarms
from cdk.constructs.function_code import FunctionSource
from cdk.constructs.log_retention import keep_logs
from cdk.constructs.model_images import stage_model_images
from cdk.constructs.permission_boundary import apply_boundary
from cdk.constructs.task_service import stage_task_images
from cdk.settings import StageSettings, settings_of
from cdk.settings.stages import LOCAL
from cdk.source import PROJECT, scratch_folder
from cdk.stacks.analytics import AnalyticsStack
from cdk.stacks.data import DataStack
from cdk.stacks.delivery import DeliveryStack
from cdk.stacks.edge import REGION as EDGE_REGION
from cdk.stacks.edge import EdgeStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.governance import GovernanceStack
from cdk.stacks.identity import IdentityStack
from cdk.stacks.ingestion import IngestionStack
from cdk.stacks.model import ModelStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.observability import ObservabilityStack
from cdk.stacks.processing import ProcessingStack
from cdk.stacks.replica import ReplicaStack
from cdk.stacks.streams import StreamsStack


def build_app(
    stage: str | None = None,
    *,
    settings: StageSettings | None = None,
    context: Mapping[str, Any] | None = None,
    outdir: str | Path | None = None,
    rules: bool = True,
) -> App:
    """Build every stack of a stage.

    Parameters
    ----------
    stage
        ``dev``, ``prod`` or ``local``. None takes it from the context, hence from
        ``cdk deploy -c stage=prod``.
    settings
        In the place of those that ``settings.toml`` gives the stage.
    context
        Added to the context of ``cdk.json``, which the CDK reads only when its CLI starts it. With
        ``bundle=false`` zips hold the source alone, under the same names.
    outdir
        Where ``app.synth()`` writes the assembly; None leaves it to the CDK.
    rules
        Whether synthesis ends with an error where a rule of cdk-nag is broken.

    Raises
    ------
    UnknownStage
        If there are no settings for the stage.
    InvalidSettings
        If they are incomplete or contradict each other.
    """
    app = new_app(context, outdir)
    if settings is None:
        settings = settings_of(stage or str(app.node.try_get_context("stage")))
    add_platform(app, settings, prefix=f"{platform_name(settings)}-")
    if rules:
        add_rules(app)
    return app


def new_app(context: Mapping[str, Any] | None = None, outdir: str | Path | None = None) -> App:
    """Make an application without a stack, with the context of ``cdk.json``; parameters as of :func:`build_app`."""
    configured = json.loads((PROJECT / "cdk.json").read_text())["context"]
    app = App(context={**configured, **(context or {})}, outdir=None if outdir is None else str(outdir))
    if app.node.try_get_context("bundle") == "false":
        # Over what the CLI says of it.
        app.node.set_context("aws:cdk:bundling-stacks", [])
    acknowledge(
        app,
        {
            "AwsSolutions-IAM5[Action::kms:GenerateDataKey*]": "With and without the plain text, of one key",
            "AwsSolutions-IAM5[Action::kms:ReEncrypt*]": "From and to, of one key",
        },
    )
    return app


def add_rules(app: App) -> None:
    """Let synthesis end with an error where a rule of cdk-nag is broken."""
    # Loading the rules takes a second, which a local run need not pay.
    from cdk.rules import Rules

    Validations.of(app).add_plugins(Rules(app))


def platform_name(settings: StageSettings) -> str:
    """Give what the names of a stage's stacks begin with."""
    return f"Tickwire-{settings.stage}"


def add_platform(scope: Construct, settings: StageSettings, *, prefix: str) -> ObservabilityStack | None:
    """Make every stack of a stage in an application, or in a part of one that a pipeline deploys.

    Gives the stack that sees all others, None on a laptop, where there is none.

    Parameters
    ----------
    prefix
        Of the stacks' ids. Those in a :class:`aws_cdk.Stage` need none: their names begin with its own.
    """
    configure_alarms(scope, settings)
    observability = _add_stacks(scope, settings, prefix)
    Tags.of(scope).add("application", "tickwire")
    Tags.of(scope).add("stage", settings.stage)
    return observability


def _add_stacks(app: Construct, settings: StageSettings, prefix: str) -> ObservabilityStack | None:
    """Make the stacks, each after those that it reads from."""
    # The laptop's emulator is in whichever region it says it is.
    environment = None if settings.stage == LOCAL else Environment(region=settings.region, account=settings.account)
    stateless: dict[str, Any] = {"settings": settings, "env": environment}
    stateful: dict[str, Any] = {**stateless, "termination_protection": settings.protected}
    source = FunctionSource.stage(bundle_dependencies=settings.bundle_dependencies)

    foundation = FoundationStack(app, f"{prefix}Foundation", description="Tickwire: keys, alarms, limits", **stateful)
    network = NetworkStack(
        app, f"{prefix}Network", description="Tickwire: network", log_key=foundation.log_key, **stateful
    )
    streams = StreamsStack(app, f"{prefix}Streams", description="Tickwire: streams and queues", **stateful)
    data = DataStack(
        app,
        f"{prefix}Data",
        description="Tickwire: stores",
        vpc=network.vpc,
        log_key=foundation.log_key,
        **stateful,
    )
    shared: dict[str, Any] = {**stateless, "foundation": foundation, "streams": streams, "data": data}
    _add_governance(app, settings, prefix, foundation=foundation, streams=streams, data=data, stateful=stateful)
    processing = ProcessingStack(
        app,
        f"{prefix}Processing",
        description="Tickwire: stages and writers",
        source=source,
        network=network,
        **shared,
    )
    identity = IdentityStack(app, f"{prefix}Identity", description="Tickwire: users and tickets", **stateful)
    edge = _edge(app, settings, prefix)
    delivery = DeliveryStack(
        app,
        f"{prefix}Delivery",
        description="Tickwire: APIs and page",
        source=source,
        network=network,
        identity=identity,
        edge=edge,
        **shared,
    )
    AnalyticsStack(
        app, f"{prefix}Analytics", description="Tickwire: the lake's upkeep and its readers", source=source, **shared
    )
    delivery.add_stack_dependency(processing, "the migrations make the role that the REST API logs in as")
    ingestion = IngestionStack(
        app,
        f"{prefix}Ingestion",
        description="Tickwire: ingestor and backfiller",
        image_folder=stage_task_images(scratch_folder()),
        network=network,
        **shared,
    )
    # Who reads a new field of a record is there before who writes it.
    for reader in (processing, delivery):
        ingestion.add_stack_dependency(reader, "reads what the ingestor writes")
    model = ModelStack(
        app,
        f"{prefix}Model",
        description="Tickwire: model endpoint and nightly training",
        source=source,
        image_folder=stage_model_images(scratch_folder()),
        foundation=foundation,
        network=network,
        data=data,
        **stateful,
    )
    # On a laptop the page tells, and an alarm would have nobody to wake.
    observability = None
    if settings.stage != LOCAL:
        observability = ObservabilityStack(
            app,
            f"{prefix}Observability",
            description="Tickwire: dashboards, alarms over all stacks, canary",
            source=source,
            identity=identity,
            processing=processing,
            delivery=delivery,
            ingestion=ingestion,
            model=model,
            **shared,
        )
    for stack in app.node.children:
        if isinstance(stack, Stack):
            apply_boundary(stack, settings, foundation)
        # A key holds for its region; the stacks of another one make no functions.
        if isinstance(stack, Stack) and stack.region == foundation.region:
            keep_logs(stack, settings, foundation.log_key)
    return observability


def _edge(app: Construct, settings: StageSettings, prefix: str) -> EdgeStack | None:
    """Make what CloudFront needs in its own region; a laptop has no CloudFront."""
    if settings.stage == LOCAL:
        return None
    return EdgeStack(
        app,
        f"{prefix}Edge",
        description="Tickwire: firewall and certificate",
        settings=settings,
        env=Environment(region=EDGE_REGION, account=settings.account),
    )


def _add_governance(
    app: Construct,
    settings: StageSettings,
    prefix: str,
    *,
    foundation: FoundationStack,
    streams: StreamsStack,
    data: DataStack,
    stateful: Mapping[str, Any],
) -> None:
    """Add what watches the account, and what stands in the second region; a laptop has neither."""
    if settings.stage == LOCAL:
        return
    governance = GovernanceStack(
        app,
        f"{prefix}Governance",
        description="Tickwire: audit, backups, budget",
        foundation=foundation,
        streams=streams,
        data=data,
        **stateful,
    )
    if settings.lake.replica_region is not None:
        elsewhere = Environment(region=settings.lake.replica_region, account=settings.account)
        replica = ReplicaStack(
            app, f"{prefix}Replica", description="Tickwire: copies", **{**stateful, "env": elsewhere}
        )
        data.add_stack_dependency(replica, "replication needs the bucket")
        governance.add_stack_dependency(replica, "backups are copied to its vault")
