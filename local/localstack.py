"""LocalStack as a process: the second emulator of the integration tests, for those without Docker."""

import json
from pathlib import Path

from local.emulator import Emulator, EmulatorFailed

# LocalStack starts its Kinesis, a Node programme, without an address, so it would answer the whole network.
_LOOPBACK_ONLY = """
const { Server } = require("node:net");
const { listen } = Server.prototype;
Server.prototype.listen = function (port, _host, ...rest) {
  return listen.call(this, port, "127.0.0.1", ...rest);
};
"""


class LocalStackEmulator(Emulator):
    """A LocalStack process on a free port of this machine, empty at the start and gone at the end.

    Parameters
    ----------
    installation
        What ``make setup-localstack`` made: a virtual environment of its own, since LocalStack wants
        other versions of what Tickwire uses too, with the programmes that it starts in ``packages``.
    log
        As for :class:`Emulator`.
    """

    SERVICES = frozenset({"cloudwatch", "kinesis", "s3", "secretsmanager", "sqs", "ssm", "stepfunctions"})
    """What it serves without Docker and without a download while it runs, by boto3's names."""

    _health_path = "/_localstack/health"

    def __init__(self, installation: Path, *, log: Path | None = None) -> None:
        super().__init__(log=log)
        self._installation = installation.absolute()

    def start(self, *, seconds: float = 90.0) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        EmulatorFailed
            If it is not installed, ends, or does not answer within ``seconds``.
        """
        if not self._python.exists():
            raise EmulatorFailed(f"there is no LocalStack in {self._installation}; run `make setup-localstack`")
        super().start(seconds=seconds)

    @property
    def _python(self) -> Path:
        return self._installation / "bin" / "python"

    def _command(self) -> list[str]:
        return [str(self._python), "-m", "localstack.runtime.main"]

    def _settings(self, folder: Path) -> dict[str, str]:
        preload = folder / "loopback_only.cjs"
        preload.write_text(_LOOPBACK_ONLY)
        root = folder / "root"
        packages = root / "usr" / "lib" / "localstack"
        packages.parent.mkdir(parents=True)
        packages.symlink_to(self._installation / "packages" / "usr" / "lib" / "localstack")
        address = f"127.0.0.1:{self.port}"
        return {
            "FILESYSTEM_ROOT": str(root),
            "HOME": str(folder),
            # Its default server listens on every address, whatever it is told.
            "GATEWAY_SERVER": "hypercorn",
            "GATEWAY_LISTEN": address,
            # Queues are named by this address, not by a host name that only the internet resolves.
            "LOCALSTACK_HOST": address,
            "SQS_ENDPOINT_STRATEGY": "path",
            "SERVICES": ",".join(sorted(self.SERVICES)),
            "PERSISTENCE": "0",
            "KINESIS_PERSISTENCE": "0",
            "NODE_OPTIONS": f"--require {json.dumps(str(preload))}",
            # The same with Docker as without: nothing is looked for, asked, reported or downloaded.
            "OVERRIDE_IN_DOCKER": "0",
            "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
            "DNS_ADDRESS": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
        }
