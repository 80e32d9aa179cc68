"""What refers to what in the templates of an application, across stacks."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Address(NamedTuple):
    """Where a resource stands: its stack and its logical id."""

    stack: str
    name: str

    def __str__(self) -> str:
        return f"{self.stack}/{self.name}"


class References:
    """The resources of an application's templates (stack → template), by address and by what names them."""

    def __init__(self, templates: Mapping[str, Mapping[str, Any]]) -> None:
        self._templates = templates
        self._exports: dict[str, tuple[str, Any]] = {
            output["Export"]["Name"]: (stack, output["Value"])
            for stack, template in templates.items()
            for output in template.get("Outputs", {}).values()
            if isinstance(output.get("Export", {}).get("Name"), str)
        }
        self._outputs: dict[str, tuple[str, Any]] = {
            f"{stack}:{name}": (stack, output["Value"])
            for stack, template in templates.items()
            for name, output in template.get("Outputs", {}).items()
        }

    def all(self, *kinds: str) -> Iterator[tuple[Address, dict[str, Any]]]:
        """Give every resource of the given types, or of any type, with its address."""
        for stack, template in self._templates.items():
            for name, resource in template["Resources"].items():
                if not kinds or resource["Type"] in kinds:
                    yield Address(stack, name), resource

    def whole(self, address: Address) -> dict[str, Any]:
        """Give a resource as its template has it."""
        resource: dict[str, Any] = self._templates[address.stack]["Resources"][address.name]
        return resource

    def properties(self, address: Address) -> dict[str, Any]:
        """Give a resource's properties."""
        properties: dict[str, Any] = self.whole(address).get("Properties", {})
        return properties

    def type(self, address: Address) -> str:
        """Give a resource's type."""
        return str(self.whole(address)["Type"])

    def targets(self, stack: str, value: Any) -> set[Address]:
        """Give every resource that a value of a stack's template refers to, through exports too."""
        return set(self._targets(stack, value))

    def target(self, stack: str, value: Any) -> Address | None:
        """Give the one resource that a value refers to, or None if it is none or several."""
        found = self.targets(stack, value)
        return found.pop() if len(found) == 1 else None

    def function(self, stack: str, value: Any) -> Address | None:
        """Give the function that a value refers to, by itself or by an alias or a version of it."""
        found = self.target(stack, value)
        while found is not None and self.type(found) in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            found = self.target(found.stack, self.properties(found)["FunctionName"])
        return found

    def own_functions(self) -> Iterator[tuple[Address, dict[str, Any]]]:
        """Give the functions that run code of ours."""
        for address, function in self.all("AWS::Lambda::Function"):
            if not is_of_the_cdk(address, function):
                yield address, function

    def _targets(self, stack: str, value: Any) -> Iterator[Address]:
        if isinstance(value, list):
            for part in value:
                yield from self._targets(stack, part)
        if not isinstance(value, dict):
            return
        if set(value) == {"Ref"}:
            yield from self._known(stack, str(value["Ref"]))
        elif set(value) == {"Fn::GetAtt"}:
            path = value["Fn::GetAtt"]
            yield from self._known(stack, path[0] if isinstance(path, list) else str(path).partition(".")[0])
        elif set(value) == {"Fn::GetStackOutput"}:
            yield from self._output(value["Fn::GetStackOutput"])
        elif set(value) == {"Fn::ImportValue"} and isinstance(value["Fn::ImportValue"], str):
            exported = self._exports.get(value["Fn::ImportValue"])
            if exported is not None:
                yield from self._targets(*exported)
        elif set(value) == {"Fn::GetStackOutput"}:
            # What the CDK makes of a reference that must not tie two stacks together.
            other = value["Fn::GetStackOutput"]
            output = self._outputs.get(f"{other['StackName'].rpartition('-')[2]}:{other['OutputName']}")
            if output is not None:
                yield from self._targets(*output)
        else:
            for part in value.values():
                yield from self._targets(stack, part)

    def _output(self, weak: Mapping[str, str]) -> Iterator[Address]:
        """Follow a weak reference, which names a stack and an output of it."""
        stack = weak["StackName"].rpartition("-")[2]
        output = self._templates.get(stack, {}).get("Outputs", {}).get(weak["OutputName"])
        if output is not None:
            yield from self._targets(stack, output["Value"])

    def _known(self, stack: str, name: str) -> Iterator[Address]:
        if name in self._templates[stack]["Resources"]:
            yield Address(stack, name)


def is_of_the_cdk(address: Address, function: Mapping[str, Any]) -> bool:
    """Tell the functions that the CDK brings for its custom resources; they run only while a stack is deployed.

    They run on Node, which ours never do, but for the one that copies files into buckets.
    """
    runtime = str(function["Properties"].get("Runtime", ""))
    return runtime.startswith("nodejs") or address.name.startswith("CustomCDKBucketDeployment")


def at(value: Any, path: str) -> Any:
    """Give what lies at a dotted path in a value, the first of each list on the way, or None."""
    for part in path.split("."):
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def as_list(value: Any) -> list[Any]:
    """Give a list, as CloudFormation allows one value where it means a list of one."""
    return value if isinstance(value, list) else [value]
