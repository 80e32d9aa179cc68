"""Which rights a programme of ours can need, read from its source and never by running it.

From an entry point the analysis follows what the code names: imports, functions, classes and methods. A
method counts as reached if code that is reached names it and its class, or names it on something of
which nothing is known and its class is made somewhere. A call of AWS is a method named as an operation of a
service of which a client is made, with arguments such as only that operation takes. It errs towards
reaching too much, and then fails by asking for a right that nothing needs.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

from tests.infra.call_tables import CLIENT_METHODS, LIBRARIES, OPERATIONS, PREFIXES

PROJECT = Path(__file__).resolve().parents[2]
_MAKERS = frozenset({"client", "create_client", "resource"})
_BUILT_IN = frozenset("bytes bytearray dict float frozenset int list memoryview set str tuple open".split())


class ReadsNothing(ValueError):
    """The source does what the analysis cannot follow; the message names where, and what to do."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What a programme asks of AWS: right → the places in the source that need it."""

    rights: Mapping[str, frozenset[str]]
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Shape:
    """The arguments of a call, by which a method can be told from another of its name."""

    positional: int
    keywords: frozenset[str]
    open_ended: bool


@dataclass(slots=True, eq=False)
class _Class:
    module: "_Module"
    node: ast.ClassDef
    methods: dict[str, "_Unit"] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Unit:
    """A piece of code that runs as one: a function with all inside it, or a module's body."""

    module: "_Module"
    name: str
    nodes: list[ast.AST]
    owner: _Class | None = None


@dataclass(slots=True, eq=False)
class _Module:
    name: str
    path: Path
    body: _Unit
    functions: dict[str, _Unit]
    classes: dict[str, _Class]
    imports: dict[str, str]
    """Name here → dotted path of what it stands for, inside the project or not."""


def calls_of(module: str, entry: str | None = None, *, root: Path = PROJECT) -> Calls:
    """Give what a programme can ask of AWS.

    Parameters
    ----------
    module
        The module that is run or imported, dotted.
    entry
        The function that is called then; None for a module that is run (``python -m``).
    root
        The folder on the path from which modules count as ours.

    Raises
    ------
    ReadsNothing
        If there is no such entry point, or a client is made of a service that only a run can tell.
    """
    return _Walk(root).run(module, entry)


