"""``python -m local.restore_drill``: lose and restore every store of a small platform; 0 if everything came back."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from local.emulator import REGION, Emulator
from local.restore_drill.outcome import Outcome


def main(arguments: list[str] | None = None) -> int:
    """Run the drill and print its outcomes."""
    parser = argparse.ArgumentParser(prog="python -m local.restore_drill", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tickwire-", ignore_cleanup_errors=True) as name, Emulator() as emulator:
        # The server of PostgreSQL may run as another user than this one.
        Path(name).chmod(0o755)
        os.environ.update(emulator.client_environment, AWS_REGION=REGION)
        # A function's log goes where the report goes, and that some of them stop is part of the drill.
        os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
        from local.restore_drill.drill import prepared_drill

        with prepared_drill(Path(name)) as drill:
            outcomes = drill.run((lambda _: None) if options.json else _tell)
    holds = all(outcome.holds for outcome in outcomes)
    if options.json:
        print(msgspec.json.encode({"version": 1, "holds": holds, "outcomes": outcomes}).decode())
    else:
        print("everything came back" if holds else "not everything came back")
    return 0 if holds else 1


def _tell(outcome: Outcome) -> None:
    print(f"{outcome.disaster}\n  restored {outcome.restored}, in {outcome.restore_seconds} s")
    for store, count in outcome.lacking_ids.items():
        print(f"  {store} lacks {count} acknowledged trades")
    for name, why in outcome.resumed_as_it_was.items():
        print(f"  if it just goes on: {name}: {why}")
    print(f"  replayed {outcome.replayed_records} records in {outcome.replay_seconds} s")
    if outcome.dead_letters_lost:
        print(f"  {outcome.dead_letters_lost} dead letters are lost")
    for statement, holds in outcome.proofs.items():
        print(f"  {'✓' if holds else '✗'} {statement}")


if __name__ == "__main__":
    sys.exit(main())
