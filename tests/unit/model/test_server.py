"""The serving container's contract: as an ASGI application, and as the process that SageMaker starts."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor
from tickwire.model.requests import MAX_BODY_BYTES, MAX_ROWS
from tickwire.model.server import ModelApplication
from tickwire.model.serving import bind_of_environment

PROJECT = Path(__file__).parents[3]
ROW = [0.1, -0.2, 0.3, 0.0, 0.1, -1.5]
GOOD = {"schema": SCHEMA.digest, "rows": [ROW, ROW]}


async def ask(
    application: ModelApplication,
    method: str = "POST",
    path: str = "/invocations",
    *,
    body: bytes | list[bytes] = b"",
    kind: str = "application/json",
    length: int | None = None,
) -> tuple[int, dict[str, Any]]:
    chunks = body if isinstance(body, list) else [body]
    messages = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ]
    headers = [(b"content-type", kind.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await application({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


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


async def test_a_trained_model_answers_by_row(trained: Any) -> None:
    graph, description = trained
    application = ModelApplication(Predictor(graph, description))
    bought, sold = [0, 0, 0, 0, 0.4, 0], [0, 0, 0, 0, -0.4, 0]
    _, answer = await ask(application, body=json.dumps({**GOOD, "rows": [bought, sold]}).encode())
    up, down = (prediction["probability"] for prediction in answer["predictions"])
    assert up > 0.55
    assert down < 0.45


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_rows_as_csv_are_answered_alike(application: ModelApplication, end: str) -> None:
    lines = [",".join(SCHEMA.columns), ",".join(map(str, ROW)), ",".join(map(str, ROW))]
    status, answer = await ask(application, body=(end.join(lines) + end).encode(), kind="text/csv; charset=utf-8")
    assert (status, len(answer["predictions"])) == (200, 2)


async def test_a_body_in_pieces_is_read_whole(application: ModelApplication) -> None:
    body = json.dumps(GOOD).encode()
    status, _ = await ask(application, body=[body[:20], body[20:50], b"", body[50:]])
    assert status == 200


def refused() -> Iterator[Any]:
    def json_of(**changes: Any) -> bytes:
        return json.dumps({**GOOD, **changes}).encode()

    header = ",".join(SCHEMA.columns)
    yield pytest.param(b"", "application/json", 400, "truncated", id="empty")
    yield pytest.param(b"[1, 2]", "application/json", 400, "Expected `object`", id="no object")
    yield pytest.param(b'{"rows": [[1]]}', "application/json", 400, "schema", id="no schema")
    yield pytest.param(json_of(rows=[]), "application/json", 400, "length >= 1", id="no row")
    yield pytest.param(
        json_of(rows=[ROW[:5]]), "application/json", 400, "row 0 has 5 numbers and not 6", id="short row"
    )
    yield pytest.param(json_of(rows=[ROW, [*ROW, 1]]), "application/json", 400, "row 1 has 7 numbers", id="long row")
    yield pytest.param(json_of(rows=[[*ROW[:5], "x"]]), "application/json", 400, "Expected `float`", id="text")
    yield pytest.param(json_of(rows=[[*ROW[:5], None]]), "application/json", 400, "Expected `float`", id="null")
    yield pytest.param(json_of(rows=[[*ROW[:5], 1e39]]), "application/json", 400, "row 0 has a number that is not finite", id="overflow")  # fmt: skip  # noqa: E501
    yield pytest.param(json_of(extra=1), "application/json", 400, "unknown field", id="unknown field")
    yield pytest.param(json_of(rows=[ROW] * (MAX_ROWS + 1)), "application/json", 400, "length <=", id="too many rows")
    yield pytest.param(json_of(schema="0" * 16), "application/json", 409, "the model's is", id="other schema")
    yield pytest.param(b"a,b\n1,2\n", "text/csv", 409, "header must be return_1", id="other header")
    yield pytest.param(b"", "text/csv", 409, "header must be", id="empty csv")
    yield pytest.param(f"{header}\n".encode(), "text/csv", 400, "0 rows", id="csv without rows")
    yield pytest.param(f"{header}\n1,2,3,4,5,x\n".encode(), "text/csv", 400, "unreadable CSV", id="csv text")
    yield pytest.param(f"{header}\n1,2,3,4,5,nan\n".encode(), "text/csv", 400, "not finite", id="csv nan")
    yield pytest.param(b"\xff\xfe", "text/csv", 400, "unreadable CSV", id="csv not utf-8")
    yield pytest.param(b"x", "application/x-npy", 415, "there are application/json and text/csv", id="npy")
    yield pytest.param(b"x", "", 415, "content type ''", id="no content type")
    yield pytest.param(b" " * (MAX_BODY_BYTES + 1), "application/json", 413, "at most 1048576 bytes", id="too large")


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
        if "Uvicorn running" in line:
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
