"""How OKX writes the trades of the channel ``trades-all``, since ``source`` came to them."""

from tickwire.venues.layout import Layout
from tickwire.venues.okx.parse import SIDES

LAYOUTS = (
    Layout(
        '{"arg":{"channel":"trades-all","instId":"<text>"},"data":[<rows>{"instId":"<symbol>","tradeId":"<trade_id>",'
        '"px":"<price>","sz":"<size>","side":"<side>","source":"<text>","ts":"<epoch>"}</rows>]}',
        tuple(SIDES.items()),
    ),
)
