"""The failures that the domain names. A bad row is data; a bad record or programme is one of these."""


class TickwireError(Exception):
    """Root of every error that Tickwire raises on purpose."""


class InexactDecimal(TickwireError, ValueError):
    """A decimal text cannot be held exactly as int64 at the symbol's scale."""


class UnreadableTime(TickwireError, ValueError):
    """A timestamp text is not RFC 3339, or lies outside int64 nanoseconds."""


class UnknownSymbol(TickwireError, ValueError):
    """A venue's symbol cannot be turned into a canonical ``BASE-QUOTE``."""


class DamagedRecord(TickwireError, ValueError):
    """A stream record is cut short, altered, or not a Tickwire record at all."""


class UnknownRecordVersion(TickwireError, ValueError):
    """A stream record was written by a version of the envelope that this code cannot read."""


class UnreadableState(TickwireError, ValueError):
    """A stage's saved state is damaged, or was written by a version that this code cannot read."""


class CounterJump(TickwireError):
    """A partition's dense counter skipped: going on would lose records, so the partition stops."""
