"""What boto3 raises, as a short code for logs and retries."""

from botocore.exceptions import BotoCoreError, ClientError

CALL_ERRORS = (ClientError, BotoCoreError, OSError)
"""Whatever a call may raise that a later try may cure."""


def error_code(error: Exception) -> str:
    """Give AWS' error code (``ProvisionedThroughputExceededException``), or the exception's name."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__
