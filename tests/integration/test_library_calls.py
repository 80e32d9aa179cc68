"""What pyiceberg asks of AWS, watched on its way to the emulator, against the rights that it is said to need."""

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lambdas.lake_committer.lake_table import glue_catalog
from tests.infra.call_tables import LIBRARIES

from .lakes import Lake

pytestmark = pytest.mark.services("glue", "s3")

# A request of S3, by method and path with query, → the right that it needs ("Required permissions for Amazon S3
# API operations"); the first that fits.
S3_RIGHTS = (
    (r"GET /[^/?]+/?\?.*list-type=2.*", "s3:ListBucket"),
    (r"(GET|HEAD) /[^/?]+/.+", "s3:GetObject"),
    (r"(PUT|POST) /[^/?]+/.+", "s3:PutObject"),
    (r"DELETE /[^/?]+/[^?]+", "s3:DeleteObject"),
)
# Of these pyiceberg keeps 20 and deletes the older ones.
COMMITS = 23
ONLY_AFTER_A_FAILURE = {"s3:AbortMultipartUpload"}


class Watch:
    """Passes requests on to the emulator, and notes the right that each needs."""

    def __init__(self, upstream: str) -> None:
        self.rights: set[str] = set()
        watch = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def _pass_on(self) -> None:
                body = self._body()
                watch.rights.add(right_of(self.command, self.path, self.headers.get("X-Amz-Target")))
                kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                request = urllib.request.Request(upstream + self.path, data=body, method=self.command, headers=kept)
                try:
                    with urllib.request.urlopen(request) as reply:
                        self._answer(reply.status, reply.headers, reply.read())
                except urllib.error.HTTPError as error:
                    self._answer(error.code, error.headers, error.read())

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = b""
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    """A checksum may follow the last chunk."""
                return body

            def _answer(self, status: int, headers: Message, body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                head = self.command == "HEAD"
                length = headers.get("Content-Length", "0") if head else str(len(body))
                self.send_header("Content-Length", length)
                self.end_headers()
                if not head:
                    self.wfile.write(body)

        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            setattr(Handler, f"do_{method}", Handler._pass_on)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "expect"}


def right_of(method: str, path: str, target: str | None) -> str:
    """Give the right that a request needs."""
    if target is not None:
        return f"glue:{target.removeprefix('AWSGlue.')}"
    return next(
        (right for pattern, right in S3_RIGHTS if re.fullmatch(pattern, f"{method} {path}")), f"{method} {path}"
    )


@pytest.fixture
def watch(aws: str) -> Iterator[Watch]:
    watch = Watch(aws)
    yield watch
    watch.close()


def said(*methods: str) -> set[str]:
    """Give what the table says of some of the catalogue's methods."""
    return {
        right
        for (_, method), rights in LIBRARIES.items()
        if method in methods
        for right in rights - ONLY_AFTER_A_FAILURE
    }


def test_a_committer_needs_what_the_table_says(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake("watched-lake")
    monkeypatch.setenv("AWS_ENDPOINT_URL", watch.url)
    # The writer's part goes straight to the emulator still.
    lake.catalog = glue_catalog()
    for number in range(1, COMMITS + 1):
        lake.commit(lake.write((1, number, number)))
    # One that comes again with more in it is trimmed: read, and written anew.
    lake.commit(lake.write((1, COMMITS, COMMITS + 2)))
    assert watch.rights == said("load_table", "create_namespace_if_not_exists", "create_table", "transaction")


def test_a_reader_needs_what_the_table_says(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake("watched-reading")
    lake.commit(lake.write((1, 1, 3)))
    monkeypatch.setenv("AWS_ENDPOINT_URL", watch.url)
    lake.catalog = glue_catalog()
    assert lake.counters_in_rows() == [1, 2, 3]
    assert watch.rights == said("load_table", "scan")


def test_a_request_that_no_rule_fits_is_told_as_it_is() -> None:
    assert right_of("PATCH", "/bucket/key", None) == "PATCH /bucket/key"
