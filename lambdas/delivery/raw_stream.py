"""Puts RAW records into trades-raw by an operator's order, as the ingestor does: by partition, until accepted."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.delivery.output import OutputStream
from tickwire.envelope import MAX_RECORD_BYTES, encode
from tickwire.errors import TickwireError
from tickwire.partitions import partition_of
from tickwire.payloads import encode_within
from tickwire.records import Record

STAGE = "command"
"""Its name among the hops of a record."""

_ROOM = 1024
"""Bytes kept free of a record's limit, for its key and its hop."""


class NotAccepted(TickwireError):
    """Records cannot be put, or were not all accepted; the message says why."""


class WrongPartitions(NotAccepted):
    """The number of partitions is not the platform's; no trying again helps."""


def check_partitions(partitions: int, placed: Iterable[tuple[str, str, int]]) -> None:
    """Refuse a number of partitions that is not the platform's.

    A symbol sent to another partition would begin there anew, and each of its trades would count twice.

    Parameters
    ----------
    placed : (venue, symbol, partition) of what the platform's ledger knows

    Raises
    ------
    WrongPartitions
    """
    for venue, symbol, partition in placed:
        if (reckoned := partition_of(venue, symbol, partitions)) != partition:
            raise WrongPartitions(
                f"TICKWIRE_PARTITIONS={partitions} is not this platform's number: {venue}:{symbol} would go to"
                f" partition {reckoned}, and is in {partition}; nothing was sent"
            )


class RawStream:
    """The stream trades-raw.

    Parameters
    ----------
    client : of Kinesis
    seconds : how long refused records are tried again
    """

    def __init__(self, client: Any, *, stream: str, partitions: int, seconds: float = 60.0) -> None:
        self._stream = stream
        self._output = OutputStream(client, stream=stream, partitions=partitions)
        self._seconds = seconds

    def put(self, records: Sequence[Record]) -> None:
        """Put records; returns once all are accepted.

        Raises
        ------
        NotAccepted
            If the stream does not take them; some may have been accepted.
        """
        waiting: dict[int, list[Record]] = {}
        for record in records:
            parts = encode_within(record, MAX_RECORD_BYTES - _ROOM, encode)
            waiting.setdefault(record.header.partition, []).extend(part for _, part in parts)
        deadline = time.monotonic() + self._seconds
        while waiting:
            # One of a partition at a time: on trades-raw an envelope has a stream record to itself.
            turn = {partition: queue[:1] for partition, queue in waiting.items()}
            try:
                refused = self._output.put(turn, stage=STAGE, remaining=lambda: deadline - time.monotonic())
            except (BotoCoreError, ClientError) as error:
                raise NotAccepted(f"{self._stream} cannot be written to: {error}") from error
            if refused:
                raise NotAccepted(f"{self._stream} did not accept everything: {next(iter(refused.values()))}")
            waiting = {partition: queue[1:] for partition, queue in waiting.items() if len(queue) > 1}
