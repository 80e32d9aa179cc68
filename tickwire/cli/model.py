"""``tickwire model``: what is served, which versions there are, and who decides what becomes of them."""

import argparse
import getpass
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickwire.cli.output import CommandError, ProgressLine, print_json

if TYPE_CHECKING:
    from tickwire.cli.model_platform import ModelPlatform

_DESCRIPTION = """\
Looks after the model: which version is the champion, which one is tried beside it and with how much
of the traffic, which were trained, and why each was promoted, refused or taken back.

Without more the platform that `tickwire run` has started here is asked; without one, AWS: the
endpoint that --endpoint or TICKWIRE_MODEL_ENDPOINT names, by the credentials of the environment.
Every command that changes something says what it did, and writes it down beside the decisions of
the nightly runs, with who did it and why.
"""

_EXAMPLES = """\
examples:
  tickwire model status
  tickwire model versions --json
  tickwire model compare 3 2
  tickwire model train --wait
  tickwire model train --candles BTCUSDT-15m-2025.csv --wait     on this machine: from files, not from the lake
  tickwire model approve 3 --reason "looked at its card"
  tickwire model ramp 3 10
  tickwire model rollback --reason "late answers"
  tickwire model decisions
  tickwire model decisions 20261127-023000-0a1b2c3d
  tickwire model status --endpoint tickwire-prod

exit codes: 0 done, 1 it could not be done or the run failed, 2 wrong usage
"""

_POLL_SECONDS = 2.0
_LOCAL_POLL_SECONDS = 0.2


def add_parser(subparsers: Any) -> None:
    """Add the command, what it can do, and the options."""
    parser = subparsers.add_parser(
        "model",
        help="train, compare, roll out and take back models",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--local", nargs="?", const=Path(".tickwire"), type=Path, metavar="FOLDER",
        help="the platform of `tickwire run` in FOLDER (.tickwire), and no other",
    )  # fmt: skip
    shared.add_argument("--endpoint", metavar="NAME", help="an endpoint on AWS (TICKWIRE_MODEL_ENDPOINT)")
    shared.add_argument("--json", action="store_true", help="print JSON")
    changing = argparse.ArgumentParser(add_help=False)
    changing.add_argument("--reason", metavar="WHY", default="", help="why, for who reads it later")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    actions.add_parser("status", help="champion, challenger, their shares, the alarm", parents=[shared])
    actions.add_parser("versions", help="all registered versions with their scores", parents=[shared])
    comparing = actions.add_parser("compare", help="two versions' scores side by side", parents=[shared])
    comparing.add_argument("first", type=_version, metavar="A")
    comparing.add_argument("second", type=_version, metavar="B")
    training = actions.add_parser("train", help="start a nightly run now", parents=[shared, changing])
    training.add_argument("--wait", action="store_true", help="until it has ended; 1 if it failed")
    training.add_argument("--candles", nargs="+", metavar="FILE", default=[], help="on this machine: learn from these")
    training.add_argument(
        "--set", nargs="+", metavar="NAME=VALUE", default=[], help="on this machine: hyperparameters (model=logistic)"
    )
    approving = actions.add_parser("approve", help="approve a version", parents=[shared, changing])
    approving.add_argument("version", type=_version, metavar="V")
    ramping = actions.add_parser("ramp", help="give a version a share of the traffic", parents=[shared, changing])
    ramping.add_argument("version", type=_version, metavar="V")
    ramping.add_argument("percent", type=_percent, metavar="PERCENT", help="0 to 100")
    actions.add_parser("rollback", help="give the champion all the traffic at once", parents=[shared, changing])
    deciding = actions.add_parser("decisions", help="what was decided, and on what it rests", parents=[shared])
    deciding.add_argument("run", nargs="?", metavar="RUN", help="one run, with the evidence")


def main(args: argparse.Namespace) -> int:
    """Do what the action says."""
    from botocore.exceptions import BotoCoreError, ClientError

    platform = _platform(args)
    try:
        return _ACTIONS[args.action](platform, args)
    except ClientError as error:
        raise CommandError(f"{error.operation_name}: {error.response['Error']['Message']}") from error
    except BotoCoreError as error:
        raise CommandError(str(error)) from error


