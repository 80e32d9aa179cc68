"""Notices when a venue changes its messages: fields that appear, vanish or change JSON type."""

from collections.abc import Iterable, Mapping

from tickwire.venues.feed import ParsedFrames

SAMPLE_EVERY = 64
"""One message in this many of each type is compared; a change lasts, so a sample finds it."""

MAX_FIELD_NAME = 40
MAX_APPEARED = 8
"""Bounds on what one message may add to the counts: its field names are not ours to trust."""

JsonTypes = type | tuple[type, ...]


class DriftWatch:
    """Compares messages with the fields that a venue is known to send.

    The typed decoders pass over unknown fields and never see the type of a field that they do not
    read, so drift is looked for in the message decoded to plain JSON values. As that costs more
    than the typed decode, the caller does it only when :meth:`due` says so (the first message of
    each type, then one in :data:`SAMPLE_EVERY`) and for every message whose typed decode failed.

    Parameters
    ----------
    expected : for each message type, its field names and the JSON type or types of each, as Python
        types (``str``, ``int``, ``float``, ``bool``, ``list``, ``dict``, ``type(None)``). They are
        matched exactly: ``bool`` is not an ``int``, and a number that may come with or without a
        fraction is ``(int, float)``.
    optional : for each message type, the fields that may be absent. One that is also in
        ``expected`` has its type checked when it comes; any other may be anything.
    """

    __slots__ = ("_countdown", "_optional", "_required", "_types")

    def __init__(
        self,
        expected: Mapping[str, Mapping[str, JsonTypes]],
        optional: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self._optional = dict(optional or {})
        self._types: dict[str, dict[str, tuple[type, ...]]] = {}
        self._required: dict[str, frozenset[str]] = {}
        for message_type, fields in expected.items():
            self._types[message_type] = {
                name: kinds if isinstance(kinds, tuple) else (kinds,) for name, kinds in fields.items()
            }
            self._required[message_type] = frozenset(fields) - self._optional.get(message_type, frozenset())
        self._countdown = dict.fromkeys(self._types, 1)

    def due(self, message_type: str) -> bool:
        """Count one message of this type and say whether it is one to compare.

        Always False for a type that is not in ``expected``.
        """
        left = self._countdown.get(message_type)
        if left is None:
            return False
        self._countdown[message_type] = SAMPLE_EVERY if left == 1 else left - 1
        return left == 1

    def observe(self, message_type: str, message: Mapping[str, object], out: ParsedFrames) -> None:
        """Compare one message with what is expected of its type; count each difference in ``out.drift``.

        The keys of the counts are ``<type>.<field> appeared``, ``… vanished`` and
        ``… type_changed``. A type that is not in ``expected`` is passed over: the feed counts it
        among the ignored.
        """
        types = self._types.get(message_type)
        if types is None:
            return
        appeared = []
        for name, value in message.items():
            kinds = types.get(name)
            if kinds is None:
                appeared.append(name)
            elif type(value) not in kinds:
                out.drift[f"{message_type}.{name} type_changed"] += 1
        _count(out, message_type, set(appeared) - self._optional.get(message_type, frozenset()), "appeared")
        _count(out, message_type, self._required[message_type] - message.keys(), "vanished")


def _count(out: ParsedFrames, message_type: str, names: Iterable[str], change: str) -> None:
    for name in sorted(names)[:MAX_APPEARED]:
        out.drift[f"{message_type}.{name[:MAX_FIELD_NAME]} {change}"] += 1
