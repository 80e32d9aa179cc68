"""How Coinbase Exchange writes the frames that come most: matches and tickers."""

from tickwire.venues.coinbase.messages import AGGRESSOR
from tickwire.venues.layout import Layout

LAYOUTS = (
    Layout(
        '{"type":"match","trade_id":<trade_id>,"maker_order_id":"<uuid>","taker_order_id":"<uuid>","side":"<side>",'
        '"size":"<size>","price":"<price>","product_id":"<symbol>","sequence":<int>,"time":"<rfc3339>"}',
        tuple((text, side) for text, side in AGGRESSOR.items() if text.islower()),
    ),
    Layout(
        '{"type":"ticker","sequence":<int>,"product_id":"<symbol>","price":"<text>","open_24h":"<text>",'
        '"volume_24h":"<text>","low_24h":"<text>","high_24h":"<text>","volume_30d":"<text>","best_bid":"<bid_price>",'
        '"best_bid_size":"<bid_size>","best_ask":"<ask_price>","best_ask_size":"<ask_size>","side":"<text>",'
        '"time":"<rfc3339>","trade_id":<int>,"last_size":"<text>"}'
    ),
)
