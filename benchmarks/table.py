"""Results as text: a table for the terminal, and the tables of the page."""

from collections.abc import Iterable, Sequence

from benchmarks.results import Result


def rate(value: float) -> str:
    """Give a rate in millions a second with three digits, or in thousands where it is small."""
    if value >= 1e5:
        return f"{value / 1e6:.3g} M"
    return f"{value / 1e3:.3g} k"


def table(results: Iterable[Result]) -> list[str]:
    """Give one line a result, under a head."""
    head = ("what", "by", "batch", "symbols", "proc", "a CPU second", "a second", "bytes", "MiB", "data")
    rows = [head] + [
        (
            one.name,
            one.by,
            f"{one.batch:,}",
            f"{one.symbols:,}",
            str(one.processes),
            rate(one.rows_per_cpu_second),
            rate(one.rows_per_second),
            _bytes(one),
            f"{one.peak_mib:.0f}",
            one.data,
        )
        for one in results
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    left = {0, 1, 9}
    return [
        "  ".join(f"{cell:{'<' if k in left else '>'}{widths[k]}}" for k, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Give a Markdown table; all columns but the first are numbers."""
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def _bytes(result: Result) -> str:
    value = result.facts.get("bytes_a_trade", result.facts.get("bytes_a_frame"))
    return f"{value:.1f}" if value is not None else ""
