"""Models as text for people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tickwire.cli.output import printable

_SHOWN = ("rows", "log_loss", "brier", "accuracy", "auc")


def print_status(status: Mapping[str, Any]) -> None:
    """Print what is served."""
    reasons = f" ({'; '.join(status['alarm_reasons'])})" if status["alarm_reasons"] else ""
    print(printable(f"{status['endpoint']}: {status['status']}, alarm {status['alarm']}{reasons}"))
    heads = ["VARIANT", "VERSION", "SHARE", "MODEL"]
    measured = any("invocations" in row for row in status["variants"])
    rows = [
        [row["variant"], _number(row["version"]), f"{row['percent']:g} %", row["model"],
         *([str(row.get("invocations", 0)), str(row.get("errors_5xx", 0)), f"{row.get('p99_ms', 0):g} ms"]
           if measured else [])]
        for row in status["variants"]
    ]  # fmt: skip
    _print_table([[*heads, *(["INVOCATIONS", "ERRORS", "P99"] if measured else [])], *rows])
    for name in status["running"]:
        print(printable(f"running: {name}"))
    for job in status["jobs"][:3]:
        print(printable(f"training job {job['name']}: {job['status']}, {job['created']}"))


def print_versions(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table, a version a line."""
    if not rows:
        print("no versions")
        return
    heads = [
        "VERSION",
        "CREATED",
        "STATUS",
        "SERVED AS",
        *(name.upper().replace("_", " ") for name in _SHOWN),
        "REASON",
    ]
    body = [
        [_number(row["version"]), row["created"], row["status"], row["variant"] or "-",
         *(_figure(row["scores"].get(name)) for name in _SHOWN), row["reason"] or row["description"] or ""]
        for row in rows
    ]  # fmt: skip
    _print_table([heads, *body])


def print_comparison(versions: Mapping[str, Mapping[str, float]], *, same: bool) -> None:
    """Print two versions' scores side by side."""
    first, second = versions.values()
    names = [name for name in first if name in second]
    heads = ["SCORE", *(f"VERSION {number}" for number in versions), "DIFFERENCE"]
    _print_table([heads, *([n, _figure(first[n]), _figure(second[n]), f"{second[n] - first[n]:+.6g}"] for n in names)])
    if not same:
        print("each was judged on the holdout of its own run, which are not the same days")


def print_decisions(rows: Sequence[Mapping[str, Any]], *, evidence: bool) -> None:
    """Print a decision a line; with ``evidence`` what it rests on below it."""
    if not rows:
        print("no decisions")
        return
    heads = ["RUN", "STEP", "VERDICT", "WHO", "REASONS"]
    body = []
    for row in rows:
        decision = row.get("decision", {})
        step = str(row["key"]).rpartition("/")[2].removesuffix(".json")
        reasons = "; ".join(decision.get("reasons", []))
        body.append([row.get("run", "?"), step, decision.get("verdict", "?"), row.get("who", "nightly run"), reasons])
    _print_table([heads, *body])
    if evidence:
        for row in rows:
            found = row.get("decision", {}).get("evidence")
            if found is not None:
                print(f"\n{row['key']}")
                print("\n".join(map(printable, json.dumps(found, indent=2).splitlines())))


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print(printable("  ".join([*cells, row[-1]]).rstrip()))


def _number(version: int | None) -> str:
    return "-" if version is None else str(version)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.5f}"
