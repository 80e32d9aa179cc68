"""Text that PostgreSQL can hold."""


def storable(text: str) -> str:
    """Replace what PostgreSQL's UTF-8 text cannot hold (NUL, lone surrogates) by U+FFFD.

    What people sent may hold anything; one such character must not stop a partition for ever.
    """
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
