"""Writes docs/reliability.md from what the fault tests measured: one JSON object a line.

    TICKWIRE_RELIABILITY=measured.jsonl python -m pytest tests/e2e/test_faults.py
    python -m benchmarks.reliability measured.jsonl --outage outage.json > docs/reliability.md

``make reliability`` does all of it.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

_HEAD = Path(__file__).with_name("reliability_head.md")


def table(outcomes: Iterable[dict[str, Any]]) -> list[str]:
    """Give a Markdown table, a row a scenario."""
    lines = [
        "| fault | gaps | ids live | from history | absent | quarantined | noticed | filled | well again |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for outcome in outcomes:
        ids = outcome["ids"]
        counts = [outcome["gaps"], ids["live"], ids["history"], ids["absent"], ids["quarantined"]]
        lines.append(
            f"| {outcome['name']} | "
            + " | ".join(f"{count:,}" if count else "–" for count in counts)
            + f" | {_times(outcome['noticed'])} | {_times(outcome['filled'])} | {outcome['settled']:.1f} |"
        )
    return lines


def page(outcomes: Sequence[dict[str, Any]], outage: dict[str, Any] | None) -> str:
    """Give the whole page."""
    pairs = [o for o in outcomes if " + " in o["name"]]
    kills = [o for o in outcomes if o["name"].endswith(" killed")]
    single = [o for o in outcomes if o not in pairs and o not in kills]
    parts = [_HEAD.read_text(), "## Each fault\n", *table(single), "\n## With a process killed\n", *table(kills)]
    if pairs:
        parts += ["\n## Pairs of faults\n", *table(pairs)]
    if outage is not None:
        parts += ["\n## A long outage of one venue\n", _outage(outage)]
    parts.append("\nThe kinds of faults and their fields: `local/exchange/faults/order.py`.")
    return "\n".join(parts) + "\n"


def _times(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.1f} / {max(seconds):.1f}" if seconds else "–"


def _outage(figures: dict[str, Any]) -> str:
    phases = {phase["name"]: phase for phase in figures["phases"]}
    limit = "the documented limit is 6,000 weight a minute, which at 25 a request is 240"
    lines = [
        (
            f"Binance's stream was cut for {phases['outage']['seconds']:,.0f} s while its market traded on:"
            f" {figures['missed_trades']:,} trades missed. By its looks at the newest trades the backfiller saw that"
            " they were missing, and fetched them while the stream was still down; all were there"
            f" {figures['seconds_to_fill']:,.0f} s after it was back. It asked {figures['requests_a_minute']:,} times a"
            f" minute ({limit}; replies that told to slow down: {figures['rate_limit_replies']})."
        ),
        "",
        "| phase | seconds | live bars, socket to screen, p50 | p99 |",
        "|---|---:|---:|---:|",
    ]
    for phase in figures["phases"]:
        latency = [f"{value:,.0f} ms" if value is not None else "–" for value in phase["latency_ms"].values()]
        lines.append(f"| {phase['name']} | {phase['seconds']:,.0f} | {latency[0]} | {latency[1]} |")
    trades = figures["trades"]
    lines += [
        "",
        (
            "After it, when nothing is filled any more, the latency is that of filling: a local run slows down with its"
            " length, whether or not it fills (docs/limits.md)."
        ),
        "",
        (
            f"In the end: {trades['made']:,} trades of the exchange, {trades['stored']:,} stored, {trades['missing']}"
            f" missing, {trades['stored_twice']} stored twice, {trades['unaccounted']} unaccounted."
        ),
    ]
    return "\n".join(lines)


def main() -> int:
    """Print the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("measured", type=Path, help="what the tests wrote")
    parser.add_argument("--outage", type=Path, help="what benchmarks.outage wrote")
    options = parser.parse_args()
    outcomes = [json.loads(line) for line in options.measured.read_text().splitlines() if line]
    outage = json.loads(options.outage.read_text()) if options.outage is not None else None
    print(page(outcomes, outage), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
