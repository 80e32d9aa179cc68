"""How Kraken v2 writes updates of trades and tickers. Books are left to the parser, which checks them."""

from tickwire.columns import Side
from tickwire.venues.layout import Layout

LAYOUTS = (
    Layout(
        '{"channel":"trade","type":"update","data":[<rows>{"symbol":"<symbol>","side":"<side>","price":<price>,'
        '"qty":<size>,"ord_type":"<text>","trade_id":<trade_id>,"timestamp":"<rfc3339>"}</rows>]}',
        (("buy", Side.BUY), ("sell", Side.SELL)),
    ),
    Layout(
        '{"channel":"ticker","type":"update","data":[{"symbol":"<symbol>","bid":<bid_price>,"bid_qty":<bid_size>,'
        '"ask":<ask_price>,"ask_qty":<ask_size>,"last":<number>,"volume":<number>,"vwap":<number>,"low":<number>,'
        '"high":<number>,"change":<number>,"change_pct":<number>,"timestamp":"<rfc3339>"}]}'
    ),
)
