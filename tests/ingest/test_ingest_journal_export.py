"""The systemd journal in its export format: entries of fields, the values of which may be anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.ingest.journal_export import ExportRecords
from breachscope.manifest import Source
from breachscope.progress import Silent

FAILED = b"Failed password for invalid user admin from 203.0.113.66 port 40022 ssh2"
TIME = b"1772413200000000"  # 2026-03-02T01:00:00Z


def binary(name: bytes, value: bytes) -> bytes:
    return name + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def entry(message: bytes, *, comm: bytes = b"sshd") -> bytes:
    fields = [b"__CURSOR=s=1;i=1", b"__REALTIME_TIMESTAMP=" + TIME, b"_HOSTNAME=web1", b"SYSLOG_IDENTIFIER=sshd", b"_COMM=" + comm]
    told = binary(b"MESSAGE", message) if b"\n" in message or b"\0" in message else b"MESSAGE=" + message + b"\n"
    return b"".join(field + b"\n" for field in fields) + told + b"\n"


def ingested(tmp_path: Path, data: bytes) -> tuple[Source, list[dict[str, Any]], list[int]]:
    (tmp_path / "journal.export").write_bytes(data)
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "journal.export"], IngestOptions(), Silent()).added[0]
    rows = [row for path in case.event_files("auth") for row in pq.read_table(path).to_pylist()]
    rejected = [row["line"] for path in case.reject_files() for row in pq.read_table(path).to_pylist()]
    return source, sorted(rows, key=lambda row: row["line"]), rejected


def test_entries_are_read_as_those_of_the_json_export(tmp_path: Path) -> None:
    source, events, rejected = ingested(tmp_path, entry(b"two\nlines \0", comm=b"cron") + entry(FAILED) + entry(FAILED, comm=b"forger"))
    assert (source.lines, rejected, source.skipped) == (3, [], {"program cron": 1, "program forger": 1})
    assert [(e["line"], e["host"], e["client_ip"], e["user"], e["outcome"]) for e in events] == [(2, "web1", "203.0.113.66", "admin", "failure")]
    assert events[0]["ts"].isoformat() == "2026-03-02T01:00:00+00:00"


def test_a_value_holds_no_entry_of_its_own(tmp_path: Path) -> None:
    source, events, _ = ingested(tmp_path, entry(b"sent\n\n" + entry(FAILED)))
    assert (source.lines, events) == (1, [])


@pytest.mark.parametrize("lost", [1, 2, 30])
def test_an_entry_that_breaks_off_is_rejected(tmp_path: Path, lost: int) -> None:
    source, events, rejected = ingested(tmp_path, entry(FAILED) + entry(FAILED)[:-lost])
    assert (source.lines, len(events), rejected) == (2, 1, [2])


@pytest.mark.parametrize("stray", [b"-- Reboot --\n", b"MESSAGE\n\x01\0\0\0\0\0\0\0ab\n"])
def test_what_stands_behind_a_stray_line_is_told_and_not_read(tmp_path: Path, stray: bytes) -> None:
    source, events, rejected = ingested(tmp_path, entry(FAILED) + stray + entry(FAILED))
    assert (source.lines, len(events), rejected) == (2, 1, [2])
    assert source.problem is not None
    assert "changed or damaged" in source.problem


def test_an_entry_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breachscope.ingest.journal_export._HELD_BYTES", 64)
    records = ExportRecords()
    data = entry(FAILED) + b"__CURSOR=" + b"a" * 500
    read = b"".join(records.lines(data[n : n + 32] for n in range(0, len(data), 32)))
    assert read.count(b"\n") == 0  # already the first entry is longer: all of it is one line
    assert read.replace(b" ", b"") == data.replace(b"\n", b"").replace(b" ", b"")
    assert records.problem is not None


@given(st.lists(st.lists(st.tuples(st.sampled_from([b"A", b"_B2", b"MESSAGE"]), st.text(max_size=20)), min_size=1), max_size=4), st.integers(1, 60))
def test_any_values_in_any_pieces(entries: list[list[tuple[bytes, str]]], size: int) -> None:
    data = b"".join(b"".join(binary(name, text.encode()) for name, text in fields) + b"\n" for fields in entries)
    lines = b"".join(ExportRecords().lines(data[n : n + size] for n in range(0, len(data), size))).splitlines()
    read = [json.loads(line) for line in lines]
    assert len(read) == len(entries)
    for fields, told in zip(entries, read, strict=True):
        for name in {name for name, _ in fields}:
            values = [text for other, text in fields if other == name]
            assert told[name.decode()] == (values if len(values) > 1 else values[0])


def test_a_value_that_is_no_utf_8_is_text_all_the_same(tmp_path: Path) -> None:
    _, events, rejected = ingested(tmp_path, entry(FAILED.replace(b"admin", "管理".encode("cp932"))))
    assert ([e["user"] for e in events], rejected) == (["管理"], [])
