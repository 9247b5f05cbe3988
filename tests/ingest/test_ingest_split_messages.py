"""Messages that PostgreSQL splits for syslog: one event at the first part, with every line counted once; cut where parts are missing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest, load_formats
from breachscope.ingest.reading import Reading
from breachscope.ingest.split_messages import MOST_MESSAGE_BYTES, UNPROVEN, whole_messages
from breachscope.ingest.trace import read_raw_line
from breachscope.ingest.trial import try_file
from breachscope.manifest import Source
from breachscope.progress import Silent

STAMP = "2026-03-02 10:15:04.120 JST"
CONTINUED, MISSING = "postgresql: continues the line above", "postgresql: continues a line that is missing"
SERVER, FACTS = "postgresql: the server itself", "postgresql: further facts of an entry"


def envelope(message: str, pid: int = 44, host: str = "db1") -> str:
    return f"Mar  2 10:15:04 {host} postgres[{pid}]: {message}\n"


def newer(message: str, pid: int = 44) -> str:
    return f"<134>1 2026-03-02T10:15:04+09:00 db1 postgres {pid} - - {message}\n"


def journaled(message: str, pid: int = 44) -> str:
    """As the journal exports it; what names the program stands behind the message."""
    fields = {"MESSAGE": message, "_PID": str(pid), "__REALTIME_TIMESTAMP": "1772414104120000", "_HOSTNAME": "db1", "_COMM": "postgres"}
    return json.dumps(fields) + "\n"


def told_by(pid: int, level: str = "LOG") -> str:
    return f"{STAMP} [{pid}] app@crm {level}:  "


def part(numbers: str, rest: str, pid: int = 44, host: str = "db1") -> str:
    """A part; the first of a message begins with what stands before a statement."""
    first = f"{told_by(pid)}statement: " if numbers.split("-")[-1] == "1" else ""
    return envelope(f"[{numbers}] {first}{rest}", pid, host)


def read(folder: Path, log: str | bytes, block_bytes: int = 1 << 20) -> tuple[Case, Source, list[Mapping[str, Any]]]:
    folder.mkdir(exist_ok=True)
    (folder / "messages").write_bytes(log.encode() if isinstance(log, str) else log)
    case = Case.create_or_open(folder / "case")
    source = ingest(case, [folder / "messages"], IngestOptions(block_bytes=block_bytes, threads=2), Silent()).added[0]
    rows = [row for path in case.event_files("data_access") for row in pq.read_table(path).to_pylist()]
    assert source.lines == source.event_lines + source.rejected + sum(source.skipped.values())
    return case, source, sorted(rows, key=lambda row: int(row["line"]))


def told(events: Sequence[Mapping[str, Any]]) -> list[tuple[int, str | None, str | None]]:
    return [(e["line"], e["statement"], e["completeness"]) for e in events]


def test_parts_of_a_statement_become_its_one_event(tmp_path: Path) -> None:
    log = part("5-1", "SELECT *") + part("5-2", "#011FROM customers") + part("5-3", "#011#011WHERE id > 0") + part("6-1", "select 1")
    case, source, events = read(tmp_path, log)
    assert told(events) == [(1, "SELECT *\nFROM customers\n\tWHERE id > 0", None), (4, "select 1", None)]
    assert {(e["format"], e["user"], e["store"]) for e in events} == {("postgresql", "app", "crm")}
    assert read_raw_line(case, events[0]["event_id"]).text == log.split("\n")[0]
    assert (source.event_lines, source.rejected, dict(source.skipped)) == (2, 0, {CONTINUED: 2})


def test_parts_are_joined_behind_a_prefix_that_names_its_values(tmp_path: Path) -> None:
    prefix = f"{STAMP} [44]: [3-1] user=app,db=crm,app=psql,client=192.0.2.9 "
    log = "".join(
        envelope(text) for text in [f"[5-1] {prefix}LOG:  statement: SELECT *", "[5-2] #011FROM customers", f"[5-3] {prefix}DETAIL:  parameters: $1 = 1"]
    )
    _, source, events = read(tmp_path, log)
    assert [(e["statement"], e["client_ip"], e["user"]) for e in events] == [("SELECT *\nFROM customers", "192.0.2.9", "app")]
    assert (source.event_lines, source.rejected, dict(source.skipped)) == (1, 0, {CONTINUED: 1, FACTS: 1})


def test_a_part_that_begins_with_no_tab_goes_on_in_the_line(tmp_path: Path) -> None:
    """Long lines are divided before a space, or within a word of 900 bytes; a tab may come as it is."""
    word = "x" * 900
    log = part("5-1", "select 'a") + part("5-2", " b") + part("5-3", f" {word[1:]}") + part("5-4", "yz'") + part("5-5", "\tfrom c") + part("5-6", "#011")
    _, _, events = read(tmp_path, log)
    assert told(events) == [(1, f"select 'a b {word[1:]}yz'\nfrom c\n", None)]


MIXED = (
    part("5-1", "select a", 44)
    + part("5-1", "select b", 45)
    + part("5-1", "select c", 44, "db2")
    + part("5-2", "#011from a", 44)
    + part("6-1", "select d", 44)
    + part("5-2", "#011from c", 44, "db2")
    + part("6-2", "#011from d", 44)
    + part("5-2", "#011from b", 45)
    + part("5-1", "select e", 44)
    + part("5-2", "#011from e", 44)
)


@pytest.mark.parametrize("block_bytes", [16, 300, 700, 1 << 20])
def test_mixed_parts_are_joined_by_host_process_and_number_wherever_blocks_are_cut(tmp_path: Path, block_bytes: int) -> None:
    _, source, events = read(tmp_path, MIXED, block_bytes)
    assert told(events) == [(n, f"select {t}\nfrom {t}", None) for n, t in ((1, "a"), (2, "b"), (3, "c"), (5, "d"), (9, "e"))]
    assert dict(source.skipped) == {CONTINUED: 5}


@pytest.mark.parametrize("form", [envelope, newer, journaled])
def test_blocks_are_cut_before_a_message_that_goes_on(tmp_path: Path, form: Callable[[str, int], str]) -> None:
    """Two processes write at a time, and number alike, so that a cut before one message may lie within another."""
    messages = [
        [form(f"[{n}-1] {told_by(44)}statement: select {n}", pid), *(form(f"[{n}-{m}] #011, {m}", pid) for m in (2, 3, 4))]
        for n in range(300)
        for pid in (44, 45)
    ]
    mixed = [line for first, second in zip(messages[::2], messages[1::2], strict=True) for pair in zip(first, second, strict=True) for line in pair]
    _, source, events = read(tmp_path, "".join(mixed), len("".join(mixed)) // 9)
    assert told(events) == [(8 * n + p, f"select {n}\n, 2\n, 3\n, 4", None) for n in range(300) for p in (1, 2)]
    assert dict(source.skipped) == {CONTINUED: 1800}


@pytest.mark.parametrize("form", [envelope, journaled])
def test_a_message_whose_parts_stand_far_apart_on_both_sides_of_a_cut_is_cut(tmp_path: Path, form: Callable[[str, int], str]) -> None:
    """So far that they are not looked for before a block is given out: its statement is told to be cut, and no other one."""
    other = form("[4-1] " + told_by(45) + "statement: select 4", 45) + form("[4-2] #011, 5", 45)
    between = other * (600_000 // len(other))
    log = other + form(f"[5-1] {told_by(44)}statement: select", 44) + between + form("[5-2] #011from a", 44) + other
    _, source, events = read(tmp_path, log, 310_000)
    assert told(events[:2]) == [(1, "select 4\n, 5", None), (3, "select", "cut")]
    assert [e["completeness"] for e in events[2:]] == [None] * (len(events) - 2)
    assert (source.skipped[MISSING], source.rejected) == (1, 0)


def test_what_may_be_lost_with_the_rest_of_the_input_is_told(tmp_path: Path) -> None:
    log = "".join(part(f"{n}-1", "select 1") for n in range(1, 200)) + part("200-1", "select *") + part("200-2", "#011from a") + part("200-3", "#011where b")
    damaged = gzip.compress(log.encode())[:-12]
    _, source, events = read(tmp_path, damaged)
    assert source.problem
    assert [e["completeness"] for e in events[:-1]] == [None] * (len(events) - 1)
    assert (events[-1]["line"], events[-1]["completeness"]) == (len(events), "cut")


def test_a_damaged_log_without_parts_is_read(tmp_path: Path) -> None:
    log = "".join(f"Mar  2 10:15:04 db1 sshd[{n}]: Connection closed by 192.0.2.{n % 250} port {n}\n" for n in range(9_000))
    _, source, _ = read(tmp_path, gzip.compress(log.encode())[:-12])
    assert source.problem
    assert sum(source.skipped.values()) > 1_000


def test_parts_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    log = part("5-1", "a") + part("5-3", "#011c") + part("5-2", "#011b") + "".join(part(f"5-{n}", f" {n}") for n in range(4, 13))
    _, _, events = read(tmp_path, log)
    assert told(events) == [(1, "a\nb\nc 4 5 6 7 8 9 10 11 12", None)]


def test_of_a_very_long_message_the_beginning_is_kept() -> None:
    """Without the way through a file, in which each step takes some of the second that this may take."""
    further, count = "#011" + "x" * (3 << 20), 7
    texts = ["[5-1] insert", *(f"[5-{n}] {further}" for n in range(2, count + 1)), "[6-1] select 1", "[6-2] #011from b"]
    rows = pl.DataFrame({"row": range(len(texts)), "text": texts}, schema={"row": pl.UInt32, "text": pl.String})
    envelopes = pl.DataFrame({"line": range(1, len(texts) + 1), "program": "postgres", "pid": "44"})
    reading = Reading()
    whole, cut = whole_messages(rows, envelopes, load_formats()["postgresql"], reading, is_open=False)
    assert whole["text"].to_list() == ["insert" + ("\n\t" + "x" * (3 << 20)) * (MOST_MESSAGE_BYTES // len(further)), "select 1\n\tfrom b"]
    assert (whole["row"].to_list(), cut.to_list()) == ([0, count], [1])
    assert dict(reading.skipped) == {CONTINUED: count}
    assert not reading.rejected


def test_where_a_part_is_missing_or_twice_the_statement_is_cut(tmp_path: Path) -> None:
    log = part("5-1", "a") + part("5-2", "#011b") + part("5-4", "#011d") + part("6-1", "e") + part("6-2", "#011f") + part("6-2", "#011f") + part("7-1", "g")
    _, source, events = read(tmp_path, log)
    assert told(events) == [(1, "a\nb", "cut"), (4, "e\nf", "cut"), (7, "g", None)]
    assert dict(source.skipped) == {CONTINUED: 4}


def test_parts_whose_message_begins_elsewhere_are_told_apart(tmp_path: Path) -> None:
    log = part("5-2", "#011from a") + part("5-3", "#011where b") + part("6-1", "select") + part("6-2", "#0111")
    _, source, events = read(tmp_path, log)
    assert told(events) == [(3, "select\n1", None)]
    assert dict(source.skipped) == {MISSING: 2, CONTINUED: 1}


def test_without_numbers_of_messages_parts_are_joined_by_process(tmp_path: Path) -> None:
    log = part("1", "a") + part("1", "b", 45) + part("2", "#011a", 44) + part("1", "c") + part("2", "#011b", 45) + part("2", "#011c") + part("1", "d")
    _, source, events = read(tmp_path, log)
    assert told(events) == [(1, "a\na", None), (2, "b\nb", None), (4, "c\nc", None), (7, "d", None)]
    assert dict(source.skipped) == {CONTINUED: 3}


def test_messages_that_are_not_split_have_only_their_own_number(tmp_path: Path) -> None:
    whole = [envelope(f"[{n}] {told_by(44)}statement: select {n}#012#011from a{'b' * 900}") for n in range(7, 12)]
    _, source, events = read(tmp_path, "".join(whole))
    assert told(events) == [(n - 6, f"select {n}#012#011from a{'b' * 900}", None) for n in range(7, 12)]
    assert not source.skipped


def test_the_statement_that_failed_is_read_among_the_parts_of_its_error(tmp_path: Path) -> None:
    log = (
        envelope(f'[5-1] {told_by(44, "ERROR")}syntax error at or near "frm"')
        + envelope(f"[5-2] {told_by(44, 'STATEMENT')}select *")
        + envelope("[5-3] #011frm customers")
        + envelope(f"[6-1] {told_by(44)}checkpoint starting: time")
    )
    _, source, events = read(tmp_path, log)
    assert [(e["line"], e["statement"], e["outcome"]) for e in events] == [(2, "select *\nfrm customers", "failure")]
    assert dict(source.skipped) == {FACTS: 1, CONTINUED: 1, SERVER: 1}


@pytest.mark.parametrize("before", ["5-2", "5-3"])
def test_what_a_client_can_make_look_like_another_entry_is_no_entry(tmp_path: Path, before: str) -> None:
    """Behind 900 bytes within a word whatever the client wrote begins a part; behind a missing one it cannot be told."""
    forged = told_by(44, "STATEMENT").replace("app@", "root@") + "drop table customers"
    log = part("5-1", "select") + envelope(f"[{before}]  {'a' * 899}") + envelope(f"[5-{int(before[-1]) + 1}] {forged}") + part("6-1", "select 1")
    case, source, events = read(tmp_path, log)
    statement = f"select {'a' * 899}" if before == "5-2" else "select"
    assert told(events) == [(1, statement, "cut"), (4, "select 1", None)]
    assert (source.rejected, dict(source.skipped)) == (1, {CONTINUED: 1})
    assert [row["reason"] for path in case.reject_files() for row in pq.read_table(path).to_pylist()] == [UNPROVEN]


def test_a_part_looks_like_another_message_but_is_none(tmp_path: Path) -> None:
    log = part("5-1", "select 1 /*") + envelope(f"[5-2] {told_by(44)}connection authorized: user=root") + envelope("[5-3] #011*/")
    case, _, events = read(tmp_path, log)
    assert [e["completeness"] for e in events] == [None]
    assert events[0]["line"] == 1
    assert not case.event_files("auth")


def test_headers_of_the_newer_form_are_read_alike(tmp_path: Path) -> None:
    log = newer(f"[5-1] {told_by(44)}statement: SELECT *") + newer("[5-2] #011FROM 表") + newer(f"[6-1] {told_by(44)}statement: select 1")
    _, source, events = read(tmp_path, log)
    assert told(events) == [(1, "SELECT *\nFROM 表", None), (3, "select 1", None)]
    assert dict(source.skipped) == {CONTINUED: 1}


def test_a_trial_ends_between_messages(tmp_path: Path) -> None:
    log = (
        part("4-1", "select 1") * 9_998
        + part("5-1", "SELECT *", 45)
        + part("6-1", "select 2")
        + part("5-2", "#011FROM customers", 45)
        + part("7-1", "select 3")
    )
    (tmp_path / "messages").write_text(log)
    ((_, trial),) = try_file(tmp_path / "messages", load_formats())
    assert (trial.lines, dict(trial.formats), dict(trial.skipped), dict(trial.rejected)) == (9_998, {"postgresql": 9_998}, {}, {})