class _Walk:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._modules: dict[str, _Module | None] = {}
        self._reached: dict[int, _Unit] = {}
        self._waiting: list[_Unit] = []
        self._classes: dict[int, _Class] = {}
        self._named: dict[str, set[_Shape | None]] = {}

    def run(self, module: str, entry: str | None) -> Calls:
        found = self._module(module)
        if found is None:
            raise ReadsNothing(f"there is no module {module} below {self._root}")
        self._reach_module(module)
        if entry is not None:
            if entry not in found.functions:
                raise ReadsNothing(f"{module} has no function {entry}")
            self._reach(found.functions[entry])
        while self._waiting:
            self._follow(self._waiting.pop())
        return _read_calls(list(self._reached.values()), self._root)

    # What is there

    def _module(self, name: str) -> _Module | None:
        if name not in self._modules:
            path = self._root.joinpath(*name.split("."))
            source = next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)
            self._modules[name] = None if source is None else _parsed(name, source)
        return self._modules[name]

    def _resolve(self, path: str) -> tuple[_Module, str] | None:
        """Give the module of ours and the name in it that a dotted path stands for; the name may be empty."""
        module, _, name = path.rpartition(".")
        if self._module(path) is not None:
            return self._modules[path], ""  # type: ignore[return-value]
        found = self._module(module) if module else None
        if found is None:
            return None
        if name in found.imports and name not in found.functions and name not in found.classes:
            return self._resolve(found.imports[name])
        return found, name

    # What is reached

    def _reach(self, unit: _Unit) -> None:
        if id(unit) not in self._reached:
            self._reached[id(unit)] = unit
            self._waiting.append(unit)

    def _reach_module(self, name: str) -> None:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            module = self._module(".".join(parts[:length]))
            if module is not None:
                self._reach(module.body)

    def _reach_path(self, path: str) -> None:
        found = self._resolve(path)
        if found is None:
            return
        module, name = found
        self._reach_module(module.name)
        if name in module.functions:
            self._reach(module.functions[name])
        elif name in module.classes:
            self._reach_class(module.classes[name])

    def _reach_class(self, made: _Class) -> None:
        if id(made) in self._classes:
            return
        self._classes[id(made)] = made
        for name, method in made.methods.items():
            if (name.startswith("__") and name.endswith("__")) or any(
                _takes(method, shape) for shape in self._named.get(name, ())
            ):
                self._reach(method)

    def _reach_named(self, name: str, shape: _Shape | None) -> None:
        """Note a method named on something unknown: it may be that of any class that is made."""
        shapes = self._named.setdefault(name, set())
        if shape in shapes:
            return
        shapes.add(shape)
        for made in self._classes.values():
            if name in made.methods and _takes(made.methods[name], shape):
                self._reach(made.methods[name])

    # What a unit names

    def _follow(self, unit: _Unit) -> None:
        if unit is unit.module.body:
            # A decorator may hand its function to whoever calls it by a route or a name.
            for function in unit.module.functions.values():
                if any(getattr(node, "decorator_list", None) for node in function.nodes):
                    self._reach(function)
        types = _annotated(unit)
        called = {id(node.func): _shape(node) for node in _nodes(unit) if isinstance(node, ast.Call)}
        for node in _nodes(unit):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._reach_module(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module:
                self._reach_module(node.module)
                for alias in node.names:
                    if self._module(f"{node.module}.{alias.name}") is not None:
                        self._reach_module(f"{node.module}.{alias.name}")
            elif isinstance(node, ast.Name):
                self._follow_name(unit, node.id)
            elif isinstance(node, ast.Attribute):
                self._follow_attribute(unit, node, types, called.get(id(node)))

    def _follow_name(self, unit: _Unit, name: str) -> None:
        module = unit.module
        if name in module.functions:
            self._reach(module.functions[name])
        elif name in module.classes:
            self._reach_class(module.classes[name])
        elif name in module.imports:
            self._reach_path(module.imports[name])

    def _follow_attribute(
        self, unit: _Unit, node: ast.Attribute, types: Mapping[str, str], shape: _Shape | None
    ) -> None:
        receiver = node.value
        module = unit.module
        if isinstance(receiver, ast.Constant | ast.JoinedStr):
            return
        if isinstance(receiver, ast.Name) and receiver.id in ("self", "cls") and unit.owner is not None:
            self._reach_method(unit.owner, node.attr, shape)
            return
        if isinstance(receiver, ast.Name) and receiver.id not in types:
            path = module.imports.get(receiver.id)
            if path is not None and self._module(path) is not None:
                self._reach_path(f"{path}.{node.attr}")
                return
        kind = _kind(receiver, types, unit)
        if kind is not None:
            made = self._class_named(module, kind)
            if made is not None:
                self._reach_method(made, node.attr, shape)
                return
            if self._is_foreign(module, kind):
                return
        self._reach_named(node.attr, shape)

    def _is_foreign(self, module: _Module, kind: str) -> bool:
        """Tell whether a name is certain to stand for what is not ours."""
        top = kind.partition(".")[0]
        if top in module.imports:
            return top not in ("Any", "Callable") and self._resolve(module.imports[top]) is None
        return top in _BUILT_IN

    def _class_named(self, module: _Module, name: str) -> _Class | None:
        if name in module.classes:
            return module.classes[name]
        found = self._resolve(module.imports[name]) if name in module.imports else None
        return found[0].classes.get(found[1]) if found is not None else None

    def _reach_method(self, owner: _Class, name: str, shape: _Shape | None) -> None:
        """Reach a method of a class, of those that it inherits from, and of those that inherit from it."""
        self._reach_class(owner)
        if name in _fields(owner):
            return
        if name in owner.methods:
            self._reach(owner.methods[name])
        elif owner.node.bases:
            for base in owner.node.bases:
                found = self._class_named(owner.module, ast.unparse(base).partition("[")[0])
                if found is not None:
                    self._reach_method(found, name, shape)
        # A subclass, or what a Protocol stands for, is whatever else is made and has the name.
        if owner.node.bases or _is_abstract(owner):
            self._reach_named(name, shape)


def _parsed(name: str, path: Path) -> _Module:
    tree = ast.parse(path.read_text(), str(path))
    module = _Module(name, path, body=None, functions={}, classes={}, imports={})  # type: ignore[arg-type]
    body: list[ast.AST] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            module.functions[node.name] = _Unit(module, node.name, [node])
            body += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.ClassDef):
            made = _Class(module, node)
            module.classes[node.name] = made
            body += [*node.decorator_list, *node.bases]
            for part in node.body:
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    # A property and its setter share a name.
                    unit = made.methods.setdefault(part.name, _Unit(module, f"{node.name}.{part.name}", [], made))
                    unit.nodes.append(part)
                else:
                    body.append(part)
        else:
            body.append(node)
    module.body = _Unit(module, "", body)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module.imports[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            origin = f"{package}.{node.module}" if node.level else str(node.module)
            for alias in node.names:
                module.imports[alias.asname or alias.name] = f"{origin}.{alias.name}"
    return module


def _nodes(unit: _Unit) -> Iterator[ast.AST]:
    """Walk a unit's code without its annotations, which run nothing."""
    waiting = list(unit.nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "type_params"):
                continue
            waiting += [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, ast.AST)]


