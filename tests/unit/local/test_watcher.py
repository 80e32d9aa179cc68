"""What the watcher counts of the messages that a client gets."""

from typing import Any

from local.watcher import Delivered

SECOND = 1_000_000_000
SYMBOL = "binance:BTC-USDT"


def bar(start: int, receive: float, *, final: bool = False, amended: bool = False) -> dict[str, Any]:
    return {"start": start, "receive": round(receive * SECOND), "final": final, "amended": amended}


def message(topic: str, *data: dict[str, Any], kind: str = "update") -> dict[str, Any]:
    return {"type": kind, "items": [{"topic": topic, "symbol": SYMBOL, "data": list(data)}]}


def test_only_a_newer_live_trade_is_a_latency_sample() -> None:
    delivered = Delivered()
    delivered.take(message("bars.1s", bar(1, 1.5)), now=2 * SECOND)
    delivered.take(message("bars.1s", bar(1, 1.5, final=True), bar(2, 2.5)), now=3 * SECOND)
    # History was added to the open bar, made a bar of its own, and amended a final one.
    filled = (bar(2, 2.5), bar(0, 0), bar(1, 1.5, final=True, amended=True))
    delivered.take(message("bars.1s", *filled), now=60 * SECOND)
    assert delivered.seconds == [0.5, 0.5]
    assert (delivered.messages, delivered.bars, delivered.amended) == (3, 6, 1)


def test_a_snapshot_is_no_delivery_but_tells_the_state() -> None:
    delivered = Delivered()
    delivered.take(message("bars.1s", bar(1, 1.5), kind="snapshot"), now=2 * SECOND)
    facts = ({"kind": "progress", "accepted": 5}, {"kind": "continuity", "gaps": []}, {"kind": "gap", "first": 1})
    delivered.take(message("health", *facts, kind="snapshot"), now=2 * SECOND)
    assert (delivered.bars, delivered.seconds) == (0, [])
    assert delivered.progress == {SYMBOL: facts[0]}
    assert delivered.continuity == {SYMBOL: facts[1]}


def test_the_last_state_of_a_symbol_stands() -> None:
    delivered = Delivered()
    for accepted in (5, 6):
        delivered.take(message("health", {"kind": "progress", "accepted": accepted}), now=0)
    delivered.take(message("health", {"kind": "latency", "stage": {"ingestor": 5.0}}), now=0)
    assert delivered.progress[SYMBOL]["accepted"] == 6
    assert delivered.stages == {"ingestor": 5.0}


def numbered(source: int, first: int, last: int) -> dict[str, Any]:
    item = {"topic": "trades", "symbol": SYMBOL, "source": source, "from": first, "to": last, "data": []}
    return {"type": "update", "items": [item]}


def test_a_hole_is_an_update_beyond_the_next_number_of_its_source() -> None:
    delivered = Delivered()
    item = {"topic": "trades", "symbol": SYMBOL, "positions": {"3": 10}, "data": []}
    delivered.take({"type": "snapshot", "items": [item]}, now=0)
    for source, first, last in ((3, 8, 11), (3, 12, 12), (4, 70, 71), (4, 72, 75), (3, 13, 12), (3, 13, 20)):
        delivered.take(numbered(source, first, last), now=0)
    assert delivered.holes == 0
    delivered.take(numbered(3, 22, 22), now=0)
    assert delivered.holes == 1
    delivered.take(numbered(3, 23, 23), now=0)
    delivered.take(numbered(4, 77, 77), now=0)
    assert delivered.holes == 2
    # The numbers of a new connection begin with its snapshot.
    delivered.begin()
    delivered.take(numbered(3, 90, 90), now=0)
    assert delivered.holes == 2


def test_what_is_told_again_is_no_latency_sample() -> None:
    delivered = Delivered()
    delivered.take(message("bars.1s", bar(1, 1.5)) | {"replay": True}, now=9 * SECOND)
    assert (delivered.seconds, delivered.bars) == ([], 0)
