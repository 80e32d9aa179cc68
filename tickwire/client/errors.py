"""What a client cannot get over by itself."""

from tickwire.errors import TickwireError


class LoginRefused(TickwireError):
    """The server does not take the token, again and again."""


class RequestRefused(TickwireError):
    """The server does not do what it was asked; ``code`` is for programmes (docs/websocket-api.md, "Errors")."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
