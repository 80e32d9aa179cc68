"""The codes of ``error`` messages, and what each means."""

from collections.abc import Mapping

ERROR_CODES: Mapping[str, str] = {
    "message_too_large": "The message has more than 32 KB.",
    "not_json": "It is not JSON.",
    "unknown_action": "It has no action, or one that there is not.",
    "invalid_message": "A field is missing, has another type, or is out of bounds.",
    "unknown_topic": "There is no such topic.",
    "invalid_symbol": "It is no symbol, or not one that the topic takes.",
    "too_many_subscriptions": "The connection would have more than 100; nothing was changed.",
    "rate_limited": "More than 20 messages a second; this one was not acted on.",
    "login_expired": "The token has expired; the connection ends.",
    "forbidden": "It asks for what the connection has no right to, or has not subscribed to.",
    "internal": "Something went wrong on our side; the same message may be sent again.",
}
"""By code, in one sentence."""
