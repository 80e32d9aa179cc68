"""How the platform is seen from outside: pages, alarms over all stacks, a client of ours, saved queries."""

from collections.abc import Iterable
from typing import Any

from aws_cdk import CfnOutput, CrossStackReferences, Duration, ReferenceStrength, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from aws_cdk import aws_xray as xray
from constructs import Construct

from cdk.constructs.alarm import Comparison, Watched, alarms_in, new_alarm, new_anomaly_alarm, new_page
from cdk.constructs.canary import Canary
from cdk.constructs.function_code import FunctionSource
from cdk.constructs.saved_queries import save_queries
from cdk.dashboards.cost import cost
from cdk.dashboards.delivery import delivery as delivery_page
from cdk.dashboards.ingestion import ingestion as ingestion_page
from cdk.dashboards.metrics import BROADCASTER, INGESTOR, VALIDATOR, own_metric
from cdk.dashboards.model import model as model_page
from cdk.dashboards.overview import overview
from cdk.dashboards.stages import stages
from cdk.dashboards.stores import stores
from cdk.dashboards.widgets import Page
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.delivery import DeliveryStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.identity import IdentityStack
from cdk.stacks.ingestion import IngestionStack
from cdk.stacks.model import ModelStack
from cdk.stacks.processing import ProcessingStack
from cdk.stacks.streams import StreamsStack

# From the exchange's socket to the broadcast, in 99 of 100 records.
_PROMISED_MILLISECONDS = 1_000
_FIVE_MINUTES = Duration.minutes(5)
# A parser that no longer fits its venue makes thousands; odd rows come by the dozen.
_LETTERS_IN_FIVE_MINUTES = 1_000

# By the runbooks of what may lose a record, or keep one from being stored.
_DATA_AT_RISK = frozenset(
    {
        "records-expiring",
        "records-given-up",
        "partition-stopped",
        "dead-letters-growing",
        "messages-aside",
        "ids-missing",
    }
)
_MARKET_SILENT = frozenset({"ingestion-silent"})
# Beside whatever the delivery's own alarms say.
_CLIENTS_SUFFER = frozenset({"canary-failing", "latency-high", "publish-lag"})


