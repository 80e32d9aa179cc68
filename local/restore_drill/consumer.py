"""A function's event source on a stream, moved by hand and able to start again from a moment."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tickwire.errors import TickwireError

Function = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""Takes a Kinesis event; gives the sequence number of what it could not do → why."""

_BATCH = 100


class Stopped(TickwireError):
    """A function refuses to go on, so its shard waits."""


class Consumer:
    """Hands a stream's records to a function, shard by shard, each once unless it is rewound."""

    def __init__(self, kinesis: Any, *, name: str, stream: str, function: Function) -> None:
        self._kinesis = kinesis
        self._stream = stream
        self._function = function
        self._from: dict[str, dict[str, Any]] = {}
        self.name = name
        self.records = 0
        for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
            self._from[shard["ShardId"]] = {"ShardIteratorType": "TRIM_HORIZON"}

    def rewind(self, moment: datetime) -> None:
        """Read again from the first record that came at ``moment`` or later."""
        for shard in self._from:
            self._from[shard] = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": moment}

    def run(self) -> None:
        """Hand over everything up to the tip of each shard.

        Raises
        ------
        Stopped
            If the function cannot go on; it gets the same records again at the next run.
        """
        for shard, start in self._from.items():
            iterator = self._kinesis.get_shard_iterator(StreamName=self._stream, ShardId=shard, **start)
            token = iterator["ShardIterator"]
            while items := (reply := self._kinesis.get_records(ShardIterator=token, Limit=_BATCH))["Records"]:
                failures = self._function({"Records": [_event_record(item) for item in items]})
                if failures:
                    raise Stopped(f"{self.name}: {min(failures.items(), key=lambda failure: int(failure[0]))[1]}")
                self.records += len(items)
                self._from[shard] = {
                    "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                    "StartingSequenceNumber": items[-1]["SequenceNumber"],
                }
                token = reply["NextShardIterator"]


def _event_record(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kinesis": {
            "sequenceNumber": item["SequenceNumber"],
            "partitionKey": item["PartitionKey"],
            "data": b64encode(item["Data"]).decode(),
            "approximateArrivalTimestamp": item["ApproximateArrivalTimestamp"].timestamp(),
        }
    }
