"""Measures how fast trades go through each stage, side by side with what others use.

    python -m benchmarks --quick            a minute or two
    python -m benchmarks                    all of it, and benchmarks/results/latest.json anew
    python -m benchmarks --only validate    the cases with this in their name

Rates are those of one thread, a CPU second: on a shared machine a second on the wall holds less of them.
Before a case is timed, its outcome is compared with what the simulated market, or the recorded frames, say.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.cases import Case, cases
from benchmarks.results import LATEST, Report, machine
from benchmarks.runner import CaseFailed, NoPeers, run_case
from benchmarks.table import table

_PASSES, _SECONDS = 7, 1.0
_QUICK_PASSES, _QUICK_SECONDS = 3, 0.3


def main() -> int:
    """Run what was asked for; 1 if a case failed."""
    options = _options()
    chosen = [case for case in cases() if _chosen(case, options)]
    if not chosen:
        print(f"no case with {options.only!r} in its name", file=sys.stderr)
        return 2
    report = Report(machine(), [])
    failed = _run(chosen, report, quick=options.quick)
    if options.platform:
        from benchmarks.platform_run import measure_platform

        print("the whole platform …", file=sys.stderr, flush=True)
        report.platform = measure_platform()
    if options.json:
        print(json.dumps([asdict(one) for one in report.results]))
    else:
        print("\n".join(table(report.results)))
    out = options.out or (None if options.quick or options.only else LATEST)
    if out is not None and not failed:
        report.write(out)
        print(f"written: {out}", file=sys.stderr)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer cases and passes; writes no file")
    parser.add_argument("--only", metavar="NAME", help="only cases with this in their name or software")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of a table")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument(
        "--platform", action="store_true", help="also run the whole platform on this machine, for its latency"
    )
    return parser.parse_args()


def _chosen(case: Case, options: argparse.Namespace) -> bool:
    if options.only is not None and options.only.lower() not in f"{case.name} {case.by}".lower():
        return False
    return case.quick or not options.quick


def _run(chosen: list[Case], report: Report, *, quick: bool) -> bool:
    """Run the cases and add their results to the report; gives whether one failed."""
    failed = False
    started = time.monotonic()
    passes, seconds = (_QUICK_PASSES, _QUICK_SECONDS) if quick else (_PASSES, _SECONDS)
    for number, case in enumerate(chosen, 1):
        place = f"[{number:3d}/{len(chosen)} {time.monotonic() - started:4.0f} s]"
        try:
            result = run_case(case, passes=passes, seconds=seconds)
        except CaseFailed as failure:
            # Without the peers the rest is still worth measuring.
            failed |= not isinstance(failure, NoPeers)
            report.skipped[str(case)] = str(failure).strip().splitlines()[-1]
            print(f"{place} {case}: {failure}", file=sys.stderr, flush=True)
            continue
        report.results.append(result)
        print(f"{place} {case}: {result.rows_per_cpu_second:,.0f} a CPU second", file=sys.stderr, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
