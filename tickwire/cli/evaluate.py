"""``tickwire evaluate``: what models are worth on candles that they have not seen."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickwire.cli.output import CommandError, log_lines, print_json

if TYPE_CHECKING:
    from tickwire.forecast.trading_signals import Costs
    from tickwire.model.bars import BarColumns
    from tickwire.model.comparison import Comparison
    from tickwire.model.estimator import Estimator
    from tickwire.model.leak_test import Nothing
    from tickwire.model.rows import LabelledRows

_DESCRIPTION = """\
Judges models of the direction of the next 15 minutes on candles, beside the base rate and the rule
of RSI, MACD and Bollinger bands. Walk-forward: each fold learns only from what came before it, with
a purge of the 97 bars that two rows could share and an embargo of a day between. Every figure has
bounds of 95 % from resampled days. A model above 56 % accuracy is marked LEAK?: of these bars 50.5
to 53 % is honest. What following a model would have earned is told after fees and slippage.
"""

_EXAMPLES = """\
examples:
  tickwire evaluate --candles BTCUSDT_15m.parquet ETHUSDT_15m.parquet
  tickwire evaluate --candles BTCUSDT-1m-2023-04.csv --models logistic,lightgbm --folds 2 --json
  tickwire evaluate --candles BTCUSDT_15m.parquet --model models/lstm --out report
  tickwire evaluate --candles BTCUSDT_15m.parquet --leak-test --models logistic,lightgbm

