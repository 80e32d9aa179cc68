"""``python -m tickwire.warm``: compile every kernel, so that no first batch waits for a compiler.

Run when Tickwire is set up, and when an image is built. The machine code lies where
:func:`tickwire.compiled.cache_folder` says; what lies there already is only looked at.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module
from multiprocessing import get_context
from pkgutil import walk_packages

import tickwire

_KERNELS = "_kernel"
_FEED = "feed "


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tickwire.warm", description="Compile every kernel ahead of time.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but failures")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    tasks = kernel_modules() + layouts()
    failures = 0
    with ProcessPoolExecutor(max(1, options.jobs), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(warm, task): task for task in tasks}
        for number, done in enumerate(as_completed(waiting), 1):
            error = done.exception()
            if error is not None:
                failures += 1
                print(f"{waiting[done]}: {type(error).__name__}: {error}", file=sys.stderr)
            elif not options.quiet:
                print(f"{number}/{len(tasks)} {waiting[done]}: {done.result():.1f} s", flush=True)
    if not options.quiet:
        from tickwire.compiled import cache_folder

        print(f"{len(tasks) - failures} kernels' modules ready in {time.monotonic() - began:.1f} s in {cache_folder()}")
    return 1 if failures else 0


def kernel_modules() -> list[str]:
    """Give the names of the modules whose import compiles their kernels."""
    return sorted(
        module.name
        for module in walk_packages(tickwire.__path__, f"{tickwire.__name__}.")
        if module.name.endswith(_KERNELS)
    )


def layouts() -> list[str]:
    """Give the feeds whose layouts a kernel is made of, each as ``feed NAME``."""
    from tickwire.venues.registry import FEEDS, new_feed

    return [f"{_FEED}{name}" for name in FEEDS if new_feed(name).layouts]


def warm(task: str) -> float:
    """Compile what one of :func:`kernel_modules` or :func:`layouts` names; give the seconds that it took."""
    began = time.monotonic()
    if task.startswith(_FEED):
        from tickwire.venues.layout_source import compiled_layout

        compiled_layout(task.removeprefix(_FEED))
    else:
        import_module(task)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
