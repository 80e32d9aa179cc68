"""Errors as SageMaker answers them."""

from tickwire.errors import TickwireError


class ServiceError(TickwireError):
    """A request that is refused.

    Attributes
    ----------
    code : the error's name, as botocore's clients tell it
    status : of HTTP
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def invalid(message: str) -> ServiceError:
    """Give the error by which SageMaker tells of wrong arguments, and of most that is missing."""
    return ServiceError("ValidationException", message)
