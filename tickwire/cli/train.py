"""``tickwire train``: a model from candle files, or from the bars of a dataset."""

import argparse
import time
from pathlib import Path
from typing import Any

from tickwire.cli.output import CommandError, log_lines, print_json

_DESCRIPTION = """\
Trains a model that says with which probability the close of the next 15 minutes is above the last one,
and says what it is worth on rows that it had not seen: walk-forward with purge and embargo, and on the
newest time, which nothing is learnt or chosen from. Progress goes to standard error.

Candle files are Parquet, Feather, CSV or JSON with Binance's klines, or what common tools make of them;
candles shorter than 15 minutes are put together. A file's name tells its symbol (BTCUSDT-1m-2023-04.csv).

DIR gets model.onnx, model.json, reference.json and card.md with its plots. The network needs TensorFlow:
pip install 'tickwire[train]'
"""

_EXAMPLES = """\
examples:
  tickwire train --candles BTCUSDT-15m.parquet ETHUSDT-15m.parquet --out model
  tickwire train --candles candles/*.csv --out model --model logistic --json
  tickwire train --dataset datasets/20261127 --out model --epochs 5 --seed 7 --version trial-7

exit codes: 0 done, 1 a file that cannot be read, or too little to learn from, 2 wrong usage
"""


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on candles, and say what it is worth",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--candles", nargs="+", type=Path, metavar="FILE", help="candle files")
    source.add_argument("--dataset", type=Path, metavar="FOLDER", help="folder of Parquet files of a training dataset")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the model; made if need be")
    parser.add_argument("--symbol", metavar="BTC-USDT", help="of the candle files, where their names do not tell it")
    parser.add_argument("--model", choices=("lstm", "logistic"), default="lstm", help="what to train (lstm)")
    parser.add_argument("--version", metavar="NAME", help="names the model (the date of the last bar, as 20251231)")
    parser.add_argument("--folds", type=int, metavar="N", help="parts of the walk-forward (3)")
    parser.add_argument(
        "--untouched", type=float, metavar="SHARE", default=0.15, help="of the time, the newest, to judge on (0.15)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of all that is random (1)")
    parser.add_argument("--epochs", type=int, metavar="N", help="at most so many times through the rows (20)")
    parser.add_argument("--patience", type=int, metavar="N", help="epochs without a gain before it stops (3)")
    parser.add_argument("--batch", type=int, metavar="N", help="rows in each step of learning (256)")
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help="of Adam (0.001)")
    parser.add_argument("--stride", type=int, metavar="N", help="each epoch takes one row of so many (2)")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def main(args: argparse.Namespace) -> int:
    """Train, and write the model's folder."""
    import msgspec

    from tickwire.model.bars import read_bars
    from tickwire.model.candles import read_candles
    from tickwire.model.rows import labelled_rows
    from tickwire.model.training import Hyperparameters, train

    began = time.perf_counter()
    if args.out.exists() and not args.out.is_dir():
        raise CommandError(f"{args.out} is no folder to write a model into")
    bars = read_candles(args.candles, symbol=args.symbol) if args.candles else read_bars(args.dataset)
    rows = labelled_rows(bars)
    last = max((int(part.start[-1]) for part in bars if len(part)), default=0)
    version = args.version if args.version is not None else time.strftime("%Y%m%d", time.gmtime(last // 10**9))
    given = {name: getattr(args, name, None) for name in Hyperparameters.__struct_fields__}
    given |= {"version": version}
    try:
        set_values = {name: value for name, value in given.items() if value is not None}
        parameters = msgspec.convert(set_values, Hyperparameters)
    except msgspec.ValidationError as error:
        raise CommandError(f"{error}; `tickwire train --help` tells what each option may be") from error
    with log_lines("tickwire.model"):
        model = train(rows, parameters, bars=bars)
    model.write(args.out)
    seconds = round(time.perf_counter() - began, 1)
    described = model.description
    if args.json:
        print_json({"out": str(args.out), "description": described, "seconds": seconds})
        return 0
    metrics = described.metrics
    print(f"{described.name} {described.version} in {args.out}, {seconds} s; card.md says what it is worth")
    for title, prefix in (("walk-forward", ""), ("untouched", "untouched_")):
        if f"{prefix}rows" in metrics:
            print(
                f"{title:<14}{metrics[f'{prefix}rows']:>8,.0f} rows  log loss {metrics[f'{prefix}log_loss']:.5f}"
                f" (base rate {metrics[f'{prefix}base_rate_log_loss']:.5f})  accuracy"
                f" {metrics[f'{prefix}accuracy']:.2%} (base rate {metrics[f'{prefix}base_rate_accuracy']:.2%})"
            )
    return 0
