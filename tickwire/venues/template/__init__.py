"""The example venue, complete and tested, in a format of its own: the folder that a new venue is a copy of.

``docs/adding-a-venue.md`` goes through it step by step. The two tables below are all that makes a
venue known: Tickwire finds the folder by itself and imports nothing of it until a feed is asked
for, so this file must import nothing. The keys are names of feeds; a venue with two feeds has two.

The format of this example
--------------------------
A text frame is one JSON object::

    {"type":"trade","market":"BTC_USD","id":17,"price":"63501.60","size":"0.0185","taker":"buy","time":1783465205562}
    {"type":"top","market":"BTC_USD","bid":["63501.60","1.5"],"ask":["63501.70","0.2"],"time":1783465205562}
    {"type":"alive"}                          each second
    {"type":"notice","text":"maintenance at 10:00"}

``id`` is dense per market, ``taker`` the aggressor's side, ``time`` Unix ms. One subscribes with
``{"type":"subscribe","markets":["BTC_USD"]}`` and is answered ``{"type":"subscribed",…}``.

Its history is asked for by GET. Trades rise from an id, at most 500 a page, and are the newest
where none is given; candles are as many as ``to`` lets in, 1,000 at most; both answer with a list::

    /trades?market=BTC_USD&from=17&limit=500
    [{"id":17,"price":"63501.60","size":"0.0185","taker":"buy","time":1783465205562},…]
    /candles?market=BTC_USD&seconds=60&from=1783465200000&to=1783468800000
    [[1783465200000,"63501.60","63510.00","63500.00","63505.10","12.5"],…]   open, high, low, close, volume

10 requests a second and address are answered, more of them with status 429.
"""

FEEDS = {"template": "tickwire.venues.template.feed:TemplateFeed"}
HISTORIES = {"template": "tickwire.venues.template.history:TemplateHistory"}
