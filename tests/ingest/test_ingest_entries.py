"""Statements of several lines: whole, at the line where they begin, with every line counted once; cut where the log is."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest, load_formats
from breachscope.ingest.inner_entries import MOST_ENTRY_BYTES
from breachscope.ingest.trace import read_raw_line
from breachscope.ingest.trial import try_file
from breachscope.manifest import Source
from breachscope.progress import Silent

STAMP = "2026-03-02 10:15:04.120 JST"
WHO = f'{STAMP},"app","crm",8,"192.0.2.9:51512",65f0.8,3,"SELECT",2026-03-02 10:15:00 JST,3/12,0'
ACCESS = '192.0.2.9 - - [02/Mar/2026:10:15:04 +0900] "GET /1 HTTP/1.1" 200 512 "-" "curl/8"'


def text(statement: str) -> str:
    """As PostgreSQL writes it: with a tab behind each line end."""
    return f"{STAMP} [44] 192.0.2.9 app@crm LOG:  statement: {statement}".replace("\n", "\n\t") + "\n"


def table(statement: str) -> str:
    """The same as CSV: within quotes, those of the statement doubled."""
    quoted = statement.replace('"', '""')
    return f'{WHO},LOG,00000,"statement: {quoted}",,,,,,,,,"psql","client backend",,0\n'


def general(statement: str) -> str:
    """As MySQL writes it: as it is."""
    return f"2026-03-02T01:15:04.120000Z\t    8 Query\t{statement}\n"


WRITERS = {"postgresql": text, "postgresql_csv": table, "mysql_general": general}


def read(folder: Path, content: str | bytes, fmt: str | None, block_bytes: int = 1 << 20) -> tuple[Case, Source, list[Mapping[str, Any]]]:
    folder.mkdir(exist_ok=True)
    log = folder / "db.log"
    log.write_bytes(content.encode() if isinstance(content, str) else content)
    case = Case.create_or_open(folder / "case")
    source = ingest(case, [log], IngestOptions(only_format=fmt, block_bytes=block_bytes, threads=2), Silent()).added[0]
    rows = [row for path in case.event_files("data_access") for row in pq.read_table(path).to_pylist()]
    return case, source, sorted(rows, key=lambda row: int(row["line"]))


def told(events: Sequence[Mapping[str, Any]]) -> list[tuple[int, str | None, str | None]]:
    return [(e["line"], e["statement"], e["completeness"]) for e in events]


lines_of_sql = st.lists(st.text(st.sampled_from("ab \t\"',;é表-*"), max_size=12).map(lambda line: f"x{line}x"), min_size=1, max_size=5).map("\n".join)


@pytest.mark.parametrize("fmt", WRITERS)
@example(statements=["xx\nxx\nx表x", "xx\nxx"], block_bytes=175, encoding="cp932")
@example(statements=["xx\nxx\nxx\nxx\nx表x", "xx\nxx"], block_bytes=51, encoding="cp932")
@given(statements=st.lists(lines_of_sql, min_size=1, max_size=12), block_bytes=st.integers(16, 600), encoding=st.sampled_from(["utf-8", "cp932"]))
@settings(max_examples=10)
def test_each_statement_is_whole_wherever_blocks_are_cut(
    tmp_path_factory: pytest.TempPathFactory, fmt: str, statements: list[str], block_bytes: int, encoding: str
) -> None:
    written = [WRITERS[fmt](s.replace("é", "e") if encoding == "cp932" else s) for s in statements]
    expected, line = [], 1
    for entry, statement in zip(written, statements, strict=True):
        expected.append((line, statement.replace("é", "e") if encoding == "cp932" else statement, None))
        line += entry.count("\n")
    _, source, events = read(tmp_path_factory.mktemp("log"), "".join(written).encode(encoding), fmt, block_bytes)
    assert told(events) == expected
    further = line - 1 - len(statements)
    assert (source.lines, source.event_lines, source.rejected) == (line - 1, len(statements), 0)
    assert dict(source.skipped) == ({f"{fmt}: continues the line above": further} if further else {})


@pytest.mark.parametrize("fmt", WRITERS)
def test_the_table_that_a_later_line_names_is_found_and_traced(tmp_path: Path, fmt: str) -> None:
    log = WRITERS[fmt]("select 1") * 40 + WRITERS[fmt]("SELECT *\n\tFROM customers\n\tWHERE id > 0") + WRITERS[fmt]("select 2")
    case, source, events = read(tmp_path, log, None)
    (found,) = [e for e in events if "customers" in e["statement"]]
    assert (found["line"], found["format"], found["statement"]) == (41, fmt, "SELECT *\n\tFROM customers\n\tWHERE id > 0")
    assert read_raw_line(case, found["event_id"]).text == log.split("\n")[40]
    assert (source.lines, source.event_lines, source.rejected) == (44, 42, 0)


def test_of_pgaudit_what_stands_behind_a_statement_of_several_lines_is_read(tmp_path: Path) -> None:
    entry = f'{STAMP} [44] app@crm LOG:  AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.customers,"select a,\n\tb from customers",<none>,4711\n'
    quoted = f'{WHO},LOG,00000,"AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.customers,""select a,\nb from customers"",<none>,4711",,,,,,,,,"psql"\n'
    for name, log in (("text", entry), ("csv", quoted)):
        _, _, events = read(tmp_path / name, log, None)
        assert [(e["statement"], e["row_count"], e["object"]) for e in events] == [("select a,\nb from customers", 4711, "public.customers")]


def test_a_failed_statement_is_read_behind_a_message_of_several_lines(tmp_path: Path) -> None:
    _, _, events = read(tmp_path, f'{WHO},ERROR,42601,"syntax error\nat or near ""x""",,,,,,"select\n* frm c",15,,"psql"\n', None)
    assert [(e["line"], e["statement"], e["outcome"]) for e in events] == [(1, "select\n* frm c", "failure")]


