"""Compiles hot loops with numba, once, ahead of time, for a processor that is named.

A loop over columns is a :func:`kernel`: its types are stated, it is compiled when its module is imported,
and its machine code is kept on disk. Kernels stand in modules named ``*_kernel.py``, which are imported
where they are used, as numba itself takes half a second to import. ``python -m tickwire.warm`` makes them
all, so that no first batch waits for a compiler.

Numba's own cache will not do. It looks for a folder that it can write to, and finds none in a container
whose disk is read-only; it compiles for the machine that it runs on, whereas an image is built on one
machine and runs on another; and it does not notice that a function or a constant changed that the kernel
uses. So this module says where machine code lies, which processor it is for, and by what it is known.
"""

import os
import platform
import types
from collections.abc import Callable, Iterator
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, ParamSpec, TypeVar, cast

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba.core import caching, config
from numba.extending import intrinsic, is_jitted

CACHE_VARIABLE = "TICKWIRE_KERNELS"
"""The folder of the machine code; by default that of the package, else that of the user."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _baseline() -> tuple[str, str] | None:
    """Give LLVM's name of the processor to compile for, and features beyond it; None for the host's own.

    Graviton 2, 3 and 4 all run code for Neoverse N1, and so do Lambda and Fargate on ARM; x86-64-v3 (2013 on) is
    what every x86 instance that AWS offers today has.
    """
    machine = platform.machine().lower()
    if platform.system() == "Linux" and machine in ("aarch64", "arm64"):
        return "neoverse-n1", ""
    if machine in ("x86_64", "amd64"):
        host = llvm.get_host_cpu_features()
        if all(host.get(name) for name in ("avx2", "bmi", "bmi2", "fma", "lzcnt", "movbe", "f16c")):
            return "x86-64-v3", ""
    return None


if config.CPU_NAME is None and (_named := _baseline()) is not None:
    config.CPU_NAME, config.CPU_FEATURES = _named


def cache_folder() -> Path:
    """Give the folder that machine code is read from and written to.

    ``TICKWIRE_KERNELS`` where that is set; the package's own ``__kernels__`` where an image was built
    with it; else the user's cache, which copies of the same source share.
    """
    if CACHE_VARIABLE in os.environ:
        return Path(os.environ[CACHE_VARIABLE])
    packaged = Path(__file__).parent / "__kernels__"
    if packaged.is_dir():
        return packaged
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no error without a home
    return Path(home) / "tickwire" / "kernels"


def kernel(signature: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Compile a function of exactly these types, or take its machine code from the cache.

    ``signature`` is numba's, as ``"int64(int64[::1], uint8[::1])"``. A call with other types, such as an
    array that is not contiguous or not writable, raises TypeError: it never compiles anew.
    The GIL is not held while the kernel runs. Division by zero gives inf or nan for floats, and 0 for integers.
    """

    def compile_it(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        dispatcher: Any = numba.njit(nogil=True, error_model="numpy")(function)
        dispatcher._cache = _KernelCache(function)
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        return cast("Callable[Parameters, Result]", dispatcher)

    return compile_it


def step(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a function that kernels may call; it becomes part of each of them."""
    return cast("Callable[Parameters, Result]", numba.njit(nogil=True, error_model="numpy")(function))


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def borrowed(typing_context: Any, array: Any) -> Any:
    """Give the same array without its count of references.

    Its owner outlives the kernel's call. Where arrays are passed on within a loop, counting by atomic operations takes
    longer than what is done with them.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.return_type)(context, builder, arguments[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        view.parent = ir.Constant(view.parent.type, None)
        return view._getvalue()

    return array(array), generate


class _Locator(caching._CacheLocator):  # type: ignore[misc]  # numba's insides have no types
    """Says where a kernel's machine code lies, without asking whether that place can be written to."""

    def __init__(self, function: Any) -> None:
        self._py_file = function.__code__.co_filename
        self._fingerprint = fingerprint(function)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "_Locator":
        return cls(py_func)

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def ensure_cache_path(self) -> None:
        cache_folder().mkdir(parents=True, exist_ok=True)

    def get_source_stamp(self) -> str:
        return self._fingerprint

    def get_disambiguator(self) -> str:
        # In the file's name: copies of Tickwire that differ do not overwrite each other's kernels.
        return self._fingerprint[:16]


class _KernelCacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes: ClassVar[list[Any]] = [_Locator]


class _KernelCache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except OSError:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:
            # A read-only or full disk: the kernel is compiled, and the next process compiles it again.
            return


def fingerprint(function: Any) -> str:
    """Give a hash of all that a kernel's machine code comes from.

    That is its bytecode and constants, the global constants that it names, and the same of every
    function that it calls.
    """
    digest = sha256()
    for part in _parts(function, set()):
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(function: Any, seen: set[int]) -> Iterator[bytes | str]:
    if id(function) in seen:
        return
    seen.add(id(function))
    yield function.__name__
    for code in _codes(function.__code__):
        yield code.co_code
        yield repr([const for const in code.co_consts if not isinstance(const, types.CodeType)])
        yield repr((code.co_names, code.co_varnames, code.co_freevars))
        for name in code.co_names:
            if name in function.__globals__:
                yield from _value(name, function.__globals__[name], seen)
    for cell in function.__closure__ or ():
        yield from _value("", cell.cell_contents, seen)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _codes(const)


def _value(name: str, value: Any, seen: set[int]) -> Iterator[bytes | str]:
    yield name
    if is_jitted(value):
        yield from _parts(value.py_func, seen)
    elif callable(getattr(value, "_defn", None)):  # numba's intrinsics
        yield from _parts(value._defn, seen)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}"
        yield value.tobytes()
    elif isinstance(value, type) and issubclass(value, Enum):
        yield repr([(one.name, one.value) for one in value])
    elif isinstance(value, (int, float, str, bytes, tuple, np.generic)):
        yield repr(value)