class ObservabilityStack(Stack):
    """Stateless, and the last of all: nothing depends on it, and it holds nothing back.

    What it reads of other stacks it reads by weak references, since an export that a dashboard imports
    could not be removed: whoever takes a function away would have to take it off the dashboard first.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        source: FunctionSource,
        foundation: FoundationStack,
        streams: StreamsStack,
        data: DataStack,
        identity: IdentityStack,
        processing: ProcessingStack,
        delivery: DeliveryStack,
        ingestion: IngestionStack,
        model: ModelStack,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        CrossStackReferences.of(self).consume(ReferenceStrength.WEAK)
        self._stage = settings.stage
        venues = tuple(settings.groups())
        self.canary = Canary(
            self,
            "Canary",
            url=delivery.websocket_url,
            symbols=_busiest_symbols(settings),
            identity=identity,
            settings=settings,
            source=source,
            log_key=foundation.log_key,
        )
        self._add_alarms(venues)
        # Of this region: an alarm elsewhere can neither be part of a page here nor be shown.
        watched = [one for one in alarms_in(scope) if Stack.of(one.alarm).region == self.region]
        pages = self._add_pages(watched, delivery)

        consumers = [processing.validator, processing.signals, processing.market, processing.lake_writer]
        consumers += [processing.store_writer, delivery.broadcaster]
        functions = [*consumers, processing.lake_committer, processing.dead_letters]
        functions += [delivery.websocket, delivery.authorizer, delivery.answers, self.canary]
        self._add_dashboard(
            "Overview",
            overview(
                venues,
                pages=pages,
                others=[one.alarm for one in watched],
                latency_milliseconds=_PROMISED_MILLISECONDS,
            ),
        )
        self._add_dashboard("Ingestion", ingestion_page(venues, streams=streams))
        self._add_dashboard("Stages", stages(consumers, functions))
        self._add_dashboard("Stores", stores(streams=streams, data=data))
        self._add_dashboard("Delivery", delivery_page(delivery, latency_milliseconds=_PROMISED_MILLISECONDS))
        self._add_dashboard("Model", model_page(model))
        self._add_dashboard("Cost", cost(functions, streams=streams, data=data, delivery=delivery))
        save_queries(
            self,
            f"Tickwire/{settings.stage}",
            functions=[function.log_group for function in functions],
            tasks=[found for found in ingestion.node.find_all() if isinstance(found, logs.LogGroup)],
        )
        self._add_trace_group(
            function.name
            for function in (processing.validator, processing.signals, delivery.broadcaster, delivery.websocket)
        )
        self.canary_output = CfnOutput(self, "CanaryFunction", value=self.canary.function.function_name)

    def _add_alarms(self, venues: tuple[str, ...]) -> None:
        """Watch what no resource of a single stack tells."""
        new_alarm(
            self,
            "LatencyHigh",
            own_metric("EndToEndLatency", BROADCASTER, statistic="p99"),
            runbook="latency-high",
            says="Of 100 trades, one takes more than a second from the exchange's socket to the broadcast",
            threshold=_PROMISED_MILLISECONDS,
            periods=5,
            datapoints=4,
        )
        new_alarm(
            self,
            "DeadLettersGrow",
            own_metric("DeadLetters", "dead_letters", period=_FIVE_MINUTES),
            runbook="dead-letters-growing",
            says="Frames or trades go to the dead letters by the thousand",
            threshold=_LETTERS_IN_FIVE_MINUTES,
            periods=1,
        )
        new_anomaly_alarm(
            self,
            "QuarantineUnusual",
            own_metric("QuarantinedRows", VALIDATOR, period=_FIVE_MINUTES),
            runbook="quarantine-unusual",
            says="More rows break a rule than usual at this hour",
            comparison=Comparison.GREATER_THAN_UPPER_THRESHOLD,
        )
        for venue in venues:
            # Too few only: what a market that is busier than ever does to us, other alarms tell.
            new_anomaly_alarm(
                self,
                f"TradesUnusual-{venue}",
                own_metric("Trades", INGESTOR, period=_FIVE_MINUTES, venue=venue),
                runbook="trades-unusual",
                says=f"{venue} sends fewer trades than usual at this hour",
                comparison=Comparison.LESS_THAN_LOWER_THRESHOLD,
            )

    def _add_pages(self, watched: Iterable[Watched], delivery: DeliveryStack) -> list[cloudwatch.CompositeAlarm]:
        """Page for what clients or data suffer from, once for all alarms that say so."""
        by_runbook = {
            "DataAtRisk": [one.alarm for one in watched if one.runbook in _DATA_AT_RISK],
            "MarketSilent": [one.alarm for one in watched if one.runbook in _MARKET_SILENT],
        }
        clients = [one.alarm for one in watched if Stack.of(one.alarm) is delivery or one.runbook in _CLIENTS_SUFFER]
        return [
            new_page(
                self,
                "DataAtRisk",
                by_runbook["DataAtRisk"],
                runbook="data-at-risk",
                says="Trades may be lost, or are not stored, unless somebody acts",
            ),
            new_page(
                self,
                "ClientsSuffer",
                clients,
                runbook="clients-suffer",
                says="Clients get errors, old data or none",
            ),
            new_page(
                self,
                "MarketSilent",
                by_runbook["MarketSilent"],
                runbook="market-silent",
                says="Trades of a market have stopped to come in",
            ),
        ]

    def _add_dashboard(self, name: str, page: Page) -> None:
        cloudwatch.Dashboard(
            self,
            name,
            dashboard_name=f"tickwire-{self._stage}-{name.lower()}",
            default_interval=Duration.hours(3),
            widgets=[list(row) for row in page],
        )

    def _add_trace_group(self, services: Iterable[str]) -> None:
        """Group the traces of the way to the screen; X-Ray then tells by itself of rising faults in them.

        There is no sampling rule: which invocations are traced Lambda decides (one a second and five in a
        hundred), and which records are followed through the stages, the ingestor.
        """
        xray.CfnGroup(
            self,
            "Traces",
            group_name=f"tickwire-{self._stage}",
            # Powertools' tracer annotates each function's segment with its service.
            filter_expression=" OR ".join(f'annotation[Service] = "{service}"' for service in services),
            insights_configuration=xray.CfnGroup.InsightsConfigurationProperty(
                insights_enabled=True, notifications_enabled=False
            ),
        )


def _busiest_symbols(settings: StageSettings) -> tuple[str, ...]:
    """Give the first symbol of each venue, since the settings name them in the order of their weight."""
    return tuple(f"{venue}:{groups[0].symbols[0]}" for venue, groups in settings.groups().items())
