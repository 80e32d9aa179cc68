"""What each task of the nightly state machine does on a laptop, by the service and the action of its resource."""

import datetime as dt
import json
import logging
import os
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import msgspec
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.model_rollout.questions import RolloutSettings, answer
from local.sagemaker.dataset import Dataset, write_dataset
from local.sagemaker.objects import client

_LOGGER = logging.getLogger("tickwire.nightly")
_POLL_SECONDS = 0.2
BAKE_SECONDS = 60
"""At each share: a laptop's owner does not wait for a night. ``TICKWIRE_LOCAL_BAKE_SECONDS`` sets another."""


class CallFailed(Exception):
    """An error as Step Functions tells it."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(cause)
        self.error = error


class NightlyCalls:
    """Answers tasks.

    SageMaker is asked at its local address, all other services at the emulator's; CloudWatch and Athena are answered
    here. The input of an execution may name ``candles``, files that take the lake's place, and ``hyperparameters`` of
    the training job.
    """

    def __init__(self, *, rollout_function: str, lake_database: str, sagemaker_url: str) -> None:
        self._rollout_function = rollout_function
        self._lake_database = lake_database
        self._sagemaker_url = sagemaker_url
        self._inputs: dict[str, dict[str, Any]] = {}
        self._own: dict[str, Callable[[dict[str, Any]], Any]] = {
            "lambda:invoke": self._invoke,
            "athena:startQueryExecution": self._query,
            "cloudwatch:describeAlarms": self._describe_alarms,
            "cloudwatch:getMetricStatistics": self._metric,
            "sagemaker:createTrainingJob.sync": self._train,
            "sagemaker:createProcessingJob.sync": lambda arguments: self._job("processing", arguments),
            "s3:putObject": self._put,
            "sns:publish": self._notify,
        }

    def call(self, resource: str, arguments: dict[str, Any]) -> Any:
        """Do one task; ``resource`` is what the state machine names.

        Raises
        ------
        CallFailed
            As AWS would have failed.
        """
        service, action = resource.split(":")[-2:]
        own = self._own.get(f"{service}:{action}") or self._own.get(f"{service}:{action.removesuffix('.sync')}")
        try:
            return self._call(service, action, arguments) if own is None else own(arguments)
        except ClientError as error:
            told = error.response["Error"]
            raise CallFailed(f"{service.capitalize()}.{told['Code']}", told["Message"]) from error
        except BotoCoreError as error:
            raise CallFailed(f"{service.capitalize()}.SdkClientException", str(error)) from error

    def _call(self, service: str, action: str, arguments: dict[str, Any]) -> Any:
        """Make any other call as it stands: an SDK integration names everything with capitals."""
        aws = client({"sfn": "stepfunctions"}.get(service, service))
        shape = aws.meta.service_model.operation_model(action[0].upper() + action[1:]).input_shape
        names = {} if shape is None else {name.lower(): name for name in shape.members}
        given = {names.get(name.lower(), name): value for name, value in arguments.items()}
        answered = getattr(aws, xform_name(action))(**given)
        answered.pop("ResponseMetadata", None)
        return _as_json({name[0].upper() + name[1:]: value for name, value in answered.items()})

    def _invoke(self, arguments: dict[str, Any]) -> Any:
        name, question = arguments["FunctionName"], arguments["Payload"]
        if self._rollout_function not in name:
            reply = client("lambda").invoke(FunctionName=name, Payload=json.dumps(question).encode())
            payload = json.loads(reply["Payload"].read())
            if "FunctionError" in reply:
                raise CallFailed(payload.get("errorType", "Lambda.Unknown"), payload.get("errorMessage", ""))
            return {"Payload": payload}
        return {"Payload": self._rollout(question)}

    def _rollout(self, question: dict[str, Any]) -> dict[str, Any]:
        configuration = client("lambda").get_function_configuration(FunctionName=self._rollout_function)
        environment = configuration["Environment"]["Variables"]
        given = {name.removeprefix("TICKWIRE_").lower(): value for name, value in environment.items()}
        given["bake_seconds"] = os.environ.get("TICKWIRE_LOCAL_BAKE_SECONDS", BAKE_SECONDS)
        if question["question"] == "plan":
            described = client("stepfunctions").describe_execution(executionArn=question["execution"])
            started = json.loads(described.get("input") or "{}")
        else:
            started = self._inputs.get(question.get("plan", {}).get("train", ""), {})
        if "instruments" in started:
            given["instruments"] = ",".join(started["instruments"])
        answered = answer(question, settings=msgspec.convert(given, RolloutSettings, strict=False), s3=client("s3"))
        if question["question"] == "plan":
            # By what the run's other tasks know of it.
            self._inputs |= {answered["train"]: started, answered["job"]: started}
        elif question["question"] == "score":
            self._inputs[answered["bars"]] = started
        return answered

    def _query(self, arguments: dict[str, Any]) -> Any:
        dataset = Dataset.parse(arguments["QueryString"])
        started = next((given for key, given in self._inputs.items() if key.startswith(dataset.address)), {})
        write_dataset(dataset, lake_database=self._lake_database, candles=started.get("candles", ()))
        return {"QueryExecution": {"Status": {"State": "SUCCEEDED"}}}

    def _train(self, arguments: dict[str, Any]) -> Any:
        extra = self._inputs.get(arguments["TrainingJobName"], {}).get("hyperparameters", {})
        return self._job(
            "training", {**arguments, "HyperParameters": {**arguments.get("HyperParameters", {}), **extra}}
        )

    def _job(self, kind: str, arguments: dict[str, Any]) -> Any:
        name = f"{kind.capitalize()}Job"
        sagemaker = client("sagemaker")
        getattr(sagemaker, f"create_{kind}_job")(**arguments)
        described = {f"{name}Status": "InProgress"}
        while described[f"{name}Status"] in ("InProgress", "Stopping"):
            time.sleep(_POLL_SECONDS)
            described = getattr(sagemaker, f"describe_{kind}_job")(**{f"{name}Name": arguments[f"{name}Name"]})
        if described[f"{name}Status"] != "Completed":
            raise CallFailed("States.TaskFailed", described.get("FailureReason", described[f"{name}Status"]))
        described.pop("ResponseMetadata", None)
        return _as_json(described)

    def _describe_alarms(self, arguments: dict[str, Any]) -> Any:
        """The alarm stands for what the endpoint itself has measured in the last minutes."""
        told = self._told(_endpoint_of(arguments["AlarmNames"][0]))
        alarm = {
            "AlarmName": arguments["AlarmNames"][0],
            "StateValue": told["alarm"],
            "StateReason": "; ".join(told["reasons"]),
        }
        return {"CompositeAlarms": [alarm], "MetricAlarms": []}

    def _metric(self, arguments: dict[str, Any]) -> Any:
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in arguments["Dimensions"]}
        since = dt.datetime.fromisoformat(arguments["StartTime"]).timestamp()
        counted = self._told(dimensions["EndpointName"], since=since)["variants"].get(dimensions["VariantName"], {})
        key = {"Invocations": "invocations", "Invocation5XXErrors": "errors_5xx", "Invocation4XXErrors": "errors_4xx"}
        if arguments["MetricName"] not in key:
            raise CallFailed("CloudWatch.InvalidParameterValue", f"{arguments['MetricName']} is not measured here")
        total = counted.get(key[arguments["MetricName"]], 0)
        return {"Datapoints": [{"Sum": total}] if total else []}

    def _told(self, endpoint: str, *, since: float = 0.0) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._sagemaker_url}/local/endpoints/{endpoint}?since={since}") as reply:
            return dict(json.load(reply))

    def _put(self, arguments: dict[str, Any]) -> Any:
        body = arguments["Body"]
        text = body if isinstance(body, str) else json.dumps(body)
        client("s3").put_object(**{**arguments, "Body": text.encode()})
        return {}

    def _notify(self, arguments: dict[str, Any]) -> Any:
        """Whoever runs it reads the log."""
        _LOGGER.warning("%s: %s", arguments.get("Subject"), arguments["Message"])
        return {"MessageId": "local"}


def _endpoint_of(alarm: str) -> str:
    """Give the endpoint whose health an alarm tells; on a laptop, where no composite alarm is, the only one."""
    if alarm.endswith("-health"):
        return alarm.removesuffix("-health")
    endpoints = client("sagemaker").list_endpoints()["Endpoints"]
    if len(endpoints) != 1:
        raise CallFailed("CloudWatch.ResourceNotFound", f"no endpoint is watched by {alarm}")
    return str(endpoints[0]["EndpointName"])


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda moment: moment.isoformat()))
