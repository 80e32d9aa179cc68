"""An audit's report as people read it."""

from tickwire.audit.report import AuditFinding, AuditReport, SymbolFigures, percent
from tickwire.cli.output import printable

_FINDINGS = 20
"""Findings shown of each kind; ``--json`` gives all."""
_RANGES = 5


def report_lines(report: AuditReport) -> list[str]:
    """Give the report's lines: a symbol each, then the findings, then the verdict."""
    lines = _table([_cells(figures) for figures in report.symbols])
    shown: dict[str, int] = {}
    if report.findings:
        lines.append("")
    for found in report.findings:
        shown[found.kind] = shown.get(found.kind, 0) + 1
        if shown[found.kind] <= _FINDINGS:
            lines.append(_finding(found))
    lines += [
        f"  … and {count - _FINDINGS:,} more of {kind.replace('_', ' ')}: --json gives all"
        for kind, count in shown.items()
        if count > _FINDINGS
    ]
    lines.append("")
    if report.repair is not None:
        repair = report.repair
        lines.append(
            f"repair: {repair.reopened:,} ids reopened, {repair.sent:,} trades sent,"
            f" {repair.stored:,} of them in the ledger after {repair.seconds:.1f} s"
        )
    lines.append(
        "compared with: " + ", ".join(f"{name.replace('_', ' ')} {how}" for name, how in report.checks.items())
    )
    lines.append(_verdict(report))
    return [printable(line) for line in lines]


def ranges_text(found: AuditFinding) -> str:
    """Name a finding's ids: ``4,010–4,014, 4,020 and 3 more ranges``."""
    parts = [f"{first:,}" if first == last else f"{first:,}–{last:,}" for first, last in found.ranges[:_RANGES]]
    more = len(found.ranges) - _RANGES
    return ", ".join(parts) + (f" and {more:,} more ranges" if more > 0 else "")


def _cells(figures: SymbolFigures) -> list[str]:
    accounted = figures.ids - figures.missing
    if figures.stored is not None:
        accounted -= figures.accepted - figures.stored
    return [
        f"{figures.venue}:{figures.symbol}",
        f"ids {figures.first_id:,}–{figures.last_id:,}" if figures.ids else "no ids",
        f"stored {figures.stored:,}" if figures.stored is not None else f"accepted {figures.accepted:,}",
        f"quarantined {figures.quarantined:,}",
        f"absent {figures.absent:,}",
        f"missing {figures.missing:,}",
        percent(accounted, figures.ids),
    ]


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _finding(found: AuditFinding) -> str:
    mark = "✗" if found.problem else "·"
    what = found.kind.replace("_", " ")
    ids = f" {ranges_text(found)} ({found.ids:,} id{'s' if found.ids != 1 else ''})" if found.ranges else ""
    detail = f"; {found.detail}" if found.detail else ""
    return f"{mark} {found.venue}:{found.symbol}: {what}{ids}: {found.cause}{detail}"


def _verdict(report: AuditReport) -> str:
    if not report.symbols:
        return "nothing to audit: the ledger knows no such symbol"
    ids = sum(figures.ids for figures in report.symbols)
    if report.complete:
        return f"complete: each of {ids:,} ids is stored, quarantined with a reason, or confirmed absent"
    problems = sum(found.problem for found in report.findings)
    return f"not complete: {problems:,} problem{'s' if problems != 1 else ''} in {ids:,} ids"
