"""The table of last values when DynamoDB answers in part."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lambdas.broadcaster.last_values import Place
from lambdas.broadcaster.last_values_table import LastValuesTable

TRADES = Place("trades", "binance:BTC-USDT", 0)
GAPS = Place("health", "binance:BTC-USDT", 1)


class Throttled:
    """Never gets to the keys of one item; has nothing stored at the others."""

    def __init__(self, item: str) -> None:
        self._item = item
        self.calls = 0

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        assert self.calls < 20, "asks for ever"
        keys = [key for key in RequestItems["values"]["Keys"] if key["item"]["S"] == self._item]
        return {"Responses": {"values": []}, "UnprocessedKeys": {"values": {"Keys": keys}}}


def test_a_place_that_a_throttled_table_does_not_answer_for_is_not_taken_for_empty() -> None:
    with ThreadPoolExecutor(1) as pool:
        table = LastValuesTable(Throttled("trades#binance:BTC-USDT"), "values", pool=pool)
        assert table.read([TRADES, GAPS]) == {GAPS: ()}
