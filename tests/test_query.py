"""Read-only SQL over a case."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from breachscope.case import Case
from breachscope.errors import UsageError
from breachscope.ingest import IngestOptions, ingest
from breachscope.progress import Silent
from breachscope.query import query_case, write_csv, write_json_lines, write_parquet

LINES = (
    '192.0.2.9 - =cmd|x [02/Mar/2026:10:15:04 +0900] "GET /a HTTP/1.1" 200 512 "-" "=1+2"\n'
    '192.0.2.8 - - [02/Mar/2026:10:15:05 +0900] "GET /b HTTP/1.1" 404 - "-" "curl/8.0"\n'
    "junk \x1b[31m\n"
)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    log = tmp_path / "access.log"
    log.write_text(LINES)
    case = Case.create_or_open(tmp_path / "case")
    with case.lock():
        ingest(case, [log], IngestOptions(), Silent())
    return case


def run_csv(case: Case, sql: str, scratch: Path) -> list[list[str]]:
    out = io.StringIO()
    write_csv(query_case(case, sql, scratch), out)
    return list(csv.reader(io.StringIO(out.getvalue())))


def test_events_and_rejects_are_tables(case: Case, tmp_path: Path) -> None:
    assert run_csv(case, "SELECT status, bytes_sent FROM web ORDER BY line", tmp_path) == [["status", "bytes_sent"], ["200", "512"], ["404", ""]]
    assert run_csv(case, "SELECT line, reason FROM rejects", tmp_path) == [["line", "reason"], ["3", "no format reads this line"]]


def test_tables_that_do_not_exist_yet_are_empty(case: Case, tmp_path: Path) -> None:
    assert run_csv(case, "SELECT count(*) AS n FROM people", tmp_path) == [["n"], ["0"]]
    assert run_csv(case, "SELECT count(*) AS n FROM network", tmp_path) == [["n"], ["0"]]


def test_csv_formulas_are_made_harmless(case: Case, tmp_path: Path) -> None:
    rows = run_csv(case, 'SELECT "user", user_agent, -1 AS n FROM web WHERE line = 1', tmp_path)
    assert rows[1] == ["'=cmd|x", "'=1+2", "-1"]


def test_an_empty_result_still_names_its_columns(case: Case, tmp_path: Path) -> None:
    assert run_csv(case, "SELECT path FROM web WHERE false", tmp_path) == [["path"]]


def test_json_lines_carry_times_and_bytes_as_text(case: Case, tmp_path: Path) -> None:
    out = io.StringIO()
    write_json_lines(query_case(case, "SELECT ts FROM web WHERE line = 1", tmp_path), out)
    assert json.loads(out.getvalue()) == {"ts": "2026-03-02T01:15:04+00:00"}
    out = io.StringIO()
    write_json_lines(query_case(case, "SELECT raw FROM rejects", tmp_path), out)
    assert json.loads(out.getvalue()) == {"raw": "junk \x1b[31m"}


def test_parquet_keeps_types(case: Case, tmp_path: Path) -> None:
    write_parquet(query_case(case, "SELECT status FROM web ORDER BY line", tmp_path), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["status"].to_pylist() == [200, 404]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM web",
        "COPY web TO 'x.csv'",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "ATTACH 'x.db'",
        "SET threads = 1",
        "INSTALL httpfs",
        "SELECT * FROM nowhere",
        "SELEC 1",
        "",
    ],
)
def test_anything_but_one_select_over_the_case_is_refused(case: Case, tmp_path: Path, sql: str) -> None:
    with pytest.raises(UsageError):
        list(query_case(case, sql, tmp_path))


def test_raw_lines_are_searched_as_text(case: Case, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"decode\(raw, 'replace'\)"):
        list(query_case(case, "SELECT line FROM rejects WHERE raw LIKE '%junk%'", tmp_path))
    assert run_csv(case, "SELECT line FROM rejects WHERE decode(raw, 'replace') LIKE '%junk%'", tmp_path) == [["line"], ["3"]]


def test_case_files_stay_private(case: Case) -> None:
    for path in case.path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_query_that_never_ends_is_stopped(case: Case, tmp_path: Path) -> None:
    endless = "WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM t) SELECT count(*) FROM t"
    with pytest.raises(UsageError, match="stopped"):
        list(query_case(case, endless, tmp_path, time_limit=0.5))


def test_a_case_on_read_only_media_can_be_queried(case: Case, tmp_path: Path) -> None:
    before = sorted(p.relative_to(case.path) for p in case.path.rglob("*"))
    list(query_case(case, "SELECT count(*) FROM web", tmp_path))
    assert sorted(p.relative_to(case.path) for p in case.path.rglob("*")) == before