def _annotated(unit: _Unit) -> dict[str, str]:
    """Give the classes of a unit's names, as far as annotations and constructors say."""
    types: dict[str, str] = {}
    for node in (part for whole in unit.nodes for part in ast.walk(whole)):
        if isinstance(node, ast.arg) and node.annotation is not None:
            types[node.arg] = _class_of(node.annotation)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            types[node.target.id] = _class_of(node.annotation)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    types[target.id] = ast.unparse(node.value.func)
    return types


def _attribute_types(owner: _Class) -> dict[str, str]:
    """Give the classes of ``self``'s attributes, as far as ``__init__`` and the class's body say."""
    types = {
        part.target.id: _class_of(part.annotation)
        for part in owner.node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    for unit in owner.methods.values():
        local = _annotated(unit)
        for node in (part for whole in unit.nodes for part in ast.walk(whole)):
            if isinstance(node, ast.AnnAssign) and _is_own_attribute(node.target):
                types[node.target.attr] = _class_of(node.annotation)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if _is_own_attribute(target):
                        value = node.value
                        if isinstance(value, ast.Name) and value.id in local:
                            types.setdefault(target.attr, local[value.id])
                        elif isinstance(value, ast.Call):
                            types.setdefault(target.attr, ast.unparse(value.func))
    return types


def _kind(receiver: ast.expr, types: Mapping[str, str], unit: _Unit) -> str | None:
    """Give the name of what a receiver is an instance of, or itself, as far as its unit says."""
    if isinstance(receiver, ast.Name):
        return types.get(receiver.id, receiver.id)
    if isinstance(receiver, ast.Call):
        return ast.unparse(receiver.func)
    if _is_own_attribute(receiver) and unit.owner is not None:
        assert isinstance(receiver, ast.Attribute)
        return _attribute_types(unit.owner).get(receiver.attr)
    return None


def _shape(call: ast.Call) -> _Shape:
    return _Shape(
        sum(not isinstance(argument, ast.Starred) for argument in call.args),
        frozenset(keyword.arg for keyword in call.keywords if keyword.arg is not None),
        any(isinstance(argument, ast.Starred) for argument in call.args)
        or any(keyword.arg is None for keyword in call.keywords),
    )


def _takes(method: _Unit, shape: _Shape | None) -> bool:
    """Tell whether a call of such a shape can be of a method; None is a mention without a call."""
    if shape is None or shape.open_ended:
        return True
    return any(_accepts(node, shape) for node in method.nodes)


def _accepts(node: ast.AST, shape: _Shape) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return True
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    if decorators & {"property", "cached_property"}:
        return True
    arguments = node.args
    places = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if "staticmethod" not in decorators:
        places = places[1:]
    required = places[: len(places) - len(arguments.defaults)] if len(arguments.defaults) < len(places) else []
    named = {argument.arg for argument in arguments.kwonlyargs}
    needed = {
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    }
    return (
        (arguments.vararg is not None or shape.positional <= len(places))
        and (arguments.kwarg is not None or shape.keywords <= named | set(places))
        and needed <= shape.keywords
        and set(required[shape.positional :]) <= shape.keywords
    )


def _fields(owner: _Class) -> set[str]:
    return {
        part.target.id
        for part in owner.node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }


def _class_of(annotation: ast.expr) -> str:
    text = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
    return str(text).removesuffix(" | None").partition("[")[0].strip("'\"")


def _is_own_attribute(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _is_abstract(owner: _Class) -> bool:
    return any(ast.unparse(base).partition("[")[0] in ("Protocol", "ABC") for base in owner.node.bases)


# Calls of AWS


def _read_calls(units: list[_Unit], root: Path) -> Calls:
    services = _services(units, root)
    operations: dict[str, list[tuple[str, str]]] = {}
    for service in services:
        for operation in _model(service).operation_names:
            operations.setdefault(xform_name(operation), []).append((service, operation))
    named = _libraries(units)
    rights: dict[str, set[str]] = {}
    for unit in units:
        for node in _nodes(unit):
            for right in _rights(node, unit, operations, services, named):
                where = f"{unit.module.path.relative_to(root)}:{node.lineno}"  # type: ignore[attr-defined]
                rights.setdefault(right, set()).add(where)
    return Calls({right: frozenset(places) for right, places in sorted(rights.items())}, frozenset(services))


def _rights(
    node: ast.AST,
    unit: _Unit,
    operations: Mapping[str, list[tuple[str, str]]],
    services: set[str],
    libraries: set[str],
) -> Iterator[str]:
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        # A call by name: ``getattr(client, "get_item")``, ``get_paginator("query")``, a wrapper of ours.
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            for service, operation in operations.get(first.value, ()):
                yield from _rights_of(service, operation)
        for service, operation in operations.get(name, ()):
            if not node.args and _fits(node.keywords, service, operation):
                yield from _rights_of(service, operation)
        for service in services:
            yield from CLIENT_METHODS.get((service, name), ())
    if isinstance(node, ast.Attribute):
        for library in libraries:
            if _imports_from(unit.module, library.partition(".")[0]):
                yield from LIBRARIES.get((library, node.attr), ())


def _fits(keywords: list[ast.keyword], service: str, operation: str) -> bool:
    shape = _model(service).operation_model(operation).input_shape
    members, required = (set(), set()) if shape is None else (set(shape.members), set(shape.required_members))
    named = {keyword.arg for keyword in keywords if keyword.arg is not None}
    complete = required <= named or any(keyword.arg is None for keyword in keywords)
    return named <= members and complete


def _rights_of(service: str, operation: str) -> frozenset[str]:
    model = _model(service)
    prefix = model.signing_name
    return OPERATIONS.get((service, operation), frozenset({f"{PREFIXES.get(prefix, prefix)}:{operation}"}))


def _services(units: list[_Unit], root: Path) -> set[str]:
    """Give the services of which clients are made, also by functions of ours that make the client named to them."""
    makers = set(_MAKERS)
    services: set[str] = set()
    size = -1
    while size < len(makers):
        size = len(makers)
        for unit in units:
            for node in _nodes(unit):
                if not isinstance(node, ast.Call) or not node.args or _called(node) not in makers:
                    continue
                service = node.args[0]
                if isinstance(service, ast.Constant):
                    if service.value in _session().get_available_services():
                        services.add(service.value)
                elif isinstance(service, ast.Name) and service.id in _parameters(unit):
                    makers.add(unit.name.rpartition(".")[2])
                elif _called(node) != "resource":
                    raise ReadsNothing(
                        f"{unit.module.path.relative_to(root)}:{node.lineno} makes a client of a service that only a"
                        " run can tell; write the service's name, or take it as a parameter of the function"
                    )
    return services


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _parameters(unit: _Unit) -> set[str]:
    return {node.arg for whole in unit.nodes for node in ast.walk(whole) if isinstance(node, ast.arg)}


def _libraries(units: list[_Unit]) -> set[str]:
    """Give those of the documented libraries' names that code which is reached imports."""
    modules = {id(unit.module): unit.module for unit in units}.values()
    imported = {path for module in modules for path in module.imports.values()}
    return {library for library, _ in LIBRARIES if library in imported}


def _imports_from(module: _Module, package: str) -> bool:
    return any(path.partition(".")[0] == package for path in module.imports.values())


@cache
def _session() -> Any:
    return botocore.session.get_session()


@cache
def _model(service: str) -> Any:
    return _session().get_service_model(service)
