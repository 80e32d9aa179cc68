"""Starts a server of frames for one benchmark; also in the peers' environment, so it needs no part of Tickwire."""

import atexit
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

CONNECTIONS = 60
"""More than the passes of a benchmark."""


def serve(frames: Path, certificate: tuple[str, str] | None = None) -> int:
    """Serve a file of frames on the loopback until this process ends; gives the port."""
    command = [sys.executable, "-m", "benchmarks.replay_server", str(frames), str(CONNECTIONS), *(certificate or ())]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    if not port:
        raise RuntimeError(f"the server of frames ended with {server.wait()}")
    return int(port)


def self_signed(folder: Path | None = None) -> tuple[str, str]:
    """Make a certificate of ``localhost`` for a few minutes; gives the paths of certificate and key."""
    folder = Path(mkdtemp(prefix="tickwire-bench-")) if folder is None else folder
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
