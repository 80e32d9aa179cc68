"""The last indicators of a symbol, as the broadcaster keeps them for snapshots; no table of the database has them."""

from typing import Any

import msgspec

from lambdas.broadcaster.conclusions import IndicatorsData

_decode = msgspec.json.Decoder(list[IndicatorsData]).decode


class LatestIndicators:
    """Reads the table of last values (``lambdas.broadcaster.last_values_table`` says how it is laid out)."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, *, venue: str, symbol: str, interval: int) -> IndicatorsData | None:
        """Give the indicators after the newest closed bar of ``interval`` seconds, or None if there are none."""
        row = self._client.get_item(
            TableName=self._table,
            Key={"item": {"S": f"indicators#{venue}:{symbol}"}, "at": {"N": str(interval)}},
        ).get("Item")
        found = [] if row is None else _decode(row["data"]["S"])
        return found[-1] if found else None
