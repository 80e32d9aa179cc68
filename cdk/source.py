"""What of the project goes into a function's zip or an image, staged so that nothing else can.

A staged copy rather than a list of exclusions: the hash of an asset then depends on these files
alone, never on a cache, a virtual environment or a half-written file beside them.
"""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

_SHIPPED_SUFFIXES = {".py", ".sql", ".json", ".lua", ".typed"}


def shipped_files(package: Path) -> Iterator[Path]:
    """Give the files of a package that run, sorted, so that every machine agrees on the order."""
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix in _SHIPPED_SUFFIXES and "__pycache__" not in path.parts:
            yield path


def stage_source(target: Path, *, packages: tuple[str, ...], files: tuple[str, ...] = ()) -> Path:
    """Copy packages and single files of the project into ``target`` and give it back.

    ``packages`` are folders and ``files`` single files, both by their path inside the project.

    Raises
    ------
    FileNotFoundError
        If one of ``files`` does not exist.
    """
    for package in packages:
        for path in shipped_files(PROJECT / package):
            destination = target / path.relative_to(PROJECT)
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, destination)
    for name in files:
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, destination)
    return target


def scratch_folder() -> Path:
    """Make a temporary folder for staged source; it goes when the process ends.

    Not before: the CDK copies it into the assembly while the stacks are built, and whoever builds
    them decides when that is over.
    """
    folder = Path(tempfile.mkdtemp(prefix="tickwire-source-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
