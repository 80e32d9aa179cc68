"""A query's result as text: a table for people, JSON or CSV for programmes."""

import csv
import json
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_CELL = 60
_NARROWEST = 20
_GAP = "  "


def print_table(reader: pa.RecordBatchReader, *, rows: int, width: int) -> None:
    """Print at most ``rows`` rows (0: all) in at most ``width`` columns of text."""
    names = reader.schema.names
    values = _rows(reader)
    taken = list(islice(values, rows + 1)) if rows else list(values)
    more = bool(rows) and len(taken) > rows
    shown = taken[:rows] if rows else taken
    right = [_is_number(kind) for kind in reader.schema.types]
    cells = [[_cell(value) for value in row] for row in shown]
    widths = [max([len(_one_line(name)), *(len(row[k]) for row in cells)]) for k, name in enumerate(names)]
    widths, hidden = _fit(widths, width, narrowable=[not number for number in right])
    for line in ([_one_line(name) for name in names], ["-" * w for w in widths], *cells):
        print(_GAP.join(_place(text, w, r) for text, w, r in zip(line, widths, right, strict=False)).rstrip())
    if hidden:
        print(f"({hidden} more column{'s' * (hidden > 1)}: choose some, or use --json or --csv)")
    if more:
        print(f"(the first {rows:,} rows; --rows 0 prints all)")
    elif not shown:
        print("(no rows)")


def print_json(reader: pa.RecordBatchReader) -> None:
    """Print an array of objects, one a line, as it comes."""
    names = _distinct(reader.schema.names)
    separator = "[\n"
    for row in _rows(reader):
        print(separator + json.dumps(dict(zip(names, map(_json_value, row), strict=True)), ensure_ascii=False), end="")
        separator = ",\n"
    print("[]" if separator == "[\n" else "\n]")


def print_csv(reader: pa.RecordBatchReader) -> None:
    """Print RFC 4180 with a header; NULL is empty."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(reader.schema.names)
    writer.writerows(["" if value is None else _text(value) for value in row] for row in _rows(reader))


def _rows(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    for batch in reader:
        yield from zip(*(_exact(column).to_pylist() for column in batch.columns), strict=True)


def _exact(column: pa.Array) -> pa.Array:
    """Write nanoseconds as text, since Python's datetime ends at microseconds."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return pc.replace_substring(column.cast(pa.string()), " ", "T")
    return column


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(_json_value(value), ensure_ascii=False)
    return str(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, float):
        return value if value - value == 0 else None  # JSON has neither infinity nor NaN
    if value is None or isinstance(value, bool | int | str):
        return value
    return _text(value)


def _cell(value: Any) -> str:
    return "NULL" if value is None else _cut(_one_line(_text(value)), _CELL)


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "\u2423" for character in text)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _place(text: str, width: int, right: bool) -> str:
    text = _cut(text, width)
    return text.rjust(width) if right else text.ljust(width)


def _fit(widths: Sequence[int], total: int, *, narrowable: Sequence[bool]) -> tuple[list[int], int]:
    """Narrow the widest texts until all fit, never a number; hide the last columns if that is not enough."""
    for count in range(len(widths), 0, -1):
        fitted = _narrow(list(widths[:count]), total - len(_GAP) * (count - 1), narrowable)
        if fitted is not None:
            return fitted, len(widths) - count
    return list(widths[:1]), len(widths) - 1


def _narrow(widths: list[int], room: int, narrowable: Sequence[bool]) -> list[int] | None:
    while sum(widths) > room:
        candidates = [(width, k) for k, width in enumerate(widths) if narrowable[k] and width > _NARROWEST]
        if not candidates:
            return None
        widths[max(candidates)[1]] -= 1
    return widths


def _distinct(names: Sequence[str]) -> list[str]:
    """Number repeated column names, which an object cannot have."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
