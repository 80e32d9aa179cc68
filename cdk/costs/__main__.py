"""What a stage costs a month, line by line.

python -m cdk.costs --stage prod --trades-per-second 1000
python -m cdk.costs --markdown      the tables of docs/cost.md anew
python -m cdk.costs --count         count what is in the templates anew (synthesises them)
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from cdk.costs import prices
from cdk.costs.flow import flow_of
from cdk.costs.inventory import Inventory, count, read, write
from cdk.costs.items import Item, items
from cdk.costs.load import usual_load
from cdk.costs.page import PAGE, written
from cdk.settings import settings_of

_STAGES = ("dev", "prod")


def main() -> int:
    """Print a bill, or write the page or the inventory."""
    options = _options()
    if options.count:
        write({stage: _counted(stage) for stage in _STAGES})
    elif options.markdown:
        PAGE.write_text(written(PAGE.read_text()))
    else:
        _print_bill(options)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cdk.costs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=_STAGES, default="dev")
    parser.add_argument("--trades-per-second", type=int, metavar="N", default=100, help="over all symbols (100)")
    parser.add_argument("--symbols", type=int, metavar="N", help="(venue, symbol) pairs; else as the page has them")
    parser.add_argument("--clients", type=int, metavar="N", help="connected all the time; else as the page has them")
    parser.add_argument("--json", action="store_true", help="the lines as JSON")
    parser.add_argument("--markdown", action="store_true", help="write the tables of docs/cost.md anew")
    parser.add_argument("--count", action="store_true", help="count what is in the templates anew")
    return parser.parse_args()


def _print_bill(options: argparse.Namespace) -> None:
    load = usual_load(options.stage, options.trades_per_second, symbols=options.symbols, clients=options.clients)
    flow = flow_of(settings_of(options.stage), load)
    lines = items(flow, read(options.stage))
    if options.json:
        print(json.dumps([asdict(line) for line in lines], indent=1))
        return
    settings = flow.settings
    print(
        f"{options.stage}: {load.trades:,} trades/s of {load.symbols:,} symbols, {load.clients:,} clients;"
        f" {settings.partitions} partitions, {settings.stream.shards or 'on-demand'} shards a stream"
    )
    for line in lines:
        print(_text(line))
    total = sum(line.usd for line in lines)
    print(f"{'all':66} {total:14,.2f}")
    print(f"US dollars a month, list prices of {prices.REGION} as of {prices.AS_OF}, not fetched: docs/cost.md")


def _text(line: Item) -> str:
    return f"{line.service:14} {line.what:32} {line.quantity:18,.0f} {line.usd:14,.2f}  {line.unit}"


def _counted(stage: str) -> Inventory:
    # Half a minute, which no other use of this module needs.
    from cdk.app_factory import build_app

    with tempfile.TemporaryDirectory() as folder:
        build_app(stage, context={"aws:cdk:bundling-stacks": []}, outdir=folder, rules=False).synth()
        return count(json.loads(path.read_text()) for path in sorted(Path(folder).rglob("*.template.json")))


if __name__ == "__main__":
    sys.exit(main())
