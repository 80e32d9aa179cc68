"""The ``tickwire`` command. A subcommand's module is loaded only when it is called."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from tickwire import __version__
from tickwire.errors import TickwireError

COMMANDS = {
    "run": "run the whole platform on this machine",
    "normalize": "turn recorded exchange frames into exact trades in Parquet",
    "bars": "compute bars (OHLC, volume, VWAP) from trades",
    "query": "run SQL over the lake",
    "audit": "prove that every trade is stored, or name what is not",
    "listen": "print what happens in the market, as clients are told it",
    "train": "train a model on candles, and say what it is worth",
    "evaluate": "judge models on candles that they have not seen",
    "backtest": "say what a stored model's trades earned on later candles",
    "cat": "show what a stream record holds",
    "dead-letters": "list, show and redrive what could not go on",
    "model": "what model is served and why; train, roll out, take back",
}
"""Name and help line of each; ``tickwire/cli/<name>.py``, with _ for -, has ``add_parser`` and ``main``."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_EPILOG = """\
`tickwire COMMAND --help` tells more about each, with examples.

exit codes: 0 done, 1 the command failed, 2 it was called wrongly
TICKWIRE_DEBUG=1 shows where in the code an error came from.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code; ``argv`` is ``sys.argv[1:]`` unless given."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    try:
        module = import_module(f"tickwire.cli.{name.replace('-', '_')}") if name in COMMANDS else None
    except ImportError as error:
        return _fail(name, error, f"cannot be loaded: {error}")
    parser = _parser()
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command, summary in COMMANDS.items():
        if module is not None and command == name:
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(command, help=summary, add_help=False)
    args = parser.parse_args(arguments)
    if module is None:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    try:
        code: int = module.main(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has gone; Python must not try to flush to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt as error:
        return _fail(name, error, "interrupted", EXIT_INTERRUPTED)
    except TickwireError as error:
        return _fail(name, error, str(error))
    except OSError as error:
        path = f"{error.filename}: " if error.filename is not None else ""
        return _fail(name, error, f"{path}{error.strerror or error}")
    except Exception as error:
        return _fail(name, error, f"{type(error).__name__}: {error}; a fault of Tickwire's own: please report it")
    return code


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        # argparse forgets that subcommands stand two columns further in, and wraps the longest.
        self._action_max_length += 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tickwire",
        description="Real-time crypto market data, with a proof that nothing was lost.",
        epilog=_EPILOG,
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tickwire {__version__}")
    return parser


def _fail(name: str | None, error: BaseException, message: str, code: int = EXIT_FAILED) -> int:
    if os.environ.get("TICKWIRE_DEBUG") == "1":
        raise error
    print(f"tickwire {name}: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
