"""What the subcommands share: how a command fails, prints its summary, and replaces a file."""

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from tickwire.errors import TickwireError


class CommandError(TickwireError):
    """A command cannot do what it was asked; the message is one sentence for people."""


def print_json(summary: object) -> None:
    """Print one JSON object to standard output, indented."""
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    print(text.decode())


def printable(text: str) -> str:
    """Give text from a venue with nothing in it that could steer a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def print_counts(title: str, counts: Mapping[str, int]) -> None:
    """Print ``title  name n, name n``; nothing where all are empty."""
    if counts:
        print(f"{title:<18} {', '.join(f'{printable(name)} {number:,}' for name, number in counts.items())}")


@contextmanager
def replacing(path: Path, *inputs: Path) -> Iterator[IO[bytes]]:
    """Give a file that takes the place of ``path`` at the end, or leaves it as it was on failure.

    Raises
    ------
    CommandError
        If ``path`` is a folder, lies in no folder, or is one of ``inputs``.
    """
    if path.is_dir():
        raise CommandError(f"{path} is a folder, not a file to write")
    if not path.parent.is_dir():
        raise CommandError(f"there is no folder {path.parent} to write {path.name} in")
    if path.resolve() in [source.resolve() for source in inputs]:
        raise CommandError(f"{path} would overwrite its own input")
    if path.exists() and not path.is_file():
        # A device or a pipe takes the bytes as they come.
        with path.open("wb") as file:
            yield file
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def log_lines(name: str) -> Iterator[None]:
    """Send what a logger tells to standard error meanwhile, a line each."""
    logger, handler = logging.getLogger(name), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class ProgressLine:
    """One line on a terminal's standard error, rewritten at most five times a second."""

    def __init__(self, delay_seconds: float = 1.0) -> None:
        self._next = time.monotonic() + delay_seconds
        self._shown = False
        self._active = sys.stderr.isatty()

    def update(self, text: str) -> None:
        """Show the text if it is time to; nothing happens where standard error is no terminal."""
        if self._active and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.2
            self._shown = True
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False
