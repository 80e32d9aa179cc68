"""Which small files of a day become one. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

ROWS_OF_A_FILE = 4_000_000
"""Rows that one file may get: 60 to 100 MB of Parquet, and under two GB of memory while they are sorted."""

FILES_OF_A_BIN = 5_000
"""Files that become one at most: their addresses travel in a message of a megabyte."""

FEWEST_FILES = 4
"""Files of a closed day that are worth rewriting. Late trades bring a file or two; these wait for more."""

FEWEST_FILES_OPEN = 500
"""Files of a day that still grows. What they become is rewritten with the next ones until it is half full."""


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A data file of the table.

    Attributes
    ----------
    day : UTC day of exchange time, counted from 1970
    rows : how many it holds
    first : lower bound of its exchange times, ns; 0 where the table does not know
    amended : whether rows of it have been deleted, which its rewriting would have to repeat
    task : what pyiceberg reads it by
    """

    day: int
    rows: int
    first: int
    amended: bool = False
    task: Any = None


def plan_bins(
    files: Iterable[LiveFile],
    *,
    open_from: int,
    rows: int = ROWS_OF_A_FILE,
    count: int = FILES_OF_A_BIN,
    fewest_open: int = FEWEST_FILES_OPEN,
) -> Iterator[list[LiveFile]]:
    """Give the groups of files that become one file each, oldest day first.

    Days from ``open_from`` on still grow, and are compacted for ``fewest_open`` files and more alone.

    A file with half of ``rows`` or more stays as it is, and so does a day of which rows have been
    deleted. Within a day files go together by time, so that several big ones can be told apart by
    it too.
    """
    by_day = sorted(files, key=lambda file: (file.day, file.first))
    for day, of_day in groupby(by_day, key=lambda file: file.day):
        whole = list(of_day)
        fewest = fewest_open if day >= open_from else FEWEST_FILES
        if any(file.amended for file in whole):
            continue
        group: list[LiveFile] = []
        held = 0
        for file in (file for file in whole if 2 * file.rows < rows):
            if held + file.rows > rows or len(group) == count:
                if len(group) >= fewest:
                    yield group
                group, held = [], 0
            group.append(file)
            held += file.rows
        if len(group) >= fewest:
            yield group