def _platform(args: argparse.Namespace) -> "ModelPlatform":
    from tickwire.cli.endpoints import Endpoints, find_endpoints
    from tickwire.cli.model_platform import ModelPlatform

    named = args.endpoint or (None if args.local else os.environ.get("TICKWIRE_MODEL_ENDPOINT"))
    if args.endpoint and args.local:
        raise CommandError("--endpoint names one on AWS, --local the platform on this machine: give one of them")
    if args.endpoint:
        return ModelPlatform(Endpoints(model_endpoint=args.endpoint), args.endpoint)
    folder = args.local or Path(".tickwire")
    try:
        found = find_endpoints(folder)
    except CommandError:
        if named is None:
            raise CommandError(
                f"no platform to ask: none of `tickwire run` is running in {folder}; start one, or name an endpoint on"
                " AWS with --endpoint"
            ) from None
        found = Endpoints(model_endpoint=named)
    if args.local and not found.local:
        raise CommandError(f"none of `tickwire run` is running in {folder}")
    return ModelPlatform(
        found, str(found.require("model_endpoint")), poll_seconds=0.1 if found.local else _POLL_SECONDS
    )


def _status(platform: "ModelPlatform", args: argparse.Namespace) -> int:
    from tickwire.cli.model_text import print_status

    described, served, health = platform.endpoint(), platform.served(), platform.health()
    versions = {version["archive"]: version["version"] for version in platform.versions()}
    weights = {variant["VariantName"]: variant["CurrentWeight"] for variant in described["ProductionVariants"]}
    total = sum(weights.values()) or 1.0
    status = {
        "endpoint": platform.name,
        "status": described["EndpointStatus"],
        "alarm": health["alarm"],
        "alarm_reasons": [reason for reason in health["reasons"] if reason],
        "variants": [
            {
                "variant": name,
                "model": model,
                "version": versions.get(platform.archive(model)),
                "percent": round(100 * weights.get(name, 0.0) / total, 1),
                **health.get("variants", {}).get(name, {}),
            }
            for name, model in served.items()
        ],
        "running": [run["name"] for run in platform.runs()],
        "jobs": platform.listing.jobs(platform.name),
    }
    print_json(status) if args.json else print_status(status)
    return 0


def _versions(platform: "ModelPlatform", args: argparse.Namespace) -> int:
    from tickwire.cli.model_text import print_versions

    served = {platform.archive(model): variant for variant, model in reversed(platform.served().items())}
    rows = [
        {**version, "variant": served.get(version["archive"]), "scores": _scores(platform.report(version))}
        for version in platform.versions()
    ]
    print_json(rows) if args.json else print_versions(rows)
    return 0


def _compare(platform: "ModelPlatform", args: argparse.Namespace) -> int:
    from tickwire.cli.model_text import print_comparison

    reports = {}
    for number in (args.first, args.second):
        report = platform.report(platform.version(number))
        if report is None:
            raise CommandError(f"version {number} was never evaluated: it has no scores to compare")
        reports[number] = report
    # A report judges its candidate on the holdout of its own night.
    same = len({(report["first"], report["last"]) for report in reports.values()}) == 1
    rows = {str(number): _scores(report) for number, report in reports.items()}
    print_json({"same_holdout": same, "versions": rows}) if args.json else print_comparison(rows, same=same)
    return 0


def _train(platform: "ModelPlatform", args: argparse.Namespace) -> int:
    given: dict[str, Any] = {}
    if (args.candles or args.set) and not platform.endpoints.local:
        raise CommandError(
            "--candles and --set are for the platform on this machine; on AWS a run learns from the lake"
        )
    if args.candles:
        given = _candles([Path(name).resolve() for name in args.candles])
    if args.set:
        given["hyperparameters"] = dict(_pair(text) for text in args.set)
    arn = platform.start(given)
    key = platform.record("train", why=_why(args), execution=arn, input=given)
    if not args.wait:
        _say(args, {"execution": arn, "audit": key}, f"started {arn.rpartition(':')[2]}")
        return 0
    described = _awaited(platform, arn)
    result = {"execution": arn, "status": described["status"], "cause": described.get("cause"), "audit": key}
    ended = f"{arn.rpartition(':')[2]} {described['status'].lower()}"
    _say(args, result, f"{ended}: {described['cause']}" if described.get("cause") else ended)
    return 0 if described["status"] == "SUCCEEDED" else 1


