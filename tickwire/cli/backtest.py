"""``tickwire backtest``: the trades of a stored model on candles that came after its training."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickwire.cli.evaluate import add_candles, costs_of
from tickwire.cli.output import CommandError, print_json, replacing

if TYPE_CHECKING:
    from tickwire.model.backtest import Backtest

_DESCRIPTION = """\
Trades candles by a stored model's predictions, with the rule that makes the live trading signals: a
position for the next 15 minutes only where the expected move is larger than a round trip's costs.
Only what came after the model's training is traded, with the 97 bars that rows could share and a day
between. Beside it: going with the more probable side of every bar, and buying and holding.
"""

_EXAMPLES = """\
examples:
  tickwire backtest --candles BTCUSDT_15m.parquet --model models/lstm
  tickwire backtest --candles BTCUSDT_15m.parquet --model models/lstm --costs-bps 2 --plot equity.svg
  tickwire backtest --candles BTCUSDT-1m-2026-11.csv --model models/lstm --json > trades.json

exit codes: 0 done, 1 candles or a model that cannot be used, 2 wrong usage
"""

_SHOWN = 10


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "backtest",
        help="say what a stored model's trades earned on later candles",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_candles(parser)
    parser.add_argument("--model", required=True, type=Path, metavar="DIR", help="of `tickwire train`")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="draw the capital against buying and holding")
    parser.add_argument("--json", action="store_true", help="print all trades and days as JSON")


def main(args: argparse.Namespace) -> int:
    """Trade, and print what came of it."""
    from tickwire.model.backtest import backtest
    from tickwire.model.candles import read_candles
    from tickwire.model.out_of_sample import after_training
    from tickwire.model.rows import labelled_rows
    from tickwire.model.stored import StoredModel

    if args.plot is not None and args.plot.suffix != ".svg":
        raise CommandError(f"--plot {args.plot} does not end with .svg")
    costs, model = costs_of(args), StoredModel.load(args.model)
    bars = read_candles(args.candles, symbol=args.symbol)
    known = labelled_rows(bars)
    trained = model.description.trained
    rows = known.take(after_training(known, trained))
    print(f"{len(rows):,} rows after {model.trained_until}, where the model's training ends", file=sys.stderr)
    named = (model.description.name, model.description.version, trained.last if trained is not None else 0)
    report, tracks = backtest(rows, model.predict(rows), bars=bars, costs=costs, named=named)
    if args.plot is not None:
        from tickwire.model.plots import equity_plot

        name = f"trading signals, {1e4 * costs.side:g} bps a side"
        with replacing(args.plot, *args.candles) as file:
            file.write(equity_plot({name: tracks.signals, "bought and held": tracks.hold}))
    if args.json:
        print_json(report)
    else:
        print(_text(report))
    return 0


def _text(report: "Backtest") -> str:
    from tickwire.model.report import economics_table, moment, table

    head = (
        f"{report.model} {report.version} on {', '.join(report.instruments)}, bars from {moment(report.first)} to"
        f" {moment(report.last)}, after {1e4 * report.fee:.1f} bps of fees and {1e4 * report.slippage:.1f} bps of"
        f" slippage a side. Sharpe ratios are of the daily returns of {report.hold.days} days times √365; bounds are of"
        " 95 %, from resampled days."
    )
    strategies = {"trading signals": report.signals, "every bar": report.always, "buy and hold": report.hold}
    parts = [head, economics_table(strategies)]
    if not report.trades:
        parts.append("No trade: no prediction's expected move was larger than a round trip's costs.")
        return "\n\n".join(parts)
    shown = report.trades[-_SHOWN:]
    header = ["instrument", "side", "entered", "left", "entry", "exit", "gross, bps", "net, bps"]
    rows = [
        [
            trade.instrument,
            "long" if trade.direction > 0 else "short",
            moment(trade.entered),
            moment(trade.left),
            f"{trade.entry:,.8g}",
            f"{trade.exit:,.8g}",
            f"{1e4 * trade.gross:.1f}",
            f"{1e4 * trade.net:.1f}",
        ]
        for trade in shown
    ]
    won = sum(trade.net > 0 for trade in report.trades)
    of_all = f"{len(report.trades):,} trades, {won / len(report.trades):.1%} of them with a gain"
    parts += [f"{of_all}; the newest {len(shown)} (--json has all):", table(header, rows)]
    return "\n\n".join(parts)
