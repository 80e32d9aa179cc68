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