def _awaited(platform: "ModelPlatform", arn: str) -> dict[str, Any]:
    states = platform.client("stepfunctions")
    progress = ProgressLine()
    while (described := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        events = states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=20)["events"]
        entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
        progress.update(f"  {entered[0] if entered else 'starting'}")
        time.sleep(platform.poll_seconds)
    progress.clear()
    return dict(described)


def _candles(paths: list[Path]) -> dict[str, Any]:
    from tickwire.model.candles import read_candles

    # Read here, so that what cannot be read is told at once.
    return {"candles": [str(path) for path in paths], "instruments": [bars.name for bars in read_candles(paths)]}


def _approve(platform: "ModelPlatform", args: argparse.Namespace) -> int:
    before = platform.version(args.version)["status"]
    platform.approve(args.version, why=_why(args))
    key = platform.record("approve", why=_why(args), version=args.version, before=before)
    _say(args, {"version": args.version, "before": before, "audit": key},
         f"approved version {args.version}, which was {before}")  # fmt: skip
    return 0


def _ramp(platform: "ModelPlatform", args: argparse.Namespace) -> int:
    if runs := platform.runs():
        raise CommandError(
            f"the nightly run {runs[0]['name']} is under way and moves the same weights; `tickwire model rollback`"
            " works at any time"
        )
    model = platform.stage(platform.version(args.version))
    platform.weights(args.percent)
    key = platform.record("ramp", why=_why(args), share=args.percent, version=args.version, model=model)
    _say(args, {"version": args.version, "model": model, "percent": args.percent, "audit": key},
         f"version {args.version} answers {args.percent} % of the requests, as {model}")  # fmt: skip
    return 0


def _rollback(platform: "ModelPlatform", args: argparse.Namespace) -> int:
    before = {variant["VariantName"]: variant["CurrentWeight"]
              for variant in platform.endpoint()["ProductionVariants"]}  # fmt: skip
    platform.weights(0)
    key = platform.record("rollback", why=_why(args), before=before)
    champion = platform.served()["champion"]
    _say(args, {"champion": champion, "before": before, "audit": key}, f"{champion} answers all requests")
    return 0


def _decisions(platform: "ModelPlatform", args: argparse.Namespace) -> int:
    from tickwire.cli.model_text import print_decisions

    rows = [{"key": key, **row} for key, row in platform.decisions(args.run)]
    if args.run and not rows:
        raise CommandError(f"there is no decision of a run {args.run!r}; `tickwire model decisions` lists all")
    print_json(rows) if args.json else print_decisions(rows, evidence=bool(args.run))
    return 0


_ACTIONS = {
    "status": _status,
    "versions": _versions,
    "compare": _compare,
    "train": _train,
    "approve": _approve,
    "ramp": _ramp,
    "rollback": _rollback,
    "decisions": _decisions,
}


def _scores(report: dict[str, Any] | None) -> dict[str, float]:
    """Give the numbers of a report's candidate by name."""
    found = {} if report is None else report["candidate"]["scores"]
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def _say(args: argparse.Namespace, result: dict[str, Any], text: str) -> None:
    print_json(result) if args.json else print(text)


def _why(args: argparse.Namespace) -> str:
    return args.reason or f"no reason given, by {getpass.getuser()}"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise CommandError(f"--set {text}: NAME=VALUE is needed")
    return name, value


def _version(text: str) -> int:
    digits = text.removeprefix("v")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise argparse.ArgumentTypeError(f"{text!r} is no version: a number, as `tickwire model versions` shows")
    return int(digits)


def _percent(text: str) -> int:
    digits = text.removesuffix("%")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and int(digits) <= 100):
        raise argparse.ArgumentTypeError(f"{text!r} is no percentage from 0 to 100")
    return int(digits)
