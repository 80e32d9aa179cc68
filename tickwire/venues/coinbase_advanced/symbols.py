"""Advanced Trade's symbols are those of Coinbase Exchange.

It sends products quoted in USDC as the same product in USD (USDT-USDC and EURC-USDC excepted):
who subscribes to ``BTC-USDC`` receives ``BTC-USD``.
"""

from tickwire.venues.coinbase.symbols import VENUE, instrument_of, native_symbol

__all__ = ["VENUE", "instrument_of", "native_symbol"]
