"""What was measured, and the machine: ``benchmarks/results/latest.json`` holds the last official run."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LATEST = Path(__file__).with_name("results") / "latest.json"
PLOT = Path(__file__).parents[1] / "docs" / "images" / "performance.svg"
_PACKAGES = ("numpy", "numba", "llvmlite", "picows", "uvloop", "pcodec", "msgspec", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One case's figures: medians of its passes, of all its processes together.

    Attributes
    ----------
    rows : of one pass and process; ``cpu_seconds`` and ``wall_seconds`` are those of one pass
    rows_per_cpu_second : of one process, so what one core does where nothing else runs on it
    rows_per_second : by the wall, of all processes together
    peak_mib : the most memory of one process, the interpreter, libraries and the benchmark's data included
    facts : ``bytes_a_trade``, ``bytes_a_frame``; ``call_us_p50`` and ``call_us_p99`` of small batches, by the wall
    """

    name: str
    by: str
    data: str
    batch: int
    symbols: int
    processes: int
    rows: int
    cpu_seconds: float
    wall_seconds: float
    rows_per_cpu_second: float
    rows_per_second: float
    peak_mib: float
    passes: int
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """A run of the benchmarks. ``skipped`` says of a case why it has no result."""

    machine: dict[str, Any]
    results: list[Result]
    skipped: dict[str, str] = field(default_factory=dict)
    platform: dict[str, Any] | None = None

    def write(self, path: Path) -> None:
        """Save as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {"machine": self.machine, "results": [_rounded(asdict(one)) for one in self.results]}
        path.write_text(json.dumps({**whole, "skipped": self.skipped, "platform": self.platform}, indent=1) + "\n")

    def find(self, name: str, **wanted: Any) -> list[Result]:
        """Give the results of a name whose other fields are as wanted."""
        return [
            one
            for one in self.results
            if one.name == name and all(getattr(one, key) == value for key, value in wanted.items())
        ]


def read(path: Path = LATEST) -> Report:
    """Read what :meth:`Report.write` saved."""
    whole = json.loads(path.read_text())
    results = [Result(**one) for one in whole["results"]]
    return Report(whole["machine"], results, whole.get("skipped", {}), whole.get("platform"))


def machine() -> dict[str, Any]:
    """Say what the figures were measured on, and when."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _rounded(value: Any) -> Any:
    """Keep five digits, so that the file shows no accuracy that there is not."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return {key: _rounded(one) for key, one in value.items()} if isinstance(value, dict) else value


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
