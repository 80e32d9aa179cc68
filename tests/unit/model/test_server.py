"""The serving container's contract: as an ASGI application, and as the process that SageMaker starts."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tickwire.model.arrow_bodies import CONTENT_TYPE as ARROW
from tickwire.model.arrow_bodies import rows_stream
from tickwire.model.features import SCHEMA
from tickwire.model.onnx_graph import logistic_graph
from tickwire.model.predictor import Predictor
from tickwire.model.reference import Distribution, Reference
from tickwire.model.requests import MAX_BODY_BYTES, MAX_ROWS
from tickwire.model.schema import ModelDescription
from tickwire.model.server import ModelApplication
from tickwire.model.serving import bind_of_environment

PROJECT = Path(__file__).parents[3]
ROW: list[Any] = [0.1, -0.2, None, 0.0] * (SCHEMA.width // 4)
GOOD = {"schema": SCHEMA.digest, "rows": [ROW, ROW]}


def predictor(*, mask_weight: float = 0.0, reference: bool = False) -> Predictor:
    """A model whose logit is half of the newest bar's ``return_1``, and ``mask_weight`` where that is there."""
    names = len(SCHEMA.names)
    weights = [0.5, *[0.0] * (names - 1), mask_weight, *[0.0] * (names - 1)]
    description = ModelDescription(name="test", version="1", schema=SCHEMA, digest=SCHEMA.digest)
    usual = Distribution((0.0,) * 101, 0.0, 1)
    seen = Reference(dict.fromkeys(SCHEMA.names, usual), usual, (0.0,) * SCHEMA.width)
    return Predictor(logistic_graph(weights, 0.0, schema=SCHEMA), description, seen if reference else None)


async def ask_raw(
    application: ModelApplication,
    method: str = "POST",
    path: str = "/invocations",
    *,
    body: bytes | list[bytes] = b"",
    kind: str = "application/json",
    accept: str | None = None,
    length: int | None = None,
) -> tuple[int, str, bytes]:
    chunks = body if isinstance(body, list) else [body]
    messages = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ]
    headers = [(b"content-type", kind.encode())]
    if accept is not None:
        headers.append((b"accept", accept.encode()))
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await application({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
    answered = dict(sent[0]["headers"])[b"content-type"].decode()
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent)


async def ask(application: ModelApplication, *what: str, **more: Any) -> tuple[int, dict[str, Any]]:
    status, kind, body = await ask_raw(application, *what, **more)
    assert kind == "application/json"
    return status, json.loads(body)


@pytest.fixture
def application(seed: Predictor) -> ModelApplication:
    return ModelApplication(seed)


async def test_a_ping_says_which_model_is_loaded(application: ModelApplication) -> None:
    assert await ask(application, "GET", "/ping") == (200, {"name": "base-rate", "version": "seed"})


async def test_rows_as_json_are_answered_in_their_order_with_the_models_name(application: ModelApplication) -> None:
    status, answer = await ask(application, body=json.dumps(GOOD).encode())
    assert status == 200
    assert answer == {
        "model": {"name": "base-rate", "version": "seed"},
        "schema": SCHEMA.digest,
        "predictions": [{"probability": 0.5}, {"probability": 0.5}],
    }


async def test_a_model_answers_by_row() -> None:
    application = ModelApplication(predictor())
    rising, falling = [0.0] * SCHEMA.width, [0.0] * SCHEMA.width
    rising[-len(SCHEMA.names)], falling[-len(SCHEMA.names)] = 1.0, -1.0
    _, answer = await ask(application, body=json.dumps({**GOOD, "rows": [rising, falling]}).encode())
    up, down = (prediction["probability"] for prediction in answer["predictions"])
    assert up == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert down == pytest.approx(1 / (1 + math.exp(0.5)))


async def test_what_is_masked_is_not_zero() -> None:
    application = ModelApplication(predictor(mask_weight=1.0))
    zero: list[Any] = [0.0] * SCHEMA.width
    masked = [*zero[: -len(SCHEMA.names)], None, *zero[1 - len(SCHEMA.names) :]]
    _, answer = await ask(application, body=json.dumps({**GOOD, "rows": [masked, zero]}).encode())
    without, there = (prediction["probability"] for prediction in answer["predictions"])
    assert without == pytest.approx(0.5)
    assert there == pytest.approx(1 / (1 + math.exp(-1)))


async def test_arrow_is_answered_as_json_is() -> None:
    application = ModelApplication(predictor())
    rows = np.random.default_rng(1).standard_normal((3, SCHEMA.width)).astype(np.float32)
    rows[1, 7] = np.nan
    body = rows_stream(rows, schema=SCHEMA, beside={"symbol": ["a", "b", "c"], "time": [1, 2, 3]})
    status, kind, answered = await ask_raw(application, body=body, kind=ARROW, accept=ARROW)
    assert (status, kind) == (200, ARROW)
    table = pa.ipc.open_stream(answered).read_all()
    assert table.schema.metadata == {b"name": b"test", b"version": b"1", b"schema": SCHEMA.digest.encode()}
    given = [[None if math.isnan(x) else x for x in row] for row in rows.tolist()]
    _, answer = await ask(application, body=json.dumps({**GOOD, "rows": given}).encode())
    assert table["probability"].to_pylist() == pytest.approx([one["probability"] for one in answer["predictions"]])
    _, mixed = await ask(application, body=body, kind=ARROW)
    assert mixed == answer


@pytest.mark.parametrize("arrow", [False, True])
async def test_explanations_name_each_feature_and_add_up(arrow: bool) -> None:
    application = ModelApplication(predictor(reference=True))
    row = [0.0] * SCHEMA.width
    row[-len(SCHEMA.names)] = 2.0
    if arrow:
        body, kind = rows_stream(np.array([row], np.float32), schema=SCHEMA, explain=True), ARROW
    else:
        body, kind = json.dumps({**GOOD, "rows": [row], "explain": True}).encode(), "application/json"
    _, answer = await ask(application, body=body, kind=kind)
    (prediction,) = answer["predictions"]
    explanation = prediction["explanation"]
    assert explanation["base"] == pytest.approx(0.5)
    assert list(explanation["contributions"]) == list(SCHEMA.names)
    assert explanation["contributions"]["return_1"] == pytest.approx(prediction["probability"] - 0.5)
    assert sum(explanation["contributions"].values()) == pytest.approx(explanation["contributions"]["return_1"])
    # Only the newest bar differs from the usual row.
    assert explanation["bars"] == pytest.approx([0.0] * (SCHEMA.window - 1) + [prediction["probability"] - 0.5])


async def test_a_model_without_a_reference_explains_nothing(application: ModelApplication) -> None:
    status, answer = await ask(application, body=json.dumps({**GOOD, "explain": True}).encode())
    assert status == 409
    assert "base-rate came without what explanations compare with" in answer["error"]


async def test_many_rows_are_answered_off_the_loop_and_in_order() -> None:
    application = ModelApplication(predictor())
    rows = np.zeros((MAX_ROWS, SCHEMA.width), np.float32)
    rows[:, -len(SCHEMA.names)] = np.linspace(-3, 3, MAX_ROWS)
    body = rows_stream(rows, schema=SCHEMA)
    assert len(body) < MAX_BODY_BYTES
    _, _, answered = await ask_raw(application, body=body, kind=ARROW, accept=ARROW)
    probability = pa.ipc.open_stream(answered).read_all()["probability"].to_numpy()
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-0.5 * np.linspace(-3, 3, MAX_ROWS))), atol=1e-6)


