"""The queries of ``queries/``: a head that says what each answers and takes, and one text for all engines.

The texts keep to what Trino (Athena) and DuckDB both know and mean alike. Parameters are written
``:name`` and are put in as literals, which both read alike too: Athena's own parameters (``?``) have
no names, and cannot be tried in its console with values that somebody changes.

The head is a comment: the answer in one line, what else there is to know, and a line for each
parameter with its kind, its meaning and what it is if nobody says::

    -- :seconds  integer  length of a bar  = 60
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from tickwire.errors import TickwireError

_PARAMETER = re.compile(r"^:(\w+) +(texts|integer|timestamp) +(.+?) += (.+)$")
# A parameter is a colon and a name, but for the colons within text and within a time of the day.
_PLACE = re.compile(r"(?<![\w:']):([a-z_]+)\b")

Value = str | int | datetime | Iterable[str]
"""What a parameter takes: its text as on a command line, or the value itself."""


class UnknownQuery(TickwireError):
    """There is no named query of that name."""


class InvalidParameter(TickwireError):
    """A query has no such parameter, or the value is not of its kind."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a query takes.

    Attributes
    ----------
    kind : ``texts``, ``integer`` or ``timestamp``
    says : what it means
    default : SQL that stands for it where no value is given
    """

    name: str
    kind: str
    says: str
    default: str

    def literal(self, value: Value) -> str:
        """Give a value as SQL.

        Raises
        ------
        InvalidParameter
            If it is not of the parameter's kind.
        """
        try:
            if self.kind == "integer" and isinstance(value, str | int):
                return str(int(value))
            if self.kind == "timestamp" and isinstance(value, str | datetime):
                return _timestamp(value)
            if self.kind == "texts" and not isinstance(value, int | datetime):
                texts = value.split(",") if isinstance(value, str) else list(value)
                # Doubled quotes are all that either engine asks for; a backslash is a character to both.
                return ", ".join("'" + text.strip().replace("'", "''") + "'" for text in texts)
        except ValueError:
            pass
        raise InvalidParameter(f"{self.name}={value!r} is no {self.kind}: {_EXAMPLES[self.kind]}")


_EXAMPLES = {
    "integer": "write 60",
    "timestamp": "write 2024-08-08 or 2024-08-08T12:30:00Z",
    "texts": "write BTC-USD,ETH-USD",
}


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """One query.

    Attributes
    ----------
    answers : what it answers, in one line
    notes : what else there is to know, or empty
    parameters : in their order
    text : the statement with its parameters in it, without the head
    """

    name: str
    answers: str
    notes: str
    parameters: tuple[Parameter, ...]
    text: str

    def sql(self, values: Mapping[str, Value] | None = None) -> str:
        """Give the statement with values, and with defaults for the parameters that have none.

        Raises
        ------
        InvalidParameter
            If there is no such parameter, or a value is not of its kind.
        """
        given = dict(values or {})
        literals = {
            parameter.name: parameter.literal(given.pop(parameter.name))
            if parameter.name in given
            else parameter.default
            for parameter in self.parameters
        }
        if given:
            known = ", ".join(literals)
            raise InvalidParameter(f"{self.name} has no parameter {', '.join(sorted(given))}; it has {known}")
        return _PLACE.sub(lambda place: literals[place[1]], self.text)


@cache
def named_queries() -> Mapping[str, NamedQuery]:
    """Give all named queries by name, in alphabetical order."""
    folder = files("tickwire.analytics.queries")
    texts = {
        path.name.removesuffix(".sql"): path.read_text() for path in folder.iterdir() if path.name.endswith(".sql")
    }
    return {name: _parse(name, texts[name]) for name in sorted(texts)}


def named_query(name: str) -> NamedQuery:
    """Give the named query of a name.

    Raises
    ------
    UnknownQuery
        If there is none.
    """
    try:
        return named_queries()[name]
    except KeyError:
        raise UnknownQuery(f"no named query {name!r}; there are {', '.join(named_queries())}") from None


def _parse(name: str, text: str) -> NamedQuery:
    lines = text.splitlines()
    head = [line.removeprefix("--").strip() for line in lines if line.startswith("--")]
    parameters = [Parameter(*match.groups()) for line in head if (match := _PARAMETER.match(line)) is not None]
    prose = [line for line in head if not line.startswith(":")]
    return NamedQuery(
        name=name,
        answers=prose[0],
        notes="\n".join(prose[1:]).strip(),
        parameters=tuple(parameters),
        text="\n".join(line for line in lines if not line.startswith("--")).strip(),
    )


def _timestamp(value: str | datetime) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f} UTC'"
