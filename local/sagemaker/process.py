"""SageMaker and the nightly training as two processes of a run, with their clients."""

from pathlib import Path
from typing import Any

from local.child_process import ChildProcess
from local.ports import free_port
from local.sagemaker import seed


class LocalSageMaker:
    """Starts in the background, since much else of a run needs no model; :meth:`serve` once its S3 is there.

    Its address is known from the beginning, so that functions may be told.
    """

    def __init__(self, folder: Path, *, endpoint_url: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._environment = {"AWS_ENDPOINT_URL": endpoint_url}
        self.child = ChildProcess(
            "SageMaker",
            ["local.sagemaker", "--folder", str(folder / "sagemaker"), "--port", str(port)],
            environment=self._environment,
            log=folder / "sagemaker.log",
        )
        self.nightly: ChildProcess | None = None

    def start(self) -> None:
        """Start the process; does not wait for it."""
        self.child.start()

    def serve(self, *, endpoint: str, bucket: str) -> None:
        """Serve the shipped model under this name, and wait until it answers.

        Raises
        ------
        ChildFailed, NotServed
            If the service, or the model's server, does not come up.
        """
        self.child.wait_for("listening", seconds=60)
        control = self.client("sagemaker")
        seed.begin(control, self.client("s3", self._environment["AWS_ENDPOINT_URL"]), endpoint=endpoint, bucket=bucket)
        seed.wait(control, endpoint=endpoint)

    def train_nightly(self, *, machine: str, function: str, lake_database: str) -> None:
        """Let the deployed state machine be started: a process of its own answers its tasks.

        ``machine`` is its ARN, ``function`` the deployed name of ``model_rollout``.
        """
        arguments = ["--machine", machine, "--rollout-function", function, "--lake-database", lake_database]
        self.nightly = ChildProcess(
            "nightly training",
            ["local.sagemaker.nightly", "--sagemaker-url", self.url, *arguments],
            environment=self._environment,
            log=self._folder / "nightly.log",
        )
        self.nightly.start()

    def stop(self) -> None:
        """Stop both processes."""
        if self.nightly is not None:
            self.nightly.stop()
        self.child.stop()

    def client(self, service: str, url: str | None = None) -> Any:
        """Make a client of a service, at SageMaker's own address unless another is given."""
        import boto3

        return boto3.client(service, endpoint_url=url or self.url)
