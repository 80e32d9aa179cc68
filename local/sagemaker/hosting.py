"""Models, endpoint configurations and endpoints."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from local.sagemaker.arguments import arn, page
from local.sagemaker.faults import ServiceError, invalid
from local.sagemaker.servers import ModelServer, ModelServers
from local.sagemaker.store import Row, Store

_LOGGER = logging.getLogger("tickwire.sagemaker")
_CHANGING = ("Creating", "Updating", "Deleting")


class Hosting:
    """The calls for hosting, each by the name of its operation; ``routes`` has the servers of what is in service.

    An endpoint changes in a task of its own, as SageMaker's do: a call answers at once, and the status tells.
    """

    def __init__(self, store: Store, servers: ModelServers) -> None:
        self._store = store
        self._servers = servers
        self._changes: dict[str, asyncio.Task[None]] = {}
        self.routes: dict[str, dict[str, ModelServer]] = {}
        """By endpoint and variant."""
        self.operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateModel": self.create_model,
            "DescribeModel": self.describe_model,
            "DeleteModel": self.delete_model,
            "ListModels": self.list_models,
            "CreateEndpointConfig": self.create_endpoint_config,
            "DescribeEndpointConfig": self.describe_endpoint_config,
            "DeleteEndpointConfig": self.delete_endpoint_config,
            "ListEndpointConfigs": self.list_endpoint_configs,
            "CreateEndpoint": self.create_endpoint,
            "UpdateEndpoint": self.update_endpoint,
            "UpdateEndpointWeightsAndCapacities": self.update_weights,
            "DescribeEndpoint": self.describe_endpoint,
            "DeleteEndpoint": self.delete_endpoint,
            "ListEndpoints": self.list_endpoints,
        }

    def resume(self) -> None:
        """Serve again what was served when the service ended."""
        for name, row in self._store["endpoints"].items():
            if row["EndpointStatus"] != "Failed":
                self._change(name, row.pop("Wanted", row["EndpointConfigName"]), "Creating", {})

    async def close(self) -> None:
        """Stop all servers."""
        for task in list(self._changes.values()):
            task.cancel()
        await asyncio.gather(*self._changes.values(), return_exceptions=True)
        await self._servers.keep_only(set())

    def create_model(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Keep a model; its archive is read when an endpoint has it."""
        name = arguments["ModelName"]
        if not arguments.get("PrimaryContainer", {}).get("ModelDataUrl"):
            raise invalid("a model here has a PrimaryContainer with a ModelDataUrl")
        return self._create("models", name, "model", "model", {**arguments, "ModelArn": arn("model", name)})

    def describe_model(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give a model."""
        return self._find("models", arguments["ModelName"], "model", "model")

    def delete_model(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Forget a model; an endpoint that has it keeps its server."""
        return self._delete("models", arguments["ModelName"], "model", "model")

    def list_models(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List models."""
        return page(list(self._store["models"].values()), arguments, key="Models", time_key="CreationTime")

    def create_endpoint_config(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Keep a configuration of models that are there."""
        name = arguments["EndpointConfigName"]
        for variant in arguments["ProductionVariants"]:
            self._find("models", variant["ModelName"], "model", "model")
        row = {**arguments, "EndpointConfigArn": arn("endpoint-config", name)}
        return self._create("configurations", name, "endpoint-config", "endpoint configuration", row)

    def describe_endpoint_config(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give a configuration."""
        return self._configuration(arguments["EndpointConfigName"])

    def delete_endpoint_config(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Forget a configuration."""
        name = arguments["EndpointConfigName"]
        return self._delete("configurations", name, "endpoint-config", "endpoint configuration")

    def list_endpoint_configs(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List configurations."""
        found = list(self._store["configurations"].values())
        return page(found, arguments, key="EndpointConfigs", time_key="CreationTime")

    def create_endpoint(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Begin to serve a configuration."""
        name, config = arguments["EndpointName"], arguments["EndpointConfigName"]
        self._configuration(config)
        row = {
            **arguments,
            "EndpointArn": arn("endpoint", name),
            "ProductionVariants": [],
            "LastModifiedTime": time.time(),
        }
        created = self._create("endpoints", name, "endpoint", "endpoint", row)
        self._change(name, config, "Creating", {})
        return created

    def update_endpoint(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Begin to serve another configuration; the old one answers until the new one can."""
        name, config = arguments["EndpointName"], arguments["EndpointConfigName"]
        row = self._settled(name)
        self._configuration(config)
        if row["EndpointConfigName"] == config:
            raise invalid(f"Cannot update endpoint {name!r} to the configuration that it has already: {config!r}")
        excluded = {item["VariantPropertyType"] for item in arguments.get("ExcludeRetainedVariantProperties", [])}
        retains = arguments.get("RetainAllVariantProperties", False) and "DesiredWeight" not in excluded
        kept = {variant["VariantName"]: variant["CurrentWeight"] for variant in row["ProductionVariants"]}
        self._change(name, config, "Updating", kept if retains else {})
        return {"EndpointArn": row["EndpointArn"]}

    def update_weights(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set variants' weights, which takes no time here."""
        row = self._settled(arguments["EndpointName"])
        if row["EndpointStatus"] != "InService":
            raise invalid(f"Cannot update weights of endpoint {row['EndpointArn']!r}, which is {row['EndpointStatus']}")
        variants = {variant["VariantName"]: variant for variant in row["ProductionVariants"]}
        wanted = {change["VariantName"]: change for change in arguments["DesiredWeightsAndCapacities"]}
        if missing := wanted.keys() - variants.keys():
            raise invalid(f"The variant(s) {sorted(missing)} do not exist in endpoint {row['EndpointArn']!r}")
        for name, change in wanted.items():
            for key in ("Weight", "InstanceCount"):
                if f"Desired{key}" in change:
                    variants[name][f"Desired{key}"] = variants[name][f"Current{key}"] = change[f"Desired{key}"]
        row["LastModifiedTime"] = time.time()
        self._store.save()
        return {"EndpointArn": row["EndpointArn"]}

    def describe_endpoint(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give an endpoint."""
        row = self._find("endpoints", arguments["EndpointName"], "endpoint", "endpoint")
        if not row["ProductionVariants"]:
            return {name: value for name, value in row.items() if name != "ProductionVariants"}
        config = self._store["configurations"].get(row["EndpointConfigName"], {})
        captured = config.get("DataCaptureConfig")
        if captured is None:
            return row
        summary = {
            "EnableCapture": captured.get("EnableCapture", True),
            "CaptureStatus": "Started",
            "CurrentSamplingPercentage": captured["InitialSamplingPercentage"],
            "DestinationS3Uri": captured["DestinationS3Uri"],
            "KmsKeyId": captured.get("KmsKeyId", ""),
        }
        return {**row, "DataCaptureConfig": summary}

    def delete_endpoint(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Serve an endpoint no more."""
        name = arguments["EndpointName"]
        self._settled(name)
        self.routes.pop(name, None)
        self._delete("endpoints", name, "endpoint", "endpoint")
        self._changes[name] = asyncio.create_task(self._servers.keep_only(self._used()))
        self._changes[name].add_done_callback(lambda _: self._changes.pop(name, None))
        return {}

    def list_endpoints(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List endpoints."""
        return page(list(self._store["endpoints"].values()), arguments, key="Endpoints", time_key="CreationTime")

    def _configuration(self, name: str) -> Row:
        return self._find("configurations", name, "endpoint-config", "endpoint configuration")

    def _find(self, table: str, name: str, kind: str, words: str) -> Row:
        row = self._store[table].get(name)
        if row is None:
            raise invalid(f'Could not find {words} "{arn(kind, name)}".')
        return row

    def _create(self, table: str, name: str, kind: str, words: str, row: Row) -> dict[str, Any]:
        if name in self._store[table]:
            raise invalid(f'Cannot create already existing {words} "{arn(kind, name)}".')
        self._store[table][name] = {**row, "CreationTime": time.time()}
        self._store.save()
        return row

    def _delete(self, table: str, name: str, kind: str, words: str) -> dict[str, Any]:
        self._find(table, name, kind, words)
        del self._store[table][name]
        self._store.save()
        return {}

    def _settled(self, name: str) -> Row:
        row = self._find("endpoints", name, "endpoint", "endpoint")
        if row["EndpointStatus"] in _CHANGING:
            raise invalid(f'Cannot update in-progress endpoint "{row["EndpointArn"]}".')
        return row

    def _change(self, name: str, config: str, status: str, weights: dict[str, float]) -> None:
        row = self._store["endpoints"][name]
        row.update(EndpointStatus=status, Wanted=config, LastModifiedTime=time.time())
        row.pop("FailureReason", None)
        self._store.save()
        self._changes[name] = asyncio.create_task(self._serve(name, config, weights))
        self._changes[name].add_done_callback(lambda _: self._changes.pop(name, None))

    async def _serve(self, name: str, config: str, weights: dict[str, float]) -> None:
        """Start what a configuration needs, and only then let the endpoint have it."""
        row = self._store["endpoints"][name]
        before = {variant["VariantName"]: variant for variant in row["ProductionVariants"]}
        resumed = row["EndpointConfigName"] == config and bool(before)
        try:
            variants = self._configuration(config)["ProductionVariants"]
            models = {variant["ModelName"]: self._archive(variant["ModelName"]) for variant in variants}
            found = await asyncio.gather(*(self._servers.serve(model, url) for model, url in models.items()))
        except ServiceError as error:
            _LOGGER.warning("endpoint %s does not get %s: %s", name, config, error)
            # What was served before goes on, as SageMaker rolls an update back.
            row["EndpointStatus"] = "InService" if name in self.routes else "Failed"
            row["FailureReason"] = str(error)[:1024]
        else:
            servers = dict(zip(models, found, strict=True))
            self.routes[name] = {variant["VariantName"]: servers[variant["ModelName"]] for variant in variants}
            if not resumed:
                row["ProductionVariants"] = [_summary(variant, weights) for variant in variants]
            row.update(EndpointStatus="InService", EndpointConfigName=config)
        row.pop("Wanted", None)
        row["LastModifiedTime"] = time.time()
        self._store.save()
        await self._servers.keep_only(self._used())

    def _archive(self, model: str) -> str:
        return str(self._find("models", model, "model", "model")["PrimaryContainer"]["ModelDataUrl"])

    def _used(self) -> set[str]:
        """Give the models of all endpoints, of what they have and of what they are to get."""
        configurations = {row[key] for row in self._store["endpoints"].values()
                          for key in ("EndpointConfigName", "Wanted") if key in row}  # fmt: skip
        return {
            variant["ModelName"]
            for config in configurations
            for variant in self._store["configurations"].get(config, {}).get("ProductionVariants", [])
        }


def _summary(variant: dict[str, Any], weights: dict[str, float]) -> dict[str, Any]:
    weight = weights.get(variant["VariantName"], variant.get("InitialVariantWeight", 1.0))
    count = variant.get("InitialInstanceCount", 1)
    return {
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
    }
