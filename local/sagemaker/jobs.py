"""Training and processing jobs: the containers' own code in processes of their own, between S3 and S3."""

import asyncio
import io
import json
import logging
import shutil
import sys
import tarfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from local.sagemaker import objects
from local.sagemaker.arguments import arn, page
from local.sagemaker.faults import ServiceError, invalid
from local.sagemaker.store import Row, Store

_MODULES = {"train": "training", "evaluate": "evaluation", "score": "paired_job"}
"""What the entry points of the training image run, by the name of their file; others are modules themselves."""

_ML = "/opt/ml"
_MAX_SECONDS = 86_400
_LOGGER = logging.getLogger("tickwire.sagemaker")


class Jobs:
    """The calls for jobs, each by the name of its operation. A job's folder below ``folder`` keeps its log."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        for kind in ("training", "processing"):
            job = f"{kind.capitalize()}Job"
            self.operations |= {
                f"Create{job}": partial(self._create, kind),
                f"Describe{job}": partial(self._describe, kind),
                f"Stop{job}": partial(self._stop, kind),
                f"List{job}s": partial(self._list, kind),
            }

    def resume(self) -> None:
        """Tell of the jobs that were running when the service ended: nothing is left of them."""
        for kind in ("training", "processing"):
            for row in self._store[kind].values():
                if row[_status(kind)] in ("InProgress", "Stopping"):
                    self._end(kind, row, "Failed", "InternalServerError: the local platform was stopped")

    async def close(self) -> None:
        """Stop what runs."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _create(self, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
        name = arguments[_name(kind)]
        job_arn = arn(f"{kind}-job", name)
        if name in self._store[kind]:
            message = f"Job name must be unique within an AWS account and region, and a {kind} job with this name"
            raise ServiceError("ResourceInUse", f"{message} already exists ({job_arn})")
        row = {
            **arguments,
            f"{kind.capitalize()}JobArn": job_arn,
            _status(kind): "InProgress",
            "CreationTime": time.time(),
            "LastModifiedTime": time.time(),
        }
        if kind == "training":
            row["SecondaryStatus"] = "Starting"
        self._store[kind][name] = row
        self._store.save()
        task = asyncio.create_task(self._run(kind, row))
        self._running[kind, name] = task
        task.add_done_callback(lambda _: self._running.pop((kind, name), None))
        return {f"{kind.capitalize()}JobArn": job_arn}

    def _describe(self, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._find(kind, arguments[_name(kind)])

    def _list(self, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
        key = f"{kind.capitalize()}JobSummaries"
        return page(list(self._store[kind].values()), arguments, key=key, time_key="CreationTime")

    def _stop(self, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
        row = self._find(kind, arguments[_name(kind)])
        if row[_status(kind)] != "InProgress":
            raise invalid(f"The job {row[_name(kind)]} is {row[_status(kind)]} and cannot be stopped")
        row[_status(kind)] = "Stopping"
        self._store.save()
        self._running[kind, row[_name(kind)]].cancel()
        return {}

    def _find(self, kind: str, name: str) -> Row:
        row = self._store[kind].get(name)
        if row is None:
            raise ServiceError("ValidationException", f"Requested resource not found: {arn(f'{kind}-job', name)}")
        return row

    async def _run(self, kind: str, row: Row) -> None:
        folder = self._folder / f"{kind}-{row[_name(kind)]}"
        root = folder / "ml"
        shutil.rmtree(folder, ignore_errors=True)
        root.mkdir(parents=True)
        try:
            await asyncio.to_thread(_prepare_training if kind == "training" else _prepare_processing, row, root)
            row[f"{kind.capitalize()}StartTime"] = time.time()
            async with asyncio.timeout(row.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _MAX_SECONDS)):
                status = await _process(_module(kind, row), root, folder / "log.txt")
            if status != 0:
                raise invalid(f"AlgorithmError: {_failure(root) or f'exit status {status}'}")
            await asyncio.to_thread(_keep_model if kind == "training" else _keep_outputs, row, root)
        except asyncio.CancelledError:
            self._end(kind, row, "Stopped", "")
        except TimeoutError:
            self._end(kind, row, "Stopped", "MaxRuntimeExceeded")
        except Exception as error:
            _LOGGER.warning("%s job %s failed", kind, row[_name(kind)], exc_info=True)
            self._end(kind, row, "Failed", str(error) or type(error).__name__)
        else:
            self._end(kind, row, "Completed", "")
        finally:
            # The log stays; what was learnt from lies in S3.
            shutil.rmtree(root, ignore_errors=True)

    def _end(self, kind: str, row: Row, status: str, reason: str) -> None:
        row.update({_status(kind): status, f"{kind.capitalize()}EndTime": time.time(), "LastModifiedTime": time.time()})
        if kind == "training":
            row["SecondaryStatus"] = status
        if reason:
            row["FailureReason"] = reason[:1024]
        self._store.save()


async def _process(module: str, root: Path, log: Path) -> int:
    """Run a job's code to its end; what it is in the middle of ends with the task that waits for it."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "local.sagemaker.job_process", module, str(root)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _name(kind: str) -> str:
    return f"{kind.capitalize()}JobName"


def _status(kind: str) -> str:
    return f"{kind.capitalize()}JobStatus"


def _module(kind: str, row: Row) -> str:
    if kind == "training":
        return _MODULES["train"]
    entry = row["AppSpecification"].get("ContainerEntrypoint", ["python", "evaluate.py"])[-1]
    script = Path(entry).stem
    return _MODULES.get(script, script)


def _prepare_training(row: Row, root: Path) -> None:
    (root / "input/config").mkdir(parents=True)
    (root / "input/config/hyperparameters.json").write_text(json.dumps(row.get("HyperParameters", {})))
    for channel in row.get("InputDataConfig", []):
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise invalid(f"channel {channel['ChannelName']}: only S3DataSource is known here")
        objects.download(source["S3Uri"], root / "input/data" / channel["ChannelName"])


def _prepare_processing(row: Row, root: Path) -> None:
    for given in row.get("ProcessingInputs", []):
        if "S3Input" not in given:
            raise invalid(f"input {given['InputName']}: only S3Input is known here")
        objects.download(given["S3Input"]["S3Uri"], _below(root, given["S3Input"]["LocalPath"]))
    arguments = row["AppSpecification"].get("ContainerArguments", [])
    config = {"Environment": row.get("Environment", {}), "AppSpecification": {"ContainerArguments": arguments}}
    (root / "config").mkdir()
    (root / "config/processingjobconfig.json").write_text(json.dumps(config))


def _keep_model(row: Row, root: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in sorted((root / "model").iterdir()):
            archive.add(path, path.name)
    output = row["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    address = f"{output}/{row['TrainingJobName']}/output/model.tar.gz"
    objects.write(address, packed.getvalue())
    row["ModelArtifacts"] = {"S3ModelArtifacts": address}


def _keep_outputs(row: Row, root: Path) -> None:
    for output in row.get("ProcessingOutputConfig", {}).get("Outputs", []):
        objects.upload(_below(root, output["S3Output"]["LocalPath"]), output["S3Output"]["S3Uri"])


def _below(root: Path, path: str) -> Path:
    """Move a container's path below ``root``."""
    found = (root / Path(path).relative_to(_ML)).resolve() if path.startswith(f"{_ML}/") else root.parent
    if not found.is_relative_to(root.resolve()):
        raise invalid(f"{path} does not lie below {_ML}")
    return found


def _failure(root: Path) -> str:
    for name in ("failure", "message"):
        path = root / "output" / name
        if path.exists():
            return path.read_text()
    return ""
