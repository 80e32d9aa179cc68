"""What cannot be computed."""

from tickwire.errors import TickwireError


class UnusableInput(TickwireError):
    """Numbers that do not describe a position or a portfolio; the message says which and why."""
