"""The minutes of each symbol's last day in Valkey, from which a function that starts predicts at once.

A symbol's ring is one string, ``tickwire:minutes:{venue:symbol}``: 1,440 slots of 72 bytes, as
:mod:`tickwire.features.minutes` lays them out. A row is written at its slot, so a retried invocation writes the same
again. A ring that nobody writes to for two days goes.

Only commands of Valkey 7.2 and before are used, and a hash tag keeps each ring in one slot of a cluster.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tickwire.bar_table import Key
from tickwire.features.minutes import MINUTE, SLOTS, Minutes, slots_of

_FILL = Path(__file__).with_name("fill_minutes.lua").read_text()
_EXPIRY_SECONDS = 2 * 86_400
_RING_BYTES = SLOTS * MINUTE.itemsize


class MinuteStore:
    """Writes and reads rings; what it is told to do in one call takes one round trip.

    Every method raises valkey.ValkeyError if Valkey cannot be reached or refuses; what is written is then unknown, and
    may be written again.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def put(self, rows: Mapping[Key, Minutes]) -> None:
        """Write rows (n,) of each symbol over whatever their slots hold: what is seen live is always right."""
        pipeline = self._client.pipeline(transaction=False)
        for symbol, of_symbol in rows.items():
            key = _key(symbol)
            for slot, row in zip(slots_of(of_symbol["start"]).tolist(), of_symbol, strict=True):
                pipeline.setrange(key, slot * MINUTE.itemsize, row.tobytes())
            pipeline.expire(key, _EXPIRY_SECONDS)
        if rows:
            pipeline.execute()

    def fill(self, rows: Mapping[Key, Minutes]) -> dict[Key, int]:
        """Write rows (n,) of each symbol's history, but only where a slot holds an older minute, or none.

        Gives how many were written, by symbol. Of a day at most; of rows for one slot the newest stays.
        """
        pipeline = self._client.pipeline(transaction=False)
        for symbol, of_symbol in rows.items():
            slots = slots_of(of_symbol["start"]).tolist()
            arguments = [part for slot, row in zip(slots, of_symbol, strict=True) for part in (slot, row.tobytes())]
            # Not `eval`: valkey-py's cluster pipeline has every command but that method.
            pipeline.execute_command(
                "EVAL", _FILL, 1, _key(symbol), SLOTS, MINUTE.itemsize, _EXPIRY_SECONDS, *arguments
            )
        return dict(zip(rows, pipeline.execute(), strict=True)) if rows else {}

    def read(self, symbols: Iterable[Key]) -> dict[Key, Minutes]:
        """Give the ring (SLOTS,) of each symbol; one that is not there holds nothing."""
        wanted = list(symbols)
        if not wanted:
            return {}
        pipeline = self._client.pipeline(transaction=False)
        for symbol in wanted:
            pipeline.get(_key(symbol))
        return {symbol: _ring(data) for symbol, data in zip(wanted, pipeline.execute(), strict=True)}


def _key(symbol: Key) -> str:
    return f"tickwire:minutes:{{{symbol[0]}:{symbol[1]}}}"


def _ring(data: bytes | None) -> Minutes:
    # A string ends with the last slot that was written.
    padded = (data or b"")[:_RING_BYTES].ljust(_RING_BYTES, b"\0")
    return np.frombuffer(bytearray(padded), MINUTE)