async def test_metrics_count_what_was_done() -> None:
    application = ModelApplication(predictor(reference=True))
    await ask(application, body=json.dumps(GOOD).encode())
    await ask(application, body=json.dumps({**GOOD, "explain": True}).encode())
    await ask(application, body=b"{}")
    await ask(application, "GET", "/nowhere")
    status, kind, text = await ask_raw(application, "GET", "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = text.decode().splitlines()
    assert f'tickwire_model_info{{name="test",version="1",schema="{SCHEMA.digest}"}} 1' in lines
    assert 'tickwire_model_requests_total{path="/invocations",status="200"} 2' in lines
    assert 'tickwire_model_requests_total{path="/invocations",status="400"} 1' in lines
    assert 'tickwire_model_requests_total{path="other",status="404"} 1' in lines
    assert "tickwire_model_rows_total 4" in lines
    assert "tickwire_model_explained_rows_total 2" in lines
    assert "tickwire_model_invocation_seconds_count 2" in lines
    assert 'tickwire_model_invocation_seconds_bucket{le="+Inf"} 2' in lines


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_rows_as_csv_are_answered_alike(application: ModelApplication, end: str) -> None:
    line = ",".join("" if number is None else str(number) for number in ROW)
    lines = [",".join(SCHEMA.columns), line, line]
    status, answer = await ask(application, body=(end.join(lines) + end).encode(), kind="text/csv; charset=utf-8")
    assert (status, len(answer["predictions"])) == (200, 2)


async def test_a_body_in_pieces_is_read_whole(application: ModelApplication) -> None:
    body = json.dumps(GOOD).encode()
    status, _ = await ask(application, body=[body[:20], body[20:50], b"", body[50:]])
    assert status == 200


def arrow_of(column: str = "features", *, digest: str = SCHEMA.digest, width: int = SCHEMA.width, **more: Any) -> bytes:
    """An Arrow stream that may be wrong in one thing."""
    kind, nulls, batches = more.get("kind", pa.float32()), more.get("nulls", False), more.get("batches", 1)
    rows = more.get("rows", 2)
    values = pa.array([None if nulls else 0.5] * (rows * width), kind)
    features = pa.FixedSizeListArray.from_arrays(values, width)
    schema = pa.schema([pa.field(column, features.type)], metadata={"schema": digest})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=more.get("compression"))
    with pa.ipc.new_stream(sink, schema, options=options) as stream:
        for _ in range(batches):
            stream.write_batch(pa.record_batch([features], schema=schema))
    return bytes(sink.getvalue())