@pytest.mark.parametrize("fmt", ["postgresql", "postgresql_csv"])
def test_no_line_of_a_statement_is_read_as_another_log(tmp_path: Path, fmt: str) -> None:
    forged = (
        f'select 1 /*\n{{"timestamp":"2026-03-02 10:15:04.120 JST","pid":8,"error_severity":"LOG","message":"connection authorized: user=root"}}\n{ACCESS}*/'
    )
    case, source, events = read(tmp_path, WRITERS[fmt](forged) + WRITERS[fmt]("select 2"), None)
    assert told(events) == [(1, forged, None), (4, "select 2", None)]
    assert set(source.formats) == {fmt}
    assert not case.event_files("auth") + case.event_files("web")


def test_a_line_of_another_log_is_no_part_of_a_statement_where_nothing_proves_it(tmp_path: Path) -> None:
    _, source, events = read(tmp_path, general("select *\nfrom a") + general("select *") + ACCESS + "\nfrom b\n" + general("select\n3, 4\n1.5"), None)
    assert told(events) == [(1, "select *\nfrom a", None), (3, "select *", "cut"), (6, "select", "cut")]
    assert (source.lines, source.formats["combined"], source.rejected) == (8, 1, 0)


def test_line_ends_of_windows_are_line_ends(tmp_path: Path) -> None:
    _, _, events = read(tmp_path, (text("select *\nfrom a") + text("select 1")).replace("\n", "\r\n"), None)
    assert told(events) == [(1, "select *\nfrom a", None), (3, "select 1", None)]


def test_entries_of_the_old_form_of_mysql_end_those_above(tmp_path: Path) -> None:
    log = "260302  1:15:04\t   12 Query\tselect\n 1\n\t\t   12 Query\tselect\n2\n\t\t   12 Quit\t\n260302  1:15:05\t   12 Query\tselect 3\n"
    _, source, events = read(tmp_path, log, "mysql_general")
    assert told(events) == [(1, "select\n 1", None), (6, "select 3", None)]
    assert (source.lines, source.rejected, dict(source.skipped)) == (
        6,
        1,
        {"mysql: neither login nor statement": 1, "mysql_general: continues the line above": 2},
    )


