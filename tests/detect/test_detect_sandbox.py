"""Detector SQL is one SELECT over the case's events, whatever it tries."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from tests.detect.building import make_case, web

from breachscope.detect.sandbox import Sandbox, open_sandbox
from breachscope.errors import DetectorError
from breachscope.schema import EVENT_TABLES

SQL = Path("query.sql")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("", "must be exactly one SELECT, but holds nothing"),
        ("SELECT 1; SELECT 2", "must be exactly one SELECT, but holds SELECT, SELECT"),
        ("COPY web TO '/tmp/x.csv'", "must be exactly one SELECT, but holds COPY"),
        ("ATTACH '/tmp/x.db'", "must be exactly one SELECT, but holds ATTACH"),
        ("INSTALL httpfs", "must be exactly one SELECT, but holds LOAD"),
        ("SET memory_limit = '100GB'", "must be exactly one SELECT, but holds SET"),
        ("PRAGMA database_list", "must be exactly one SELECT"),
        ("CALL pragma_version()", "must be exactly one SELECT, but holds CALL"),
        ("DROP VIEW web", "must be exactly one SELECT, but holds DROP"),
        ("CREATE TABLE x AS SELECT 1", "must be exactly one SELECT, but holds CREATE"),
        ("EXPLAIN ANALYZE SELECT 1", "must be exactly one SELECT, but holds EXPLAIN"),
        ("FROM (PIVOT web ON status USING count(*))", "must be exactly one SELECT"),
        ("WITH x AS (DELETE FROM web RETURNING *) SELECT * FROM x", "delete query is not allowed"),
        ("DESCRIBE web", "show ref is not allowed"),
        ("SHOW TABLES", "show ref is not allowed"),
        ("SELECT * FROM web TABLESAMPLE 10%", "tablesample is not allowed"),
        ("SELECT * FROM '/etc/passwd'", "there is no table '/etc/passwd'"),
        ("SELECT * FROM 'x.parquet'", "there is no table 'x.parquet'"),
        ("SELECT * FROM information_schema.tables", "there is no table 'information_schema.tables'"),
        ("SELECT * FROM main.web", "there is no table 'main.web'"),
        ("SELECT * FROM sandbox", "there is no table 'sandbox'"),
        ("SELECT * FROM read_text('/etc/passwd')", "table function read_text() is not allowed"),
        ("SELECT * FROM read_csv('/etc/passwd')", "table function read_csv() is not allowed"),
        ("SELECT * FROM read_parquet('events/web/1.parquet')", "table function read_parquet() is not allowed"),
        ("SELECT * FROM parquet_scan('events/web/1.parquet')", "table function parquet_scan() is not allowed"),
        ("SELECT * FROM glob('/*')", "table function glob() is not allowed"),
        ("SELECT * FROM query('SELECT 1')", "table function query() is not allowed"),
        ("SELECT * FROM query_table('web')", "table function query_table() is not allowed"),
        ("SELECT * FROM duckdb_settings()", "table function duckdb_settings() is not allowed"),
        ("SELECT * FROM sliding_total('/etc/passwd', INTERVAL 1 SECOND)", "there is no table '/etc/passwd'"),
        ("SELECT * FROM sliding_total('x' || '.csv', INTERVAL 1 SECOND)", "there is no table 'none'"),
        ("SELECT 1 FROM web, LATERAL (SELECT * FROM read_text('x'))", "table function read_text() is not allowed"),
        ("SELECT (SELECT max(content) FROM read_text('x'))", "table function read_text() is not allowed"),
        ("SELECT 1 WHERE EXISTS (SELECT * FROM read_blob('x'))", "table function read_blob() is not allowed"),
        ("SELECT getenv('HOME')", "function getenv() is not allowed"),
        ("SELECT current_setting('temp_directory')", "function current_setting() is not allowed"),
        ("SELECT getvariable('x')", "function getvariable() is not allowed"),
        ("SELECT pg_sleep(1)", "function pg_sleep() is not allowed"),
        ("SELECT system.main.getenv('HOME')", "function system.main.getenv() is not allowed"),
        ("SELECT now()", "function now() is not allowed"),
        ("SELECT current_timestamp", "function"),
        ("SELECT CURRENT_DATE", "function current_date() is not allowed"),
        ("SELECT random()", "function random() is not allowed"),
        ("SELECT uuid()", "function uuid() is not allowed"),
        ("SELECT ago(INTERVAL 1 DAY)", "function ago() is not allowed"),
        ("SELECT any_value(path) FROM web", "any_value() differs from run to run; use min or max"),
        ("SELECT first(path) FROM web", "first() differs from run to run; use min or arg_min"),
        ("SELECT approx_count_distinct(path) FROM web", "use count(DISTINCT …)"),
        ("SELEC 1", "syntax error"),
    ],
)
def test_anything_but_a_pure_select_over_events_is_refused(sandbox: Sandbox, sql: str, reason: str) -> None:
    _, errors = sandbox.inspect(sql, SQL)
    assert errors, sql
    assert reason in "\n".join(e.text for e in errors)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM web",
        "FROM auth",
        "WITH x AS (SELECT ts FROM network) SELECT count(*) OVER (ORDER BY ts RANGE BETWEEN $span PRECEDING AND CURRENT ROW) FROM x",
        "SELECT path, list(status ORDER BY ts) FROM web GROUP BY ALL HAVING count(*) > 3 QUALIFY row_number() OVER (ORDER BY path) = 1",
        "SELECT unnest([1, 2]), range FROM range(3)",
        'SELECT "user" FROM web UNION ALL SELECT "user" FROM auth',
        "SELECT list_transform([1], lambda x: x + 1), robust_z(1.0, [2.0])",
        "WITH e AS (SELECT 1 AS group_id, ts, 1 AS amount FROM web) SELECT * FROM sliding_total('e', INTERVAL 1 MINUTE)",
    ],
)
def test_ordinary_analysis_is_allowed(sandbox: Sandbox, sql: str) -> None:
    assert sandbox.inspect(sql, SQL)[1] == []


def test_a_refusal_names_the_line_it_stands_on(sandbox: Sandbox) -> None:
    _, errors = sandbox.inspect("-- 一行\nSELECT path,\n  getenv('HOME')\nFROM web,\n  read_text('x')", SQL)
    assert [str(e).split(" ")[0] for e in sorted(errors, key=lambda e: e.line or 0)] == ["query.sql:3:", "query.sql:5:"]


def test_the_parameters_and_relations_of_a_query_are_known(sandbox: Sandbox) -> None:
    use, errors = sandbox.inspect("WITH web_like AS (SELECT * FROM web) SELECT * FROM web_like JOIN requests USING (event_id) WHERE status > $least", SQL)
    assert (sorted(use.relations), sorted(use.parameters), errors) == (["requests", "web"], ["least"], [])


def test_a_query_that_runs_too_long_is_stopped(tmp_path: Path) -> None:
    with (
        open_sandbox(dict.fromkeys(EVENT_TABLES, ()), tmp_path, threads=1, time_limit=0.2) as sandbox,
        pytest.raises(DetectorError, match=r"longer than 0\.2 seconds"),
    ):
        sandbox.run("SELECT count(*) FROM range(100000000000) AS numbers(n) WHERE sqrt(n) < 0", SQL, limited=True)


def test_a_query_that_wants_too_much_memory_is_stopped(tmp_path: Path) -> None:
    with open_sandbox(dict.fromkeys(EVENT_TABLES, ()), tmp_path, threads=1, memory_limit="64MB") as sandbox, pytest.raises(DetectorError, match="memory"):
        sandbox.run("SELECT len(list(n)) FROM range(100000000) AS numbers(n)", SQL)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/breachscope-escape.csv'",
        "ATTACH '/tmp/breachscope-escape.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "RESET lock_configuration",
    ],
)
def test_the_second_wall_holds_without_the_first(tmp_path: Path, statement: str) -> None:
    case = make_case(tmp_path / "case", ("web", [web(0, "192.0.2.9", "/")]))
    files = {table: case.event_files(table) for table in EVENT_TABLES}
    with (
        case.scratch() as scratch,
        open_sandbox(files, scratch, allowed=[case.path / "events/web"], threads=1) as sandbox,
        pytest.raises(duckdb.Error, match=r"(?i)disabled|locked|cannot|permission|does not exist"),
    ):
        sandbox.connection.execute(statement).fetchall()


def test_python_variables_are_no_tables(sandbox: Sandbox) -> None:
    secret = pa.table({"a": [1]})
    with pytest.raises(duckdb.Error, match="does not exist"):
        sandbox.connection.execute("SELECT * FROM secret").fetchall()
    assert secret.num_rows == 1


def test_times_are_utc_whatever_the_machine_says(tmp_path: Path) -> None:
    case = make_case(tmp_path / "case", ("web", [web(0, "192.0.2.9", "/")]))
    files = {table: case.event_files(table) for table in EVENT_TABLES}
    with case.scratch() as scratch, open_sandbox(files, scratch, allowed=[case.path / "events/web"], threads=1) as sandbox:
        assert sandbox.fetch("SELECT ts::VARCHAR FROM web", SQL).column(0).to_pylist() == ["2026-03-02 01:00:00"]
