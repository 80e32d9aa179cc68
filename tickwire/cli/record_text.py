"""A decoded stream record as JSON values and as lines for people."""

from collections.abc import Iterator
from typing import Any

import msgspec

from tickwire.cli.output import printable
from tickwire.columns import QuoteBatch, Side, TradeBatch, TradeFlag
from tickwire.conclusions import IndicatorValues
from tickwire.decimals import format_fixed
from tickwire.features.indicators import Indicators
from tickwire.records import Bar, Record
from tickwire.timestamps import format_rfc3339

_SECTIONS = ("heartbeats", "notices", "quarantined", "gaps", "findings", "progress", "continuity", "stale_bars")
_CONCLUSIONS = ("whales", "anomalies", "predictions", "outcomes", "signals", "sentiment")
_SIDES = {int(side): side.name.lower() for side in Side}
_TIMES = frozenset(
    "exchange_time receive_time noticed time created start started ended latest_receive after_time before_time"
    " closed".split()
)


def record_object(record: Record) -> dict[str, Any]:
    """Give a record as plain JSON values: decimals as text, estimates as numbers, times as ns UTC."""
    header = record.header
    return {
        "header": {
            "kind": str(header.kind),
            "partition": header.partition,
            "counter": header.counter,
            "source": header.source,
            "created": header.created,
            "hops": [{"stage": stage, "time": time} for stage, time in header.hops],
            "trace": None if header.trace is None else header.trace.name,
        },
        "trades": list(_trades(record.trades)),
        "quotes": list(_quotes(record.quotes)),
        **{name: [_plain(row) for row in getattr(record, name)] for name in _SECTIONS},
        "bars": [_bar(bar) for bar in record.bars],
        "indicators": [_indicators(row) for row in record.indicators],
        **{name: [_plain(row) for row in getattr(record, name)] for name in _CONCLUSIONS},
    }


def record_lines(record: Record, *, size: int, limit: int | None) -> Iterator[str]:
    """Give a record as text: ``limit`` rows of each section, or all where it is None."""
    content = record_object(record)
    header = content.pop("header")
    yield (
        f"{header['kind']} record, partition {header['partition']}, counter {header['counter']},"
        f" made from {header['source']}, {size:,} bytes"
    )
    if header["created"]:
        yield f"created {format_rfc3339(header['created'])}"
    for before, hop in zip([None, *header["hops"]], header["hops"], strict=False):
        since = "" if before is None else f"  (+{(hop['time'] - before['time']) / 1e6:.3f} ms)"
        yield f"passed  {format_rfc3339(hop['time'])}  {hop['stage']}{since}"
    if header["trace"]:
        yield f"traced  {header['trace']}"
    for name, rows in content.items():
        if not rows:
            continue
        yield ""
        yield f"{name}: {len(rows):,}"
        yield from _aligned([_texts(row) for row in rows[:limit]])
        if limit is not None and len(rows) > limit:
            yield f"  … {len(rows) - limit:,} more"


def _trades(batch: TradeBatch) -> Iterator[dict[str, Any]]:
    columns = zip(*(getattr(batch, name).tolist() for name in TradeBatch.COLUMNS), strict=True)
    for index, trade_id, price, size, side, exchange_time, receive_time, flags in columns:
        traded = batch.instruments[index]
        yield {
            "venue": traded.venue,
            "symbol": traded.symbol,
            "trade_id": trade_id,
            "price": format_fixed(price, traded.price_scale),
            "size": format_fixed(size, traded.size_scale),
            "side": _SIDES.get(side, str(side)),
            "exchange_time": exchange_time,
            "receive_time": receive_time,
            "flags": [flag.name.lower() for flag in TradeFlag if flags & flag and flag.name is not None],
        }


def _quotes(batch: QuoteBatch) -> Iterator[dict[str, Any]]:
    columns = zip(*(getattr(batch, name).tolist() for name in QuoteBatch.COLUMNS), strict=True)
    for index, bid_price, bid_size, ask_price, ask_size, update_id, exchange_time, receive_time in columns:
        quoted = batch.instruments[index]
        yield {
            "venue": quoted.venue,
            "symbol": quoted.symbol,
            "bid_price": format_fixed(bid_price, quoted.price_scale),
            "bid_size": format_fixed(bid_size, quoted.size_scale),
            "ask_price": format_fixed(ask_price, quoted.price_scale),
            "ask_size": format_fixed(ask_size, quoted.size_scale),
            "update_id": update_id,
            "exchange_time": exchange_time,
            "receive_time": receive_time,
        }


def _plain(row: msgspec.Struct) -> dict[str, Any]:
    """Give a struct's fields by name, those of the structs within it too."""
    return {
        name: [_plain(part) if isinstance(part, msgspec.Struct) else part for part in value]
        if isinstance(value, tuple)
        else value
        for name, value in msgspec.structs.asdict(row).items()
    }


def _bar(bar: Bar) -> dict[str, Any]:
    values = msgspec.structs.asdict(bar)
    for names, scale in (("open high low close", bar.price_scale), ("volume buy_volume", bar.size_scale)):
        for name in names.split():
            values[name] = format_fixed(values[name], scale)
    values["notional"] = f"{bar.notional:f}"
    return values


def _indicators(row: IndicatorValues) -> dict[str, Any]:
    values = msgspec.structs.asdict(row)
    return values | dict(zip(Indicators.INDICATORS, values.pop("values"), strict=False))


def _texts(row: dict[str, Any]) -> dict[str, str]:
    texts = {}
    for name, value in row.items():
        if name in _TIMES and isinstance(value, int):
            texts[name] = format_rfc3339(value) if value else "-"
        elif isinstance(value, (list, tuple)):
            texts[name] = f"{len(value)}" if _is_table(value) else " ".join(map(_range_text, value)) or "-"
        else:
            texts[name] = "-" if value is None else printable(str(value))
    return texts


def _is_table(value: list[Any] | tuple[Any, ...]) -> bool:
    return bool(value) and isinstance(value[0], dict)


def _range_text(value: object) -> str:
    if value is None:
        return "-"
    return "-".join(map(str, value)) if isinstance(value, tuple) else printable(str(value))


def _aligned(rows: list[dict[str, str]]) -> Iterator[str]:
    names = list(rows[0]) if rows else []
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
    yield "  " + "  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True)).rstrip()
    for row in rows:
        yield "  " + "  ".join(row[name].ljust(width) for name, width in zip(names, widths, strict=True)).rstrip()
