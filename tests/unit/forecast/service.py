"""SageMaker's runtime as a server of sockets that answers as it is told, and a client of it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
import pyarrow as pa

from tickwire.forecast.endpoint import CLIENT_CONFIG
from tickwire.model.features import SCHEMA


def good(*probabilities: float, schema: str = SCHEMA.digest) -> bytes:
    predictions = [{"probability": one} for one in probabilities]
    model = {"name": "lstm", "version": "2024-08-01"}
    return json.dumps({"model": model, "schema": schema, "predictions": predictions}).encode()


def model_error(original: int, message: str = "no") -> tuple[int, dict[str, str], bytes]:
    # As SageMaker answers: API reference, InvokeEndpoint, ModelError.
    body = {"OriginalStatusCode": original, "OriginalMessage": message, "Message": "the container answered so"}
    return 424, {"x-amzn-ErrorType": "ModelError"}, json.dumps(body).encode()


def _three_quarters(body: bytes) -> tuple[int, dict[str, str], bytes]:
    rows = pa.ipc.open_stream(body).read_all().num_rows
    return 200, {"x-Amzn-Invoked-Production-Variant": "champion"}, good(*[0.75] * rows)


class Service:
    """Answers one request after the other as it is told, with 0.75 for each row after that; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes] | None] = []
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                service.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                answer = service.answers.pop(0) if service.answers else _three_quarters(body)
                if answer is None:
                    # Nothing comes within the time that is given, until the client is gone.
                    self.rfile.read(1)
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.socket.close()


def client(url: str) -> Any:
    return botocore.session.get_session().create_client(
        "sagemaker-runtime",
        region_name="eu-central-1",
        endpoint_url=url,
        aws_access_key_id="x",
        aws_secret_access_key="y",
        config=CLIENT_CONFIG,
    )
