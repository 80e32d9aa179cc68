"""Small files become large ones, sorted; the committer puts them in the table.

This function changes nothing in the table. It reads files, writes what holds the same rows, and
says so in a message of the queue that the committer reads: the committer stays the table's one
writer, so neither holds the other up by conflicts, and the counters go on in the snapshot that
replaces the files. Stopped at any point, this leaves at most a file that nothing names.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pyarrow as pa
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan

from lambdas.lake_maintenance.plan import LiveFile, plan_bins
from lambdas.lake_writer.files import data_key, parquet_bytes
from lambdas.lake_writer.message import WrittenBatch, WrittenFile, encode_message
from lambdas.lake_writer.writer import MESSAGE_GROUP
from tickwire.errors import TickwireError
from tickwire.lake import columns_of

_ORDER = [(name, "ascending") for name in ("venue", "symbol", "trade_id", "stream_partition", "stream_counter")]
# A reader of one symbol opens the groups of rows that may hold it.
_ROW_GROUP = 250_000


class RowsMissing(TickwireError):
    """Files hold another number of rows than the table says; nothing of them is announced."""


@dataclass(slots=True)
class Compacted:
    """What a run did: files read and written, and groups of files that it had no time for."""

    files_read: int = 0
    files_written: int = 0
    waiting: int = 0


def compact(
    table: Any,
    *,
    open_from: int,
    bucket: str,
    queue_url: str,
    s3: Any,
    sqs: Any,
    in_time: Callable[[], bool],
) -> Compacted:
    """Compact all days, one file at a time, while there is time.

    ``open_from`` is the first UTC day (from 1970) that still grows.

    Raises
    ------
    RowsMissing
        If a file does not hold what the table says.
    """
    done = Compacted()
    for group in plan_bins(live_files(table), open_from=open_from):
        if not in_time():
            done.waiting += 1
            continue
        body, rows = _rewritten(table, group)
        key = data_key(group[0].day, body)
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/vnd.apache.parquet")
        message = encode_message(
            WrittenBatch(
                (WrittenFile(f"s3://{bucket}/{key}", rows),),
                partitions={},
                replaces=tuple(file.task.file.file_path for file in group),
            )
        )
        sqs.send_message(
            QueueUrl=queue_url,
            MessageBody=message.decode(),
            MessageGroupId=MESSAGE_GROUP,
            MessageDeduplicationId=sha256(message).hexdigest(),
        )
        done.files_read += len(group)
        done.files_written += 1
    return done


def live_files(table: Any) -> Iterator[LiveFile]:
    """Give the table's data files."""
    time = table.schema().find_field("exchange_time_ns")
    for task in table.scan().plan_files():
        first = (task.file.lower_bounds or {}).get(time.field_id)
        yield LiveFile(
            day=task.file.partition[0],
            rows=task.file.record_count,
            first=0 if first is None else int(from_bytes(time.field_type, first)),
            amended=bool(task.delete_files),
            task=task,
        )


def _rewritten(table: Any, group: Iterable[LiveFile]) -> tuple[bytes, int]:
    """Give one file's bytes with all rows of a group, in the columns of the table, and their number.

    The table's columns and not the code's, which may be older or newer than the files.
    """
    files = list(group)
    scan = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue())
    rows: pa.Table = scan.to_table([file.task for file in files])
    if rows.num_rows != sum(file.rows for file in files):
        raise RowsMissing(f"{len(files)} files hold {rows.num_rows} rows, not {sum(file.rows for file in files)}")
    number = rows.num_rows
    rows = rows.cast(columns_of(table)).sort_by(_ORDER)
    return parquet_bytes(rows, row_group=_ROW_GROUP), number
