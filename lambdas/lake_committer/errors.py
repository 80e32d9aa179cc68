"""What can go wrong between the committer and the table."""

from tickwire.errors import TickwireError


class LakeConflict(TickwireError):
    """Another commit came first; nothing of this one is in the table."""


class CountersLost(TickwireError):
    """The table has snapshots and none of them says which counters it holds."""


class FileMismatch(TickwireError):
    """A data file does not hold what its announcement said."""


class LakeUnrecoverable(TickwireError):
    """No metadata file of the table can be read."""
