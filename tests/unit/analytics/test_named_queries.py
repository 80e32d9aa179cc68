import re
from datetime import UTC, datetime, timedelta, timezone

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.analytics.named_queries import InvalidParameter, Parameter, UnknownQuery, named_queries, named_query
from tickwire.lake import SCHEMA

# What Trino (https://trino.io/docs/current/functions.html) and DuckDB (https://duckdb.org/docs/sql/functions)
# both have under this name, with these arguments in this order, and mean alike.
IN_BOTH = {
    "avg", "cast", "coalesce", "count", "date_trunc", "lag", "max", "max_by", "min", "min_by", "sum",
}  # fmt: skip
# Words that a parenthesis follows and that are no functions.
GRAMMAR = {"as", "by", "filter", "from", "in", "over", "and"}

DATES = {
    "symbols": "BTC-USD",
    "seconds": "60",
    "rows": "3",
    "start": "2024-08-08",
    "end": "2024-08-09",
}
EVERY = pytest.mark.parametrize("name", list(named_queries()))


@EVERY
def test_every_query_says_what_it_answers_and_what_each_parameter_means(name):
    query = named_query(name)
    assert re.fullmatch(r"[A-Z][^:]+[.:] .+|[A-Z][^:]+: .+", query.answers)
    assert query.answers.endswith(".")
    assert [p.name for p in query.parameters][-2:] == ["start", "end"]
    assert all(p.says and p.default for p in query.parameters)


@EVERY
def test_every_parameter_is_used_and_every_place_is_a_parameter(name):
    query = named_query(name)
    places = set(re.findall(r"(?<![\w:']):([a-z_]+)\b", query.text))
    assert places == {parameter.name for parameter in query.parameters}


@EVERY
def test_a_text_has_no_function_that_one_of_the_engines_lacks(name):
    called = {word.lower() for word in re.findall(r"\b([A-Za-z_]+)\s*\(", named_query(name).text)}
    assert called - GRAMMAR <= IN_BOTH


@EVERY
@pytest.mark.parametrize("values", [{}, DATES], ids=["defaults", "values"])
def test_duckdb_accepts_every_query_with_its_defaults_and_with_values(name, values):
    query = named_query(name)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("trades", SCHEMA.empty_table())
        known = {parameter.name for parameter in query.parameters}
        connection.execute(query.sql({key: value for key, value in values.items() if key in known}))


def test_a_moment_in_another_zone_is_the_same_moment():
    start = Parameter("start", "timestamp", "", "")
    east = datetime(2024, 8, 8, 14, 30, 0, 5, timezone(timedelta(hours=2)))
    assert start.literal(east) == "TIMESTAMP '2024-08-08 12:30:00.000005 UTC'"
    assert start.literal("2024-08-08T14:30:00+02:00") == "TIMESTAMP '2024-08-08 12:30:00.000000 UTC'"
    assert start.literal("2024-08-08") == start.literal(datetime(2024, 8, 8, tzinfo=UTC))


@given(st.lists(st.text(st.characters(exclude_characters=",\x00", exclude_categories=["Cs"])), min_size=1, max_size=3))
def test_a_text_cannot_leave_its_literal(texts):
    literal = Parameter("symbols", "texts", "", "").literal(texts)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT [{literal}]").fetchone()
    assert found == ([text.strip() for text in texts],)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seconds": "a minute"}, "seconds='a minute' is no integer: write 60"),
        ({"start": "yesterday"}, "start='yesterday' is no timestamp: write 2024-08-08"),
        ({"symbols": 5}, "symbols=5 is no texts: write BTC-USD,ETH-USD"),
        ({"symbol": "BTC-USD"}, "bars has no parameter symbol; it has symbols, seconds, start, end"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_to_write(values, message):
    with pytest.raises(InvalidParameter, match=re.escape(message)):
        named_query("bars").sql(values)


def test_an_unknown_query_is_answered_with_those_that_there_are():
    with pytest.raises(UnknownQuery, match="no named query 'bar'; there are bars, completeness_by_hour"):
        named_query("bar")
