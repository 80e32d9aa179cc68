"""Why a server does not answer a request."""

from tickwire.errors import TickwireError


class RefusedRequest(TickwireError, ValueError):
    """A request that is the client's to mend.

    Attributes
    ----------
    status : the HTTP status, 400 to 499
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