def dictionaries() -> bytes:
    """A stream whose first message is no batch."""
    batch = pa.record_batch({"features": pa.array(["a"]).dictionary_encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())


async def test_an_explanation_as_arrow_is_refused() -> None:
    body = rows_stream(np.zeros((1, SCHEMA.width), np.float32), schema=SCHEMA, explain=True)
    status, answer = await ask(ModelApplication(predictor(reference=True)), body=body, kind=ARROW, accept=ARROW)
    assert (status, answer) == (406, {"error": "explanations come as application/json alone"})


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (f"{ARROW}, application/json", ARROW),
        (f"application/json, {ARROW};q=0.5", "application/json"),
        ("*/*", "application/json"),
        (f"text/html, {ARROW.upper()}", ARROW),
    ],
)
async def test_the_first_kind_that_there_is_comes(application: ModelApplication, accept: str, kind: str) -> None:
    assert (await ask_raw(application, body=json.dumps(GOOD).encode(), accept=accept))[:2] == (200, kind)


def refused() -> Iterator[Any]:
    def json_of(**changes: Any) -> bytes:
        return json.dumps({**GOOD, **changes}).encode()

    header = ",".join(SCHEMA.columns)
    short = ROW[:-1]
    for name, body, status, reason in (
        ("empty", b"", 400, "truncated"),
        ("no object", b"[1, 2]", 400, "Expected `object`"),
        ("no schema", b'{"rows": [[1]]}', 400, "schema"),
        ("no row", json_of(rows=[]), 400, "length >= 1"),
        ("short row", json_of(rows=[short]), 400, "row 0 has 959 numbers and not 960"),
        ("long row", json_of(rows=[ROW, [*ROW, 1]]), 400, "row 1 has 961 numbers"),
        ("text", json_of(rows=[[*short, "x"]]), 400, "Expected `float | null`"),
        ("overflow", json_of(rows=[[*short, 1e39]]), 400, "row 0 has a number that is not finite"),
        ("unknown field", json_of(extra=1), 400, "unknown field"),
        ("too many rows", json_of(rows=[[]] * (MAX_ROWS + 1)), 400, "length <="),
        ("other schema", json_of(schema="0" * 16), 409, "the model's is"),
        ("too many to explain", json_of(rows=[ROW] * 17, explain=True), 413, "at most 16 rows are explained"),
        ("too large", b" " * (MAX_BODY_BYTES + 1), 413, "at most 6291456 bytes"),
    ):
        yield pytest.param(body, "application/json", status, reason, id=name)
    for name, body, status, reason in (
        ("other header", b"a,b\n1,2\n", 409, "header must be return_1.0"),
        ("empty csv", b"", 409, "header must be"),
        ("csv without rows", f"{header}\n".encode(), 400, "0 rows"),
        ("csv text", f"{header}\n1,2,3,x\n".encode(), 400, "unreadable CSV"),
        ("csv short", f"{header}\n1,2,3\n".encode(), 400, "row 0 has 3 numbers"),
        ("csv infinite", f"{header}\n{'inf,' * (SCHEMA.width - 1)}1\n".encode(), 400, "not finite"),
        ("csv not utf-8", b"\xff\xfe", 400, "unreadable CSV"),
    ):
        yield pytest.param(body, "text/csv", status, reason, id=name)
    for name, body, status, reason in (
        ("empty arrow", b"", 400, "unreadable Arrow stream"),
        ("no arrow", b"x" * 100, 400, "unreadable Arrow stream"),
        ("cut arrow", arrow_of()[:-900], 400, "unreadable Arrow stream"),
        ("arrow of another schema", arrow_of(digest="0" * 16), 409, "the model's is"),
        ("arrow without the column", arrow_of("rows"), 400, "one column 'features'"),
        ("arrow of another width", arrow_of(width=6), 400, "one column 'features'"),
        ("arrow of doubles", arrow_of(kind=pa.float64()), 400, "one column 'features'"),
        ("arrow with nulls", arrow_of(nulls=True), 400, "NaN, and not null"),
        ("arrow without a batch", arrow_of(batches=0), 400, "unreadable Arrow stream"),
        ("compressed arrow", arrow_of(rows=MAX_ROWS, compression="zstd"), 400, "not compressed"),
        ("arrow of dictionaries", dictionaries(), 400, "one record batch"),
        ("arrow of two batches", arrow_of(batches=2), 400, "one record batch"),
        ("arrow of no rows", arrow_of(rows=0), 400, "0 rows"),
        ("arrow of too many rows", arrow_of(rows=MAX_ROWS + 1), 400, "1025 rows"),
    ):
        yield pytest.param(body, ARROW, status, reason, id=name)
    yield pytest.param(b"x", "application/x-npy", 415, "there are application/json, text/csv and", id="npy")
    yield pytest.param(b"x", "", 415, "content type ''", id="no content type")


