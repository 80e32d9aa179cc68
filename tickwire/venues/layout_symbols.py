"""The symbols that a connection has seen, as a table that kernels look them up in."""

import numpy as np
import numpy.typing as npt

from tickwire.symbols import Instrument

MAX_SYMBOLS = 16_384
MAX_SYMBOL_BYTES = 31
_WORDS = 8
_WORD = 2**64 - 1


class SymbolSlots:
    """Instruments by the bytes of the venue's own names: an open hash table, at most half full.

    ``slots`` is int64 (8 * a power of two,): for each slot four words of text filled up with zeros, its
    length or 0, the row in ``instruments``, the scales of prices and of sizes. ``instruments`` has each
    instrument once, and is the same tuple until one is added.
    """

    def __init__(self) -> None:
        self.slots: npt.NDArray[np.int64] = np.zeros(64 * _WORDS, np.int64)
        self.instruments: tuple[Instrument, ...] = ()
        self._rows: dict[Instrument, int] = {}
        self._texts: dict[bytes, Instrument] = {}

    def add(self, text: bytes, instrument: Instrument) -> bool:
        """Add a symbol; False where it is in the table already, too long, or the table is full."""
        if text in self._texts or not 0 < len(text) <= MAX_SYMBOL_BYTES or len(self._texts) >= MAX_SYMBOLS:
            return False
        if instrument not in self._rows:
            self._rows[instrument] = len(self._rows)
            self.instruments = tuple(self._rows)
        self._texts[text] = instrument
        if len(self._texts) * 2 * _WORDS > len(self.slots):
            self.slots = np.zeros(2 * len(self.slots), np.int64)
            for one, its_instrument in self._texts.items():
                self._put(one, its_instrument)
        else:
            self._put(text, instrument)
        return True

    def _put(self, text: bytes, instrument: Instrument) -> None:
        words = np.frombuffer(text.ljust(32, b"\0"), "<i8")
        mask = len(self.slots) // _WORDS - 1
        place = _hash(text) & mask
        while self.slots[place * _WORDS + 4]:
            place = (place + 1) & mask
        slot = self.slots[place * _WORDS : (place + 1) * _WORDS]
        slot[:4] = words
        slot[4:] = len(text), self._rows[instrument], instrument.price_scale, instrument.size_scale


def _hash(text: bytes) -> int:
    """Hash as the kernels' ``find_symbol`` does."""
    from tickwire.venues.layout_kernel import HASH

    words: list[int] = np.frombuffer(text.ljust(32, b"\0"), "<u8").tolist()
    hashed = sum(word * int(factor) for word, factor in zip(words, HASH, strict=True)) & _WORD
    return ((hashed ^ (hashed >> 32)) * int(HASH[1]) & _WORD) >> 40
