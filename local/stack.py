"""Everything that a local run starts, in the order in which one thing needs the other."""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from local.child_process import ChildFailed, ChildProcess
from local.deploy import Deployment, deploy, synthesise
from local.emulator import CREDENTIALS, Emulator
from local.event_source import EventSource
from local.identity import LocalUsers
from local.page import Page
from local.postgres import LocalPostgres
from local.sagemaker.process import LocalSageMaker
from local.shard_delivery import MappingStatistics
from local.valkey import LocalValkey
from local.watcher import Watcher
from tickwire.venues.history import HISTORIES, new_history

PARTITIONS = 2
"""Enough to show that partitions are independent, few enough for two cores: every partition costs
a record a flush interval on each of three streams."""

LIVE_FEEDS = {
    "binance": ("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT", "DOGE-USDT"),
    "coinbase": ("BTC-USD", "ETH-USD", "SOL-USD"),
    "kraken": ("BTC-USD", "ETH-USD", "SOL-USD"),
}

Result = TypeVar("Result")
Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the market comes from: arguments of the local exchange, or None for the real ones.

    ``replayed`` says that exchange times may lie far in the past.
    """

    name: str
    exchange_arguments: tuple[str, ...] | None
    replayed: bool = False


class LocalPlatform:
    """The whole platform on this machine; :meth:`start` once, :meth:`stop` always."""

    def __init__(self, folder: Path, *, source: Source, port: int, report: Report, dashboard: Path) -> None:
        self._folder = folder
        self._source = source
        self._port = port
        self._report = report
        self._dashboard = dashboard
        self._stops: list[tuple[str, Callable[[], object]]] = []
        self.exchange: ChildProcess | None = None
        self.exchange_url: str | None = None

    def start(self) -> None:
        """Start everything; on an error what was started is stopped before it is raised again."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        os.environ.update(CREDENTIALS)
        self._folder.mkdir(parents=True, exist_ok=True)
        # First, since a port in use should not take half a minute to be told.
        self.page = Page(self._dashboard, port=self._port)
        self._timed("page", lambda: self._begin("page", self.page))
        self.valkey = LocalValkey(self._folder / "valkey")
        self.postgres = LocalPostgres(self._folder / "postgres")
        self.emulator = Emulator(log=self._folder / "emulator.log")
        with ThreadPoolExecutor(4) as pool:
            # Synthesis is the slowest by far on a first run, so everything else hides behind it.
            assembly = pool.submit(self._timed, "templates (CDK synthesis)", self._synthesise)
            steps = [
                pool.submit(self._timed, "Valkey", lambda: self._begin("Valkey", self.valkey)),
                pool.submit(self._timed, "PostgreSQL", self._start_database),
                pool.submit(self._timed, "cloud emulator", self._start_emulator),
            ]
            if self._source.exchange_arguments is not None:
                steps.append(pool.submit(self._timed, "exchange", self._start_exchange))
            for step in steps:
                step.result()
            folder = assembly.result()
        os.environ["AWS_ENDPOINT_URL"] = self.emulator.endpoint_url
        self.deployment = self._timed("stacks (CloudFormation)", lambda: self._deploy(folder))
        with ThreadPoolExecutor(1) as pool:
            # Functions import for as long as a model's server does.
            serving = pool.submit(self._timed, "model", self._serve_model)
            self._timed("functions (first start)", self._warm_functions)
            serving.result()
        functions = self.deployment.functions
        self.event_source = EventSource(
            self.deployment.event_source_mappings,
            endpoint_url=self.emulator.endpoint_url,
            writes={
                functions["validator"]: self.output("CleanStream"),
                functions["signals"]: self.output("EventsStream"),
            },
        )
        self._timed("event sources", lambda: self._begin("event sources", self.event_source))
        users = LocalUsers(
            self.emulator.endpoint_url,
            pool_id=self.output("UserPoolId"),
            client_id=self.output("ProgrammesClientId"),
        )
        users.create()
        self.watcher = Watcher(self.websocket_url, token=users.token)
        self.page.token, self.page.rest_url = users.token, self.deployment.rest_url
        self.page.config = {"websocketUrl": self.websocket_url, "tokenUrl": "/token", "source": self._source.name}
        self._timed("WebSocket API", self._start_watcher)
        self._timed("backfiller", self.start_backfiller)
        self._timed("ingestor", self.start_ingestor)
        self.sagemaker.train_nightly(
            machine=self.output("NightlyTraining"),
            function=functions["model_rollout"],
            lake_database=self.output("LakeDatabaseName"),
        )
        self._write_state()

    def stop(self) -> None:
        """Stop everything that was started, last first; keeps going past errors and raises the first."""
        first: Exception | None = None
        while self._stops:
            _, stop = self._stops.pop()
            try:
                stop()
            except Exception as error:
                first = first or error
        (self._folder / "run.json").unlink(missing_ok=True)
        if first is not None:
            raise first

    @property
    def websocket_url(self) -> str:
        """Where clients connect."""
        address = self.emulator.endpoint_url.replace("http://", "ws://")
        return f"{address}/_aws/execute-api/{self.output('WebSocketApiId')}/{self.output('WebSocketStage')}"

    def state(self) -> dict[str, Any]:
        """Give the addresses and names of this run, as ``run.json`` has them."""
        return {
            "pid": os.getpid(),
            "endpoint_url": self.emulator.endpoint_url,
            "page": self.page.url,
            "websocket_url": self.websocket_url,
            "database_url": self.postgres.url,
            "state_url": self.valkey.url,
            "lake_bucket": self.output("LakeBucket"),
            "lake_database": self.output("LakeDatabaseName"),
            "raw_stream": self.output("RawStream"),
            "partitions": PARTITIONS,
            "frames_dlq_url": self.output("FramesDlqUrl"),
            "dead_letter_bucket": self.deployment.outputs.get("DeadLetterBucket"),
            "exchange_url": self.exchange_url,
            "ingestor_url": self.ingestor_url,
            "backfiller_url": self.backfiller_url,
            "sagemaker_url": self.sagemaker.url,
            "model_endpoint": self.output("ModelEndpoint"),
        }

    def output(self, name: str) -> str:
        """Give a stack output by its key."""
        return str(self.deployment.outputs[name])

    def function_statistics(self) -> dict[str, MappingStatistics]:
        """What each stream function did, by the name of its folder."""
        names = {deployed: folder for folder, deployed in self.deployment.functions.items()}
        return {names[deployed]: s for deployed, s in self.event_source.statistics.items()}

    def start_ingestor(self, feeds: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Start the ingestor, again after :meth:`stop_ingestor` or its death.

        ``feeds`` are its connections as ``TICKWIRE_FEEDS`` names them; None takes those of the source.
        """
        self.ingestor = ChildProcess(
            "ingestor",
            ["ecs_tasks.ingestor"],
            environment={
                **self._task_environment(),
                "TICKWIRE_FEEDS": json.dumps(self._feeds() if feeds is None else feeds),
            },
            log=self._folder / "ingestor.log",
        )
        self._begin("ingestor", self.ingestor)
        port = self.ingestor.wait_for("listening", seconds=30)["port"]
        self.ingestor_url = f"http://127.0.0.1:{port}"

    def stop_ingestor(self) -> dict[str, Any]:
        """Drain the ingestor and give its last statistics."""
        self._forget("ingestor")
        status = self.ingestor.stop(seconds=30)
        stopped = self.ingestor.wait_for("stopped", seconds=5)
        if status != 0:
            raise RuntimeError(f"the ingestor ended with status {status}:\n{self.ingestor.log_tail()}")
        return dict(stopped["stats"])

    def start_backfiller(self) -> None:
        """Start the backfiller, again after :meth:`stop_backfiller` or its death."""
        self.backfiller = ChildProcess(
            "backfiller",
            ["ecs_tasks.backfiller"],
            environment={
                **self._task_environment(),
                "TICKWIRE_HISTORIES": json.dumps(self._histories()),
                "TICKWIRE_STATE_URL": self.valkey.url,
                "TICKWIRE_MINUTES_URL": self.valkey.url,
                "TICKWIRE_DATABASE_URL": self.postgres.url,
                "TICKWIRE_DATABASE_IAM": "false",
                "TICKWIRE_LAKE_BUCKET": self.output("LakeBucket"),
                "TICKWIRE_LAKE_DATABASE": self.output("LakeDatabaseName"),
                # A market here is over sooner than a real one is quiet.
                "TICKWIRE_TAIL_CHECK_SECONDS": "10",
            },
            log=self._folder / "backfiller.log",
        )
        self._begin("backfiller", self.backfiller)
        port = self.backfiller.wait_for("listening", seconds=30)["port"]
        self.backfiller_url = f"http://127.0.0.1:{port}"

    def stop_backfiller(self) -> dict[str, Any]:
        """Stop the backfiller and give its last statistics."""
        self._forget("backfiller")
        status = self.backfiller.stop(seconds=30)
        if status != 0:
            raise RuntimeError(f"the backfiller ended with status {status}:\n{self.backfiller.log_tail()}")
        return dict(self.backfiller.wait_for("stopped", seconds=5)["stats"])

    def check(self) -> None:
        """Raise a TickwireError that says why, if a process of the run has died."""
        for child in (self.exchange, self.ingestor, self.backfiller, self.sagemaker.child, self.sagemaker.nightly):
            if child is not None and child.returncode is not None:
                raise ChildFailed(f"the {child.name} ended with status {child.returncode}:\n{child.log_tail()}")
        self.emulator.check()
        self.valkey.check()
        self.postgres.check()

    def wait_for_exchange(self, *, seconds: float) -> None:
        """Wait until the exchange has written all that it announced; gives up quietly after a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not fetch(f"{self.exchange_url}/control/state")["finished"]:
            time.sleep(0.05)

    def drain(self, *, seconds: float) -> bool:
        """Wait until streams and queues hold nothing undelivered; False if that took too long."""
        import boto3

        sqs = boto3.client("sqs", endpoint_url=self.emulator.endpoint_url)
        queues = [self.output(name) for name in ("TradesDlqUrl", "FramesDlqUrl", "LakeCommitsQueueUrl")]
        attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline = time.monotonic() + seconds
        quiet = 0
        while time.monotonic() < deadline:
            waiting = sum(
                int(count)
                for queue in queues
                for count in sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=attributes)["Attributes"].values()
            )
            # Twice, since a record can be between two streams when one look finds both empty.
            quiet = quiet + 1 if self.event_source.idle and waiting == 0 else 0
            if quiet >= 4:
                return True
            time.sleep(0.25)
        return False

    def _timed(self, name: str, step: Callable[[], Result]) -> Result:
        started = time.monotonic()
        result = step()
        self._report(name, time.monotonic() - started)
        return result

    def _begin(self, name: str, part: Any) -> None:
        self._stops.append((name, part.stop))
        part.start()

    def _forget(self, name: str) -> None:
        self._stops = [stop for stop in self._stops if stop[0] != name]

    def _synthesise(self) -> Path:
        return synthesise(self._folder.parent / "assembly", stage="local").folder

    def _start_database(self) -> None:
        import psycopg

        from lambdas.migrations.runner import apply

        self._begin("PostgreSQL", self.postgres)
        with psycopg.connect(self.postgres.url) as connection:
            apply(connection)

    def _start_emulator(self) -> None:
        self._begin("cloud emulator", self.emulator)
        self.sagemaker = LocalSageMaker(self._folder, endpoint_url=self.emulator.endpoint_url)
        self._begin("SageMaker", self.sagemaker)

    def _serve_model(self) -> None:
        self.sagemaker.serve(endpoint=self.output("ModelEndpoint"), bucket=self.output("ModelBucket"))

    def _start_exchange(self) -> None:
        arguments = self._source.exchange_arguments or ()
        self.exchange = ChildProcess(
            "exchange",
            ["local.exchange", "--port", "0", *arguments],
            environment={},
            log=self._folder / "exchange.log",
        )
        self._begin("exchange", self.exchange)
        port = self.exchange.wait_for("listening", seconds=30)["port"]
        self.exchange_url = f"http://127.0.0.1:{port}"

    def _deploy(self, assembly: Path) -> Deployment:
        overrides = {
            "TICKWIRE_PARTITIONS": str(PARTITIONS),
            "TICKWIRE_STATE_URL": self.valkey.url,
            "TICKWIRE_DATABASE_URL": self.postgres.url,
            "TICKWIRE_DATABASE_IAM": "false",
            "AWS_ENDPOINT_URL_SAGEMAKER": self.sagemaker.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.sagemaker.url,
            "POWERTOOLS_TRACE_DISABLED": "1",
            "POWERTOOLS_LOG_LEVEL": "WARNING",
        }
        if self._source.replayed:
            overrides["TICKWIRE_MAX_AGE_SECONDS"] = str(100 * 365 * 86_400)
        return deploy(assembly, endpoint_url=self.emulator.endpoint_url, overrides=overrides)

    def _warm_functions(self) -> None:
        """Invoke every function on an empty event, so that the first trades wait for no import."""
        import boto3

        client = boto3.client("lambda", endpoint_url=self.emulator.endpoint_url)
        # Those of the APIs answer requests, not records; the watcher is their first client.
        others = ("authorizer", "migrations", "rest_api", "websocket")
        names = [name for folder, name in self.deployment.functions.items() if folder not in others]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda name: client.invoke(FunctionName=name, Payload=b'{"Records": []}'), names):
                pass

    def _start_watcher(self) -> None:
        self._begin("watcher", self.watcher)
        if not self.watcher.subscribed.wait(20):
            raise RuntimeError(f"the WebSocket API at {self.websocket_url} did not answer a subscription within 20 s")

    def _task_environment(self) -> dict[str, str]:
        """Give what both ECS tasks are told."""
        optional = {
            "TICKWIRE_COORDINATION_TABLE": self.deployment.outputs.get("CoordinationTable"),
            "TICKWIRE_DEAD_LETTER_BUCKET": self.deployment.outputs.get("DeadLetterBucket"),
        }
        return {
            "AWS_ENDPOINT_URL": self.emulator.endpoint_url,
            "TICKWIRE_PARTITIONS": str(PARTITIONS),
            "TICKWIRE_RAW_STREAM": self.output("RawStream"),
            "TICKWIRE_FRAMES_DLQ_URL": self.output("FramesDlqUrl"),
            "TICKWIRE_HEALTH_PORT": "0",
            **{name: str(value) for name, value in optional.items() if value is not None},
        }

    def _histories(self) -> list[dict[str, str]]:
        """Give the REST histories of the source's venues, one each: those of the local exchange, or their own."""
        if self.exchange_url is None:
            return [{"feed": feed} for feed in LIVE_FEEDS]
        venues = {new_history(feed).venue: feed for feed in reversed(HISTORIES)}
        return [{"feed": feed, "url": f"{self.exchange_url}/{feed}"} for feed in venues.values()]

    def _feeds(self) -> Sequence[Mapping[str, Any]]:
        if self.exchange_url is None:
            return [{"feed": feed, "symbols": symbols} for feed, symbols in LIVE_FEEDS.items()]
        catalogue = fetch(f"{self.exchange_url}/control/state")["catalogue"]
        address = self.exchange_url.replace("http://", "ws://")
        return [{"feed": feed, "symbols": symbols, "url": f"{address}/{feed}"} for feed, symbols in catalogue.items()]

    def _write_state(self) -> None:
        (self._folder / "run.json").write_text(json.dumps(self.state(), indent=2))


def fetch(url: str, *, method: str = "GET") -> dict[str, Any]:
    """Read a JSON object from a server of this run.

    Raises
    ------
    OSError
        If the server does not answer within five seconds.
    """
    from urllib.request import Request, urlopen

    with urlopen(Request(url, method=method), timeout=5) as reply:
        return dict(json.loads(reply.read()))


def clear(folder: Path) -> None:
    """Remove what an earlier run left in its folder."""
    shutil.rmtree(folder, ignore_errors=True)
