"""OKX Spot: every single trade, over the business WebSocket of API v5.

Source of all that is said of OKX in this folder: its API guide (okx.com/docs-v5/en), sections
WebSocket (Connect, Subscribe, Notification), Order Book Trading / Market Data and Error Code, as
read in 2026. No recording of OKX was at hand, so nothing here is checked on one yet.
"""

FEEDS = {"okx": "tickwire.venues.okx.feed:OkxFeed"}
HISTORIES = {"okx": "tickwire.venues.okx.history:OkxHistory"}
