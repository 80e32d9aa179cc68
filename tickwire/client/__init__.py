"""A client of the WebSocket API: what happens in the market, as it happens, without a hole.

async with Client(url, token=token) as client:
    async for update in client.subscribe(["trades"], ["binance:BTC-USDT"]):
        for trade in update.data:
            print(trade["price"], trade["size"])
"""

from tickwire.client.client import Client, Subscription
from tickwire.client.errors import LoginRefused, RequestRefused
from tickwire.client.updates import Kind, Update

__all__ = ["Client", "Kind", "LoginRefused", "RequestRefused", "Subscription", "Update"]
