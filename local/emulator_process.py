"""Runs MiniStack in this process, with its look for expired stream records made cheap.

MiniStack copies all that a stream retains at each put and each get, to drop what has expired: after
ten minutes of a thousand trades a second that is most of its time. A shard's records lie in the
order of their arrival, so where the first one is young, none has expired.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

Expire = Callable[[Mapping[str, Any]], None]


def expiring_cheaply(expire: Expire, now: Callable[[], float] = time.time) -> Expire:
    """Give ``expire`` as it is where something of a stream has expired, and doing nothing where nothing has."""

    def expire_if_due(stream: Mapping[str, Any]) -> None:
        cutoff = now() - stream["RetentionPeriodHours"] * 3600
        oldest = (shard["records"][0] for shard in stream["shards"].values() if shard["records"])
        if any(record["ApproximateArrivalTimestamp"] < cutoff for record in oldest):
            expire(stream)

    return expire_if_due


def main() -> None:
    """Run until stopped."""
    from ministack import app
    from ministack.services import kinesis

    kinesis._expire_records = expiring_cheaply(kinesis._expire_records)
    app.main()


if __name__ == "__main__":
    main()
