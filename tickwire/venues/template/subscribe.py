"""What the example venue must be sent after connecting."""

from collections.abc import Sequence

import msgspec


def subscribe_frame(native_symbols: Sequence[str]) -> bytes:
    """Give the one frame that subscribes to trades and quotes of these markets."""
    return msgspec.json.encode({"type": "subscribe", "markets": list(native_symbols)})
