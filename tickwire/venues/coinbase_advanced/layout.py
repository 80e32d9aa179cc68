"""How Coinbase Advanced Trade writes the frames that come most: updates of trades and of tickers."""

from tickwire.venues.coinbase.messages import AGGRESSOR
from tickwire.venues.layout import Layout

LAYOUTS = (
    Layout(
        '{"channel":"market_trades","timestamp":"<text>","sequence_num":<sequence>,"events":[{"type":"update",'
        '"trades":[<rows>{"product_id":"<symbol>","trade_id":"<trade_id>","price":"<price>","size":"<size>",'
        '"time":"<rfc3339>","side":"<side>"}</rows>]}]}',
        tuple((text, side) for text, side in AGGRESSOR.items() if text.isupper()),
        rising=True,
    ),
    Layout(
        '{"channel":"ticker","timestamp":"<rfc3339>","sequence_num":<sequence>,"events":[{"type":"update","tickers":['
        '{"type":"ticker","product_id":"<symbol>","price":"<text>","volume_24_h":"<text>","low_24_h":"<text>",'
        '"high_24_h":"<text>","low_52_w":"<text>","high_52_w":"<text>","price_percent_chg_24_h":"<text>",'
        '"best_bid":"<bid_price>","best_ask":"<ask_price>","best_bid_quantity":"<bid_size>",'
        '"best_ask_quantity":"<ask_size>"}]}]}'
    ),
)
