"""What the topic ``alerts`` carries: that a rule of the client's own has fired. Light, as ``messages``."""

import msgspec


class FiringData(msgspec.Struct, frozen=True):
    """A firing of the rule ``alert``, of ``kind`` ``price``, ``indicator``, ``whale`` or ``signal``.

    ``value`` is what met the condition: decimal text of a price, a number of an estimate; ``time`` is ms UTC, ``text``
    a sentence for people, ``note`` what the user wrote with the rule.
    """

    id: str
    alert: str
    kind: str
    venue: str
    symbol: str
    time: int
    value: str | float
    text: str
    note: str