exit codes: 0 done, 1 candles that cannot be judged on or a model too good to be true, 2 wrong usage
"""

_DEFAULT_MODELS = "rule,logistic,lightgbm,lstm"
_SEED = 1


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "evaluate",
        help="judge models on candles that they have not seen",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_candles(parser)
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="a stored model, judged only on what came after its training"
    )
    parser.add_argument(
        "--models",
        type=lambda text: [name.strip() for name in text.split(",")],
        metavar="NAMES",
        help=f"that are made and judged: {_DEFAULT_MODELS} (the default; without lstm where --model is given)",
    )
    parser.add_argument("--folds", type=int, default=3, metavar="N", help="of the walk-forward, 1 to 20 (default 3)")
    parser.add_argument("--epochs", type=int, metavar="N", help="at most so many times the network sees the rows")
    parser.add_argument("--stride", type=int, metavar="N", help="the network sees one row of so many in each epoch")
    parser.add_argument("--quick", action="store_true", help="one fold and a tiny network: to see that it works")
    parser.add_argument("--trials", type=int, default=0, metavar="N", help="strategies tried before, to deflate by")
    parser.add_argument("--leak-test", action="store_true", help="judge on shuffled labels and on a random walk")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write evaluation.json and evaluation.md there")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def add_candles(parser: argparse.ArgumentParser) -> None:
    """Add the options by which candles and costs are told; ``tickwire backtest`` has them too."""
    parser.add_argument(
        "--candles", required=True, nargs="+", type=Path, metavar="FILE", help="parquet, feather, csv or json"
    )
    parser.add_argument("--symbol", metavar="SYMBOL", help="BTC-USDT, where the files' names do not tell it")
    parser.add_argument(
        "--costs-bps", type=float, metavar="BPS", help="fees and slippage of one side, 1/10,000 (default 10)"
    )


def costs_of(args: argparse.Namespace) -> "Costs":
    """Give the costs that were asked for; the slippage stays at its default as long as it fits in.

    Raises
    ------
    CommandError
        If they are below 0 or above 1,000 bps.
    """
    from tickwire.forecast.trading_signals import Costs

    standard = Costs()
    if args.costs_bps is None:
        return standard
    if not 0 <= args.costs_bps <= 1_000:
        raise CommandError(f"--costs-bps {args.costs_bps:g} is not between 0 and 1000")
    side = args.costs_bps / 1e4
    slippage = min(standard.slippage, side)
    return Costs(fee=side - slippage, slippage=slippage)


def main(args: argparse.Namespace) -> int:
    """Judge, and print the report; 0 unless a model is too good to be true."""
    from tickwire.model.candles import read_candles
    from tickwire.model.report import leak_sentence, leak_test_text, text_of
    from tickwire.model.rows import labelled_rows

    if not 1 <= args.folds <= 20:
        raise CommandError(f"--folds {args.folds} is not between 1 and 20")
    if args.leak_test and args.model is not None:
        raise CommandError("--leak-test makes its models anew, so it has no use for --model")
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise CommandError(f"{args.out} is no folder")
    estimators, costs = _estimators(args), costs_of(args)
    bars = read_candles(args.candles, symbol=args.symbol)
    if args.leak_test:
        with log_lines("tickwire.model"):
            found = _leak_test(args, bars, estimators)
        _show(args, {"leak_tests": found}, leak_test_text(found))
        leaks = [one for one in found if not one.passed]
        if leaks:
            named = ", ".join(f"{one.name} on {one.test}" for one in leaks)
            print(f"tickwire evaluate: LEAK? found where there is nothing to find: {named}", file=sys.stderr)
        return 1 if leaks else 0
    with log_lines("tickwire.model"):
        report = _compare(args, bars, labelled_rows(bars), estimators, costs)
    _show(args, report, text_of(report))
    if report.leaks and args.json:
        print(f"tickwire evaluate: {leak_sentence(report)}", file=sys.stderr)
    return 1 if report.leaks else 0


def _estimators(args: argparse.Namespace) -> "list[Estimator]":
    from tickwire.model.candidates import CANDIDATES, candidates

    default = [name for name in _DEFAULT_MODELS.split(",") if name != "lstm" or args.model is None]
    names = args.models if args.models is not None else default
    unknown = sorted(set(names) - set(CANDIDATES))
    if unknown:
        raise CommandError(f"there is no model {', '.join(unknown)}; there are {', '.join(CANDIDATES)}")
    for option in ("epochs", "stride"):
        value = getattr(args, option)
        if value is not None and not 1 <= value <= 1_000:
            raise CommandError(f"--{option} {value} is not between 1 and 1000")
    return candidates(names, quick=args.quick, epochs=args.epochs, stride=args.stride)


def _compare(
    args: argparse.Namespace,
    bars: "list[BarColumns]",
    rows: "LabelledRows",
    estimators: "list[Estimator]",
    costs: "Costs",
) -> "Comparison":
    from tickwire.model.comparison import compare
    from tickwire.model.out_of_sample import beside, folds_in_figures, folds_of, out_of_sample
    from tickwire.model.stored import StoredModel

    stored = {}
    if args.model is not None:
        model = StoredModel.load(args.model)
        splits = [beside(rows, model.description.trained)]
        stored[f"{model.description.name} {model.description.version}"] = model
        _tell(f"{args.model} has learnt until {model.trained_until}: judged on what came after it")
    else:
        splits = folds_of(rows, folds=1 if args.quick else args.folds)
    judged, probabilities = out_of_sample(rows, splits, estimators, progress=_tell, stored=stored)
    _tell(f"judging {len(judged):,} rows")
    return compare(
        judged, probabilities, bars=bars, folds=folds_in_figures(rows, splits), costs=costs, trials=args.trials
    )


def _leak_test(args: argparse.Namespace, bars: "list[BarColumns]", estimators: "list[Estimator]") -> "list[Nothing]":
    from tickwire.model.leak_test import random_walks, shuffled, verdicts
    from tickwire.model.out_of_sample import folds_of, out_of_sample
    from tickwire.model.rows import labelled_rows

    tests = {
        "shuffled labels": shuffled(labelled_rows(bars), seed=_SEED),
        "random walk": labelled_rows(random_walks(bars, seed=_SEED)),
    }
    found: list[Nothing] = []
    for test, rows in tests.items():
        _tell(test)
        splits = folds_of(rows, folds=1 if args.quick else args.folds)
        judged, probabilities = out_of_sample(rows, splits, estimators, progress=_tell)
        found += verdicts(test, judged, probabilities, comparisons=len(tests) * (len(estimators) - 1))
    return found


def _show(args: argparse.Namespace, report: object, text: str) -> None:
    if args.out is not None:
        import msgspec

        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
        (args.out / "evaluation.md").write_text(text + "\n")
    if args.json:
        print_json(report)
    else:
        print(text)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
