"""How the example venue writes the frames that come most, for those who read many of them at once.

A feed works without: what no layout matches, and every frame where there is none, ``parse.py`` reads.
"""

from tickwire.venues.layout import Layout
from tickwire.venues.template.parse import SIDES

LAYOUTS = (
    Layout(
        '{"type":"trade","market":"<symbol>","id":<trade_id>,"price":"<price>","size":"<size>","taker":"<side>",'
        '"time":<epoch>}',
        tuple(SIDES.items()),
    ),
    Layout(
        '{"type":"top","market":"<symbol>","bid":["<bid_price>","<bid_size>"],"ask":["<ask_price>","<ask_size>"],'
        '"time":<epoch>}'
    ),
)
