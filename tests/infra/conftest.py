"""The synthesised application, once a session: the CDK takes seconds to load and to synthesise."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from cdk.settings import StageSettings


class Resource(NamedTuple):
    """One resource of a template; ``name`` is its logical id, to follow references and never to find it."""

    stack: str
    name: str
    properties: dict[str, Any]
    whole: dict[str, Any]


class Application:
    """The templates of a stage, by the last part of their stack's name, and how to read them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.templates: dict[str, dict[str, Any]] = {
            path.name.removesuffix(".template.json").rpartition("-")[2]: json.loads(path.read_text())
            for path in sorted(folder.glob("*.template.json"))
        }

    def images(self) -> dict[str, tuple[Path, str]]:
        """Give the images by their hash: the folder that each is built from, and its Dockerfile in there."""
        return {
            name: (self.folder / image["source"]["directory"], image["source"].get("dockerFile", "Dockerfile"))
            for path in sorted(self.folder.glob("*.assets.json"))
            for name, image in json.loads(path.read_text()).get("dockerImages", {}).items()
        }

    def dockerfiles(self) -> dict[str, str]:
        """Give the Dockerfiles of the images by their hash, by their paths in the project."""
        return {name: dockerfile for name, (_, dockerfile) in self.images().items()}

    def resources(self, kind: str) -> list[Resource]:
        """Give every resource of a type, over all stacks."""
        return [
            Resource(stack, name, whole.get("Properties", {}), whole)
            for stack, template in self.templates.items()
            for name, whole in template["Resources"].items()
            if whole["Type"] == kind
        ]

    def function(self, name: str) -> Resource:
        """Give the function that says of itself, in its environment, that it is ``name``."""
        (found,) = [
            function
            for function in self.resources("AWS::Lambda::Function")
            if self.variables(function).get("POWERTOOLS_SERVICE_NAME") == name
        ]
        return found

    def variables(self, function: Resource) -> dict[str, Any]:
        """Give a function's environment."""
        variables: dict[str, Any] = function.properties.get("Environment", {}).get("Variables", {})
        return variables

    def mappings(self, name: str) -> list[dict[str, Any]]:
        """Give the properties of a function's event-source mappings."""
        function = self.function(name)
        return [
            item.properties
            for item in self.resources("AWS::Lambda::EventSourceMapping")
            if item.stack == function.stack and item.properties["FunctionName"] == {"Ref": function.name}
        ]

    def task(self, name: str) -> Resource:
        """Give the ECS task whose one container is called ``name``."""
        (found,) = [
            task
            for task in self.resources("AWS::ECS::TaskDefinition")
            if [container["Name"] for container in task.properties["ContainerDefinitions"]] == [name]
        ]
        return found

    def container(self, name: str) -> dict[str, Any]:
        """Give the container of an ECS task."""
        container: dict[str, Any] = self.task(name).properties["ContainerDefinitions"][0]
        return container

    def task_variables(self, name: str) -> dict[str, Any]:
        """Give the environment of an ECS task."""
        return {item["Name"]: item["Value"] for item in self.container(name)["Environment"]}

    def service(self, name: str) -> Resource:
        """Give the ECS service that runs a task."""
        task = self.task(name)
        (found,) = [
            service
            for service in self.resources("AWS::ECS::Service")
            if service.stack == task.stack and service.properties["TaskDefinition"] == {"Ref": task.name}
        ]
        return found

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give every statement of an identity policy, with where it stands."""
        for policy in self.resources("AWS::IAM::Policy"):
            for statement in policy.properties["PolicyDocument"]["Statement"]:
                yield f"{policy.stack}/{policy.name}", statement
        for role in self.resources("AWS::IAM::Role"):
            for inline in role.properties.get("Policies", []):
                for statement in inline["PolicyDocument"]["Statement"]:
                    yield f"{role.stack}/{role.name}", statement

    def actions(self, stack: str, role: str) -> set[str]:
        """Give all that a role may do, by its logical id."""
        return {
            action
            for policy in self.resources("AWS::IAM::Policy")
            if policy.stack == stack and {"Ref": role} in policy.properties["Roles"]
            for statement in policy.properties["PolicyDocument"]["Statement"]
            for action in as_list(statement["Action"])
        }

    def actions_of_task(self, name: str) -> set[str]:
        """Give all that an ECS task's role may do."""
        task = self.task(name)
        return self.actions(task.stack, task.properties["TaskRoleArn"]["Fn::GetAtt"][0])

    def actions_of(self, name: str) -> set[str]:
        """Give all that a function's role may do."""
        function = self.function(name)
        return self.actions(function.stack, function.properties["Role"]["Fn::GetAtt"][0])


def as_list(value: Any) -> list[Any]:
    """Give a list, as CloudFormation allows one value where it means a list of one."""
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="session")
def synthesise() -> Callable[..., Application]:
    """Synthesise a stage into a folder. No wheel is installed and no image built: templates are judged."""
    if shutil.which("node") is None:
        pytest.skip("the AWS CDK needs Node.js to synthesise")
    from cdk.app_factory import build_app

    def run(stage: str, folder: Path, settings: "StageSettings | None" = None) -> Application:
        context = {"aws:cdk:bundling-stacks": []}
        build_app(stage, settings=settings, context=context, outdir=folder, rules=False).synth()
        return Application(folder)

    return run


@pytest.fixture(scope="session")
def prod(synthesise: Callable[..., Application], tmp_path_factory: pytest.TempPathFactory) -> Application:
    """Stage ``prod``."""
    return synthesise("prod", tmp_path_factory.mktemp("cdk") / "prod")


@pytest.fixture(scope="session")
def dev(synthesise: Callable[..., Application], tmp_path_factory: pytest.TempPathFactory) -> Application:
    """Stage ``dev``."""
    return synthesise("dev", tmp_path_factory.mktemp("cdk") / "dev")


Deployable = Callable[[str], tuple[Application, str]]
"""Gives what ``cdk deploy`` would upload of a stage, zips bundled, and what its command line complained of."""


@pytest.fixture(scope="session")
def deployable(tmp_path_factory: pytest.TempPathFactory) -> Deployable:
    """Each stage by the command line, synthesised when it is first asked for."""
    if shutil.which("node") is None:
        pytest.skip("the AWS CDK needs Node.js to synthesise")
    from cdk.synthesis import SynthesisFailed, synthesise

    made: dict[str, tuple[Application, str]] = {}

    def give(stage: str) -> tuple[Application, str]:
        if stage not in made:
            folder = tmp_path_factory.mktemp("deployable") / stage
            fault = ""
            try:
                synthesise(stage, folder)
            except SynthesisFailed as error:
                # The templates are there none the less, for the tests of what is in them.
                fault = str(error)
            made[stage] = Application(folder), fault
        return made[stage]

    return give
