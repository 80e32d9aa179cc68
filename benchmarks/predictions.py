"""From the close of a minute to its predictions put to the stream, for all symbols of a partition in one record.

    python -m benchmarks.predictions                        100 symbols, 200 minutes, a network of random weights
    python -m benchmarks.predictions --model DIR --json     one that was trained

The signals function's own parts in this process, with what they talk to as processes beside it: a real Valkey, the
real inference server behind SageMaker's path, and an emulator of Kinesis. A minute is a record of one trade a symbol
with which the minute before closes. Its time runs from when the function gets the record until the stream has accepted
what became of it, with decoding, bars, minutes to and features from the rings, the call, outcomes, and encoding.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import numpy as np

from lambdas.delivery.aws import aws_client
from lambdas.delivery.minute_store import MinuteStore
from lambdas.delivery.output import OutputStream
from lambdas.delivery.retrying import CLIENT_CONFIG
from lambdas.delivery.state import PartitionStates, connect
from lambdas.delivery.stream_stage import StreamStage
from local.accounting import quantiles
from local.emulator import Emulator
from local.valkey import LocalValkey
from tickwire.columns import Side, TradeRows
from tickwire.envelope import encode
from tickwire.features.minutes import MINUTE_NS, SLOTS, minute_rows
from tickwire.forecast.endpoint import CLIENT_CONFIG as ENDPOINT_CONFIG
from tickwire.forecast.endpoint import EndpointForecaster
from tickwire.model.arrow_bodies import rows_stream
from tickwire.model.features import SCHEMA
from tickwire.model.requests import ARROW
from tickwire.model.schema import DESCRIPTION_FILE, MODEL_FILE, ModelDescription
from tickwire.records import Header, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.symbols import Instrument

_STREAM, _PARTITION = "market-events", 0
_START_SECONDS = 60
_WARM = 10
"""Minutes that do not count: the first reads the rings, and connects."""


class _TimedOutput(OutputStream):
    """Knows when the stream accepted the last records."""

    accepted = 0.0

    def put(self, outputs: Mapping[int, Sequence[Record]], **more: Any) -> dict[int, Any]:
        refused = super().put(outputs, **more)
        self.accepted = time.perf_counter()
        return refused


def measure(folder: Path, *, symbols: int, minutes: int, valkey_url: str) -> dict[str, Any]:
    """Run so many minutes with the model in ``folder``; gives the milliseconds.

    Raises
    ------
    RuntimeError
        If a symbol had no prediction.
    """
    instruments = [Instrument("binance", f"C{number}-USDT", 2, 3) for number in range(symbols)]
    # Now, since of a minute of long ago nobody is asked.
    midnight = time.time_ns() // MINUTE_NS * MINUTE_NS
    store = connect(valkey_url)
    history = MinuteStore(store)
    history.fill({(one.venue, one.symbol): _history(number, midnight) for number, one in enumerate(instruments)})
    aws_client("kinesis", config=CLIENT_CONFIG).create_stream(StreamName=_STREAM, ShardCount=1)
    output = _TimedOutput(aws_client("kinesis", config=CLIENT_CONFIG), stream=_STREAM, partitions=1)
    absent = 0

    def count(record: Record) -> None:
        nonlocal absent
        absent += sum(one.probability is None for one in record.predictions)

    with _serving(folder) as url:
        client = aws_client("sagemaker-runtime", config=ENDPOINT_CONFIG, endpoint_url=url)
        # The minutes go by faster than the clock, which must not make them late.
        forecaster = EndpointForecaster(client, endpoint="benchmark", schema=SCHEMA, clock=lambda: midnight)
        stage = SignalsStage(SignalsSettings(), history=history, forecaster=forecaster)
        states = PartitionStates(store, stage)
        runner = StreamStage(stage, input_kind=RecordKind.CLEAN, states=states, output=output, saved=count)
        times = []
        for number in range(1, _WARM + minutes + 1):
            event = _event(instruments, number, midnight + (number - 1) * MINUTE_NS)
            began = time.perf_counter()
            response, _ = runner.run(event, remaining=lambda: 60.0)
            times.append(output.accepted - began)
            if response["batchItemFailures"]:
                raise RuntimeError("a record failed; the log says why")
    if absent:
        raise RuntimeError(f"{absent} predictions were absent")
    return {
        "symbols": symbols,
        "minutes": minutes,
        "close_to_put_ms": quantiles(times[_WARM:]),
        "endpoint_ms": quantiles(forecaster.take_latencies()[_WARM:]),
    }


def _history(seed: int, end: int) -> Any:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-3, SLOTS)))
    volume = random.exponential(3, SLOTS) + 0.1
    columns = {"open": close, "high": 1.001 * close, "low": 0.999 * close, "close": close, "volume": volume}
    columns |= {"buy_volume": volume / 2, "notional": volume * close, "trades": np.ceil(volume)}
    return minute_rows(end - MINUTE_NS * np.arange(SLOTS, 0, -1, dtype=np.int64), **columns)


def _event(instruments: list[Instrument], number: int, time_ns: int) -> dict[str, Any]:
    random = np.random.default_rng(number)
    rows = TradeRows()
    for instrument in instruments:
        numbers = {"price": int(random.integers(9_900, 10_100)), "size": int(random.integers(1, 9_000))}
        times = {"exchange_time": time_ns, "receive_time": time_ns}
        rows.append(instrument, trade_id=number, side=Side.BUY, flags=0, **numbers, **times)
    record = Record(header=Header(RecordKind.CLEAN, _PARTITION, number, "1", time_ns), trades=rows.batch())
    kinesis = {
        "partitionKey": str(_PARTITION),
        "sequenceNumber": str(number),
        "data": b64encode(encode(record)).decode(),
        "approximateArrivalTimestamp": time_ns / 1e9,
    }
    return {"Records": [{"kinesis": kinesis}]}


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Run the inference server; gives the address of SageMaker's runtime."""
    command = [sys.executable, "-m", "benchmarks.predictions", "--serve", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            # It listens before it answers, and loads pandas with the first Arrow table where that is installed.
            row = rows_stream(np.zeros((1, SCHEMA.width), np.float32), schema=SCHEMA)
            with urlopen(Request(url, row, {"Content-Type": ARROW}), timeout=_START_SECONDS):
                yield url
        finally:
            server.terminate()


def _serve(folder: Path) -> None:
    """Serve the model in a folder on a free port, which is printed, with SageMaker's path to it."""
    import socket

    # As the server itself does: no request may wait for it.
    import pyarrow  # noqa: F401
    import uvicorn

    from tickwire.model.predictor import Predictor
    from tickwire.model.server import ModelApplication

    application = ModelApplication(Predictor.load(folder, expected=SCHEMA))

    async def runtime(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "path": "/invocations"}, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        settings = uvicorn.Config(runtime, access_log=False, lifespan="off", log_level="warning")
        uvicorn.Server(settings).run([listening])


def write_random_network(folder: Path) -> None:
    """Write a model of the mission's shape with random weights: what it says means nothing, and takes as long."""
    from tickwire.model.calibration import Calibration
    from tickwire.model.export import lstm_graph

    random = np.random.default_rng(1)
    shapes = ((32, 512), (128, 512), (512,), (128, 256), (64, 256), (256,), (64, 32), (32,), (32, 1), (1,))
    weights = [random.normal(0, 0.1, shape).astype(np.float32) for shape in shapes]
    (folder / MODEL_FILE).write_bytes(lstm_graph(weights, Calibration(1.0, 0.0), schema=SCHEMA))
    described = ModelDescription("lstm", "random", SCHEMA, SCHEMA.digest)
    (folder / DESCRIPTION_FILE).write_bytes(msgspec.json.encode(described))


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.predictions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--symbols", type=int, default=100, help="symbols of the partition (default: %(default)s)")
    parser.add_argument("--minutes", type=int, default=200, help="minutes to measure (default: %(default)s)")
    parser.add_argument("--model", type=Path, metavar="DIR", help="model.onnx and model.json (default: random weights)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--serve", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        _serve(options.serve)
        return 0
    with TemporaryDirectory(prefix="tickwire-bench-") as scratch, Emulator() as emulator:
        os.environ.update(emulator.client_environment)
        folder = options.model
        if folder is None:
            folder = Path(scratch)
            write_random_network(folder)
        store = LocalValkey(Path(scratch))
        store.start()
        try:
            figures = measure(folder, symbols=options.symbols, minutes=options.minutes, valkey_url=store.url)
        finally:
            store.stop()
    print(json.dumps(figures) if options.json else _text(figures))
    return 0


def _text(figures: dict[str, Any]) -> str:
    head = f"{figures['minutes']} minutes of {figures['symbols']} symbols, milliseconds"
    return "\n".join([head, *(f"  {name}: {figures[name]}" for name in ("close_to_put_ms", "endpoint_ms"))])


if __name__ == "__main__":
    sys.exit(main())