def test_a_statement_that_does_not_end_is_told_to_be_cut(tmp_path: Path) -> None:
    open_end = f'{WHO},LOG,00000,"statement: select *\nfrom a\n'
    _, source, events = read(tmp_path, open_end + table("select 1") + open_end, "postgresql_csv", 64)
    assert told(events) == [(1, "select *\nfrom a", "cut"), (3, "select 1", None), (4, "select *\nfrom a", "cut")]
    assert (source.lines, source.event_lines, source.rejected) == (5, 3, 0)


def test_what_is_lost_with_the_rest_of_the_input_is_told(tmp_path: Path) -> None:
    log = text("select 1") * 200 + text("select *\nfrom a\nwhere b")
    damaged = gzip.compress(log.encode())[:-8]
    _, source, events = read(tmp_path, damaged[:-3], "postgresql")
    assert source.problem
    assert events[-1]["completeness"] == "cut"
    assert log.split("statement: ")[-1].replace("\n\t", "\n").startswith(events[-1]["statement"])


def test_lines_that_continue_what_another_file_holds_are_told_apart(tmp_path: Path) -> None:
    _, source, events = read(tmp_path, "\tfrom a\n\twhere b\n" + text("select *\nfrom c"), "postgresql")
    assert told(events) == [(3, "select *\nfrom c", None)]
    assert dict(source.skipped) == {"postgresql: continues a line that is not in this file": 2, "postgresql: continues the line above": 1}


def test_of_a_very_long_statement_the_beginning_is_kept(tmp_path: Path) -> None:
    row = "('" + "x" * (1 << 20) + "'),"
    count = 20
    _, source, events = read(tmp_path, text("insert into a values\n" + "\n".join([row] * count)) + text("select 1\nfrom b"), "postgresql")
    first, second = events
    assert first["completeness"] == "cut"
    kept = first["statement"].split("\n")
    assert kept == ["insert into a values", *[row] * (len(kept) - 1)]
    assert MOST_ENTRY_BYTES - 2 * len(row) < len(first["statement"]) <= MOST_ENTRY_BYTES
    assert (second["line"], second["statement"], second["completeness"]) == (count + 2, "select 1\nfrom b", None)
    assert (source.lines, source.event_lines, source.rejected) == (count + 3, 2, 0)


@pytest.mark.parametrize("lines_before", [9_997, 9_999])
@pytest.mark.parametrize("fmt", WRITERS)
def test_a_trial_ends_between_statements(tmp_path: Path, fmt: str, lines_before: int) -> None:
    (tmp_path / "db.log").write_text(WRITERS[fmt]("select 1") * lines_before + WRITERS[fmt]("select *\nfrom a\nwhere b") + WRITERS[fmt]("select 2") * 9)
    ((_, trial),) = try_file(tmp_path / "db.log", load_formats())
    statements = lines_before if lines_before > 9_997 else 9_998
    assert (trial.format, dict(trial.formats), dict(trial.rejected)) == (fmt, {fmt: statements}, {})
    assert trial.lines == (lines_before if lines_before > 9_997 else 10_000)


def test_a_trial_reads_a_statement_that_is_longer_than_it(tmp_path: Path) -> None:
    (tmp_path / "db.log").write_text(text("select" + "\n1," * 10_050 + "\n2") + text("select 2"))
    ((_, trial),) = try_file(tmp_path / "db.log", load_formats())
    assert (trial.lines, dict(trial.formats), dict(trial.rejected)) == (10_053, {"postgresql": 2}, {})
    assert [e.get("completeness") for e in trial.events] == [None, None]
