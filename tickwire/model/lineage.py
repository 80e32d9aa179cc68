"""What a model was made of, in digests: of the rows, and of the code that makes rows and models of them."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from tickwire.model.rows import LabelledRows

_DIGITS = 16
_SOURCES = ("features", "model")


def dataset_digest(rows: LabelledRows) -> str:
    """Give the first 16 hexadecimal digits of the SHA-256 of rows: of instruments, bars, times and labels."""
    digest = hashlib.sha256(",".join(rows.instruments).encode())
    for column in (rows.instrument, rows.start, rows.last, rows.label, rows.bars):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:_DIGITS]


@cache
def code_digest() -> str:
    """Give the same of the Python sources of ``tickwire/features`` and ``tickwire/model``, by name."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for folder in _SOURCES for path in (package / folder).rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:_DIGITS]
