"""Faults on demand: what goes wrong at a venue or on the way from it, bounded and seeded.

They are ordered as JSON, with ``POST /control/faults`` or ``python -m local.exchange --faults``::

    [{"kind": "hole", "feed": "binance", "symbol": "BTC-USDT", "count": 50},
     {"kind": "reorder", "share": 0.3, "delay": 2, "seconds": 30, "after": 10}]

:class:`~local.exchange.faults.order.FaultOrder` tells the fields. ``GET /control/faults`` tells what each
did, ``GET /control/truth`` that and what was made and announced; ``DELETE /control/faults`` ends all.
"""
