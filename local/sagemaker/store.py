"""What the service knows, in one file, so that a restart knows it too."""

import json
from pathlib import Path
from typing import Any

TABLES = ("models", "configurations", "endpoints", "groups", "packages", "training", "processing")

Row = dict[str, Any]


class Store:
    """Tables of rows by name; :meth:`save` replaces the file at once or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        known: dict[str, dict[str, Row]] = json.loads(path.read_text()) if path.exists() else {}
        self.tables: dict[str, dict[str, Row]] = {name: known.get(name, {}) for name in TABLES}

    def __getitem__(self, table: str) -> dict[str, Row]:
        return self.tables[table]

    def save(self) -> None:
        """Write everything down."""
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self.tables))
        partial.replace(self._path)
