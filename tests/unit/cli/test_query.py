import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tickwire.cli.main import main
from tickwire.cli.output import CommandError
from tickwire.cli.query_sources import find_sources


@pytest.fixture
def trades(tmp_path: Path) -> str:
    """A file with the columns of `tickwire normalize` that the tests ask for."""
    table = pa.table(
        {
            "symbol": ["BTC-USD", "BTC-USD", None],
            "price": pa.array(
                [Decimal("61685.99"), Decimal("0.000000000000000001"), Decimal(100)], pa.decimal128(38, 18)
            ),
            "exchange_time": pa.array(
                [datetime(2024, 8, 8, 0, 0, 0, 1, UTC), datetime(2024, 8, 8, tzinfo=UTC), None],
                pa.timestamp("ns", "UTC"),
            ),
        }
    )
    pq.write_table(table, tmp_path / "trades.parquet")
    return str(tmp_path / "trades.parquet")


@pytest.fixture(autouse=True)
def no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TICKWIRE_LAKE_DATABASE", "TICKWIRE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_a_parquet_file_is_a_lake_and_its_decimals_stay_exact(trades, capsys):
    assert main(["query", "SELECT * FROM trades ORDER BY price", "--lake", trades]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "symbol                  price  exchange_time",
        "-------  --------------------  ------------------------------",
        "BTC-USD  0.000000000000000001  2024-08-08T00:00:00.000000000Z",
        "NULL                      100  NULL",
        "BTC-USD              61685.99  2024-08-08T00:00:00.000001000Z",
    ]


def test_json_has_strings_for_decimals_and_null_for_null(trades, capsys):
    assert main(["query", "SELECT * FROM trades WHERE symbol IS NULL", "--lake", trades, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"symbol": None, "price": "100", "exchange_time": None}]


def test_json_of_no_rows_is_an_empty_array(trades, capsys):
    assert main(["query", "SELECT * FROM trades WHERE false", "--lake", trades, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_json_numbers_repeated_names_and_has_no_infinity(trades, capsys):
    assert main(["query", "SELECT 1 AS a, 2 AS a, 'inf'::DOUBLE AS b, [1.5] AS c", "--lake", trades, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)[0]
    assert list(found.values()) == [1, 2, None, ["1.5"]]
    assert len(found) == 4


def test_csv_quotes_what_needs_it(trades, capsys):
    assert main(["query", """SELECT 'a,"b' AS t, NULL AS n, true AS f""", "--lake", trades, "--csv"]) == 0
    assert capsys.readouterr().out == 't,n,f\n"a,""b",,true\n'


def test_a_long_result_is_cut_and_says_so(trades, capsys):
    assert main(["query", "SELECT * FROM range(5)", "--lake", trades, "--rows", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["    1", "(the first 2 rows; --rows 0 prints all)"]
    assert main(["query", "SELECT * FROM range(5)", "--lake", trades, "--rows", "0"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_a_wide_result_keeps_its_numbers_and_names_what_is_left_out(trades, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    sql = "SELECT repeat('x', 50) AS text, 12345678901234 AS n, repeat('y', 50) AS more"
    assert main(["query", sql, "--lake", trades]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "text                                   n",
        "------------------------  --------------",
        "xxxxxxxxxxxxxxxxxxxxxxx…  12345678901234",
        "(1 more column: choose some, or use --json or --csv)",
    ]


def test_the_statement_can_come_from_standard_input(trades, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT count(*) AS n FROM trades"))
    assert main(["query", "-", "--lake", trades, "--csv"]) == 0
    assert capsys.readouterr().out == "n\n3\n"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC", 'syntax error at or near "SELEC"'),
        ("SELECT nothing FROM trades", '"nothing" not found'),
        ("SELECT 1 FROM bars", "bars: no PostgreSQL to ask; name it with --database"),
        ("  ", "there is no SQL to run"),
        ("SELECT 'x'::INTEGER FROM trades", "Could not convert string 'x' to INT32"),
    ],
)
def test_a_query_that_fails_says_why_in_words(trades, capsys, sql, message):
    assert main(["query", sql, "--lake", trades]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tickwire query: ")
    assert message in captured.err


def test_nothing_of_this_process_can_be_read_by_name(trades, capsys):
    """DuckDB by itself takes an unknown table for a Python variable."""
    assert main(["query", "SELECT * FROM args", "--lake", trades]) == 1
    assert "args does not exist" in capsys.readouterr().err


def test_without_a_lake_the_command_says_what_to_do(capsys):
    assert main(["query", "SELECT 1"]) == 1
    assert capsys.readouterr().err == (
        "tickwire query: no lake to ask: no stack of `tickwire run` is running in .tickwire;"
        " start one, or name a lake with --lake\n"
    )


def test_a_stack_that_has_ended_is_not_asked(tmp_path):
    write_state(tmp_path, pid=ended_process())
    with pytest.raises(CommandError, match="no lake to ask"):
        find_sources(tmp_path, lake=None, database=None, environment={})


def test_a_running_stack_is_asked_before_the_environment(tmp_path):
    write_state(tmp_path, pid=os.getpid())
    sources = find_sources(tmp_path, lake=None, database=None, environment={"TICKWIRE_LAKE_DATABASE": "prod"})
    assert (sources.glue_database, sources.database_url) == ("local", "postgresql:///x")
    assert sources.aws["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"


def test_the_environment_names_a_lake_in_the_cloud(tmp_path):
    sources = find_sources(
        tmp_path,
        lake=None,
        database=None,
        environment={"TICKWIRE_LAKE_DATABASE": "prod", "TICKWIRE_DATABASE_URL": "postgresql://x/y"},
    )
    assert (sources.glue_database, sources.aws, sources.database_url) == ("prod", {}, "postgresql://x/y")


def write_state(folder: Path, *, pid: int) -> None:
    state = {
        "pid": pid,
        "endpoint_url": "http://127.0.0.1:1",
        "lake_bucket": "lake",
        "lake_database": "local",
        "database_url": "postgresql:///x",
    }
    (folder / "run").mkdir()
    (folder / "run" / "run.json").write_text(json.dumps(state))


def ended_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid
