"""The zone of a task, from an endpoint such as ECS gives each container."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ecs_tasks.shared.zone import name_in_zone, own_zone, zone_of


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    status, body, zone = request.param

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/v4/abc/task" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v4/abc", zone
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "endpoint",
    [
        (200, b'{"AvailabilityZone": "us-west-2b", "Family": "f"}', "us-west-2b"),
        (200, b'{"Family": "f"}', ""),
        (200, b'{"AvailabilityZone": 7}', ""),
        (200, b"[]", ""),
        (200, b"no JSON", ""),
        (500, b"", ""),
    ],
    indirect=True,
)
def test_the_zone_is_what_the_metadata_say_or_unknown(endpoint: tuple[str, str]) -> None:
    address, zone = endpoint
    assert own_zone({"ECS_CONTAINER_METADATA_URI_V4": address}) == zone


@pytest.mark.parametrize("environ", [{}, {"ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:1"}])
def test_outside_ecs_no_zone_is_known(environ: dict[str, str]) -> None:
    assert own_zone(environ) == ""


def test_a_name_tells_its_zone() -> None:
    assert zone_of(name_in_zone("us-west-2b", "host-1-ab12")) == "us-west-2b"
    assert zone_of(name_in_zone("", "host-1-ab12")) == ""
