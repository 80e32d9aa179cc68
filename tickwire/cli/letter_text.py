"""Dead letters as text for people and as JSON for programmes."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lambdas.delivery.redriving import Tried
from lambdas.postgres.letters import state
from tickwire.cli.output import print_json, printable
from tickwire.timestamps import format_rfc3339

_HEADS = ("KIND", "KEY", "LAST SEEN (UTC)", "VENUE", "SYMBOL", "TIMES", "STATE", "REASON", "DETAIL")
_SHOWN_KEY = 12
_NARROWEST_DETAIL = 20
_PREVIEW = 2_000
_SHOWN_OUTCOMES = 20
_LONGEST_OUTCOME = 200


def print_letters(letters: Sequence[dict[str, Any]], *, more: bool) -> None:
    """Print a table, a letter a line; ``more`` says that there are others."""
    if not letters:
        print("no dead letters")
        return
    rows = [_HEADS, *map(_cells, letters)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEADS) - 1)]
    room = shutil.get_terminal_size((160, 40)).columns - sum(widths) - 2 * len(widths)
    for row in rows:
        cells = [
            cell.rjust(width) if head == "TIMES" else cell.ljust(width)
            for head, cell, width in zip(_HEADS, row, widths, strict=False)
        ]
        print("  ".join([*cells, _cut(row[-1], max(room, _NARROWEST_DETAIL))]).rstrip())
    if more:
        print(f"(the newest {len(letters):,}; --limit 0 prints all)")


def print_letters_json(letters: Sequence[dict[str, Any]]) -> None:
    """Print an array with an object for each letter."""
    print_json([_json_letter(letter) for letter in letters])


def print_letter(letter: dict[str, Any], body: bytes | str) -> None:
    """Print all about one letter; ``body`` is what it is about, or why that cannot be had."""
    for name, value in {
        "kind": letter["kind"],
        "key": letter["key"],
        "reason": letter["reason"],
        "detail": letter["detail"],
        "venue": letter["venue"],
        "symbol": letter["symbol"],
        "time": letter["time_ns"] and format_rfc3339(letter["time_ns"]),
        "first seen": _iso(letter["first_seen"]),
        "last seen": _iso(letter["last_seen"]),
        "received": f"{letter['receipts']} times from {letter['queue'] or 'nowhere'}",
        "state": state(letter),
        "redriven": letter["redrives"] and f"{letter['redrives']} times, last at {_iso(letter['redriven_at'])}",
        "last try": letter["redrive_outcome"],
        "stored": letter["body_address"] or f"{letter['body_bytes']:,} bytes in the table",
    }.items():
        if value not in (None, "", 0):
            print(f"{name:<11} {printable(str(value))}")
    if letter["fields"] is not None:
        print(f"\nfields\n{printable_lines(json.dumps(letter['fields'], indent=2, ensure_ascii=False))}")
    if isinstance(body, str):
        print(f"\nbody cannot be had: {printable(body)}")
        return
    cut = f", the first {_PREVIEW:,}" if len(body) > _PREVIEW else ""
    print(f"\nbody of {len(body):,} bytes{cut} (--raw prints it as received)")
    print(printable_lines(body[:_PREVIEW].decode("utf-8", "replace")))


def printable_lines(text: str) -> str:
    """Give text with its line ends, and nothing else in it that could steer a terminal."""
    return "\n".join(map(printable, text.split("\n")))


class RedriveReport:
    """Says what redriving came to: letter by letter, and in sum."""

    def __init__(self, *, json: bool, dry_run: bool) -> None:
        self._json = json
        self._dry_run = dry_run
        self._outcomes: list[dict[str, Any]] = []
        self._reasons: Counter[str] = Counter()
        self._letters = 0
        self._trades = 0
        self.redriven = 0

    @property
    def staying(self) -> int:
        """How many letters stay as they are."""
        return self._letters - self.redriven

    def add(self, tried: Tried) -> None:
        """Take in a letter, and print its line while there are few."""
        self._letters += 1
        self._trades += tried.trades
        self.redriven += tried.done
        if self._json:
            self._outcomes.append(
                {
                    "kind": tried.kind,
                    "key": tried.key,
                    "redriven": tried.done,
                    "trades": tried.trades,
                    "outcome": tried.outcome,
                }
            )
        elif self._letters <= _SHOWN_OUTCOMES:
            mark = "redriven" if tried.done else "stays"
            print(f"{mark:<8}  {tried.kind}/{printable(tried.key)}  {_cut(printable(tried.outcome), _LONGEST_OUTCOME)}")
        else:
            self._reasons[tried.outcome.partition(": ")[0] if not tried.done else "redriven"] += 1

    def close(self) -> None:
        """Print the sum."""
        if self._json:
            print_json(
                {
                    "dry_run": self._dry_run,
                    "letters": self._letters,
                    "redriven": self.redriven,
                    "staying": self.staying,
                    "trades": self._trades,
                    "outcomes": self._outcomes,
                }
            )
            return
        if not self._letters:
            print("no letters to redrive")
            return
        if self._reasons:
            print("and " + ", ".join(f"{count:,} {printable(reason)}" for reason, count in self._reasons.most_common()))
        redriven, sent = ("would be redriven", "to send") if self._dry_run else ("redriven", "sent")
        print(
            f"{_counted(self._letters, 'letter')}: {self.redriven:,} {redriven}, {self.staying:,} stay;"
            f" {_counted(self._trades, 'trade')} {sent}"
        )


def _cells(letter: dict[str, Any]) -> tuple[str, ...]:
    key = letter["key"]
    cells = (
        letter["kind"],
        key[:_SHOWN_KEY] if len(key) == 32 else key,
        letter["last_seen"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        letter["venue"] or "",
        letter["symbol"] or "",
        f"{letter['receipts']:,}",
        state(letter),
        letter["reason"],
        letter["detail"],
    )
    return tuple(printable(cell) for cell in cells)


def _json_letter(letter: dict[str, Any]) -> dict[str, Any]:
    times = {name: _iso(letter[name]) for name in ("first_seen", "last_seen", "redriven_at")}
    return letter | times | {"state": state(letter)}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'s' * (number != 1)}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
