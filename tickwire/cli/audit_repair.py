"""Puts what the lake or the ledger lacks on trades-raw again: reopened ids, and trades of the exchange's history."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.delivery.retrying import is_hopeless
from tickwire.cli.endpoints import Endpoints
from tickwire.cli.output import CommandError
from tickwire.columns import TradeBatch
from tickwire.envelope import encode
from tickwire.partitions import explicit_hash_key, partition_of
from tickwire.records import Finding, Header, Record, RecordKind

MAX_TRADES = 5_000
"""Rows a record: small ones let live records of the partition pass between them."""
MAX_FINDINGS = 500
_ATTEMPTS = 8
_FIRST_WAIT_SECONDS = 0.1


class RawStream:
    """Kinesis' stream of RAW records, written one record at a time in order."""

    def __init__(self, endpoints: Endpoints, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._name: str = endpoints.require("raw_stream")
        self._partitions: int = endpoints.require("partitions")
        self._client: Any = endpoints.aws_client("kinesis")
        self._sleep = sleep

    def trades(self, batch: TradeBatch) -> None:
        """Put trades of one symbol.

        Raises
        ------
        CommandError
            If the stream does not take them.
        """
        for start in range(0, len(batch), MAX_TRADES):
            part = batch.take(np.arange(start, min(start + MAX_TRADES, len(batch))))
            self._put(batch.instruments[0].venue, batch.instruments[0].symbol, trades=part)

    def findings(self, findings: Sequence[Finding]) -> None:
        """Put findings of one symbol; see :meth:`trades`."""
        for start in range(0, len(findings), MAX_FINDINGS):
            part = tuple(findings[start : start + MAX_FINDINGS])
            self._put(part[0].venue, part[0].symbol, findings=part)

    def _put(self, venue: str, symbol: str, **sections: Any) -> None:
        created = time.time_ns()
        partition = partition_of(venue, symbol, self._partitions)
        header = Header(RecordKind.RAW, partition, created=created, hops=(("audit", created),))
        data = encode(Record(header=header, **sections))
        for attempt in range(_ATTEMPTS):
            try:
                self._client.put_record(
                    StreamName=self._name,
                    Data=data,
                    PartitionKey=str(partition),
                    ExplicitHashKey=explicit_hash_key(partition, self._partitions),
                )
                return
            except (BotoCoreError, ClientError) as error:
                if attempt + 1 == _ATTEMPTS or is_hopeless(error):
                    raise CommandError(f"{self._name} does not take records: {error}") from error
                self._sleep(_FIRST_WAIT_SECONDS * 2**attempt)