@pytest.mark.parametrize(("body", "kind", "status", "reason"), list(refused()))
async def test_a_request_that_is_wrong_is_refused_with_the_reason(
    application: ModelApplication, body: bytes, kind: str, status: int, reason: str
) -> None:
    answered, answer = await ask(application, body=body, kind=kind)
    assert (answered, reason in answer["error"]) == (status, True), answer


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/ping", 405), ("GET", "/invocations", 405), ("GET", "/", 404), ("POST", "/models", 404)],
)
async def test_other_paths_and_methods_are_refused(
    application: ModelApplication, method: str, path: str, status: int
) -> None:
    assert (await ask(application, method, path))[0] == status


async def test_a_body_that_says_it_is_too_large_is_not_read(application: ModelApplication) -> None:
    assert (await ask(application, body=[b"x"] * 3, length=MAX_BODY_BYTES + 1))[0] == 413


async def test_a_body_that_grows_too_large_is_not_read_on(application: ModelApplication) -> None:
    assert (await ask(application, body=[b" " * MAX_BODY_BYTES, b" ", b" "]))[0] == 413


async def test_a_model_that_fails_is_an_error_of_the_server_and_tells_nothing_else(
    application: ModelApplication, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Predictor, "predict", fail)
    status, answer = await ask(application, body=json.dumps(GOOD).encode())
    assert (status, answer) == (500, {"error": "the request failed; the log says why"})
    assert "secret" in caplog.text


# The process


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def started(folder: Path, port: int) -> "subprocess.Popen[str]":
    text = (
        "import pathlib, sys; from tickwire.model.serving import Bind, serve;"
        "sys.exit(serve(Bind('127.0.0.1', int(sys.argv[1])), pathlib.Path(sys.argv[2])))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", text, str(port), str(folder)],
        cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def until_served(process: "subprocess.Popen[str]") -> str:
    """Read what the process says until it listens, and give that."""
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if "listening on port" in line:
            return "".join(said)
    raise AssertionError(f"it ended: {''.join(said)}")


def read_reply(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as reply:
        return reply.read()


def test_the_process_serves_and_answers_what_was_asked_before_sigterm(seed_folder: Path) -> None:
    port = free_port()
    process = started(seed_folder, port)
    try:
        assert f"serving base-rate seed, schema {SCHEMA.digest}" in until_served(process)
        body = json.dumps(GOOD).encode()
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            head = "POST /invocations HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json"
            connection.sendall(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            # The application has begun to read the request: it is under way.
            assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
            process.send_signal(signal.SIGTERM)
            connection.sendall(body)
            reply = read_reply(connection)
        assert b"200 OK" in reply
        assert b'"probability":0.5' in reply
        process.wait(timeout=20)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    finally:
        process.kill()
        process.wait()


def test_a_model_for_other_rows_ends_the_process_with_the_reason(seed_folder: Path) -> None:
    path = seed_folder / "model.json"
    path.write_text(path.read_text().replace(SCHEMA.digest, "0" * 16))
    process = started(seed_folder, free_port())
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not served: model.json: digest 0000000000000000 is not that of its schema" in output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_the_process_gives_up_the_rights_of_root_before_it_serves(seed_folder: Path) -> None:
    process = started(seed_folder, free_port())
    try:
        until_served(process)
        status = Path(f"/proc/{process.pid}/status").read_text()
        identities = {line.split()[0]: set(line.split()[1:]) for line in status.splitlines() if "id:" in line[:4]}
        assert identities["Uid:"] == identities["Gid:"] == {"65534"}
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("given", "port"), [(None, 8080), ("9000", 9000)])
def test_sagemaker_may_name_another_port(monkeypatch: pytest.MonkeyPatch, given: str | None, port: int) -> None:
    monkeypatch.delenv("SAGEMAKER_BIND_TO_PORT", raising=False)
    if given is not None:
        monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", given)
    assert bind_of_environment().port == port
