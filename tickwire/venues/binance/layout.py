"""How Binance writes the frames that come most: trades and best bids and offers, combined and raw."""

from tickwire.columns import Side
from tickwire.venues.layout import Layout

_TRADE = (
    '{"e":"trade","E":<int>,"s":"<symbol>","t":<trade_id>,"p":"<price>","q":"<size>","T":<epoch>,"m":<side>,"M":true}'
)
_BOOK_TICKER = '{"u":<update_id>,"s":"<symbol>","b":"<bid_price>","B":"<bid_size>","a":"<ask_price>","A":"<ask_size>"}'
_SIDES = (("true", Side.SELL), ("false", Side.BUY))
"""Of ``m``, buyer is maker."""

LAYOUTS = (
    Layout(f'{{"stream":"<name>@trade","data":{_TRADE}}}', _SIDES),
    # The name is short, as the parser looks for `@bookTicker` in the first 64 bytes.
    Layout(f'{{"stream":"<name>@bookTicker","data":{_BOOK_TICKER}}}'),
    Layout(_TRADE, _SIDES),
    Layout(_BOOK_TICKER),
)
