"""What can go wrong between the committer and the table."""

from tickwire.errors import TickwireError


class LakeConflict(TickwireError):
    """Another commit came first; nothing of this one is in the table."""


class CountersLost(TickwireError):
    """The table has snapshots, and neither one of them nor the table says which counters it holds."""


class FileMismatch(TickwireError):
    """A data file does not hold what its announcement said, or columns that the table has not."""


class StaleReplacement(TickwireError):
    """The table no longer holds what was compacted, so the compacted files stand for nothing in it."""


class SchemaMismatch(TickwireError):
    """The table's columns and the code's cannot be brought together without breaking files or readers."""


class LakeUnrecoverable(TickwireError):
    """No metadata file of the table can be read."""
