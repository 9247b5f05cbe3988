"""Login records of Linux, written here by struct as utmp(5) has them."""

from __future__ import annotations

import ipaddress
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.ingest.trace import read_raw_line
from breachscope.ingest.utmp import LastlogRecords, UtmpRecords
from breachscope.manifest import Source
from breachscope.progress import Silent

LOGIN, USER, DEAD, BOOT, RUN_LVL = 6, 7, 8, 2, 1
AT = 1772414104
"""2026-03-02T01:15:04Z"""


@dataclass(frozen=True)
class Record:
    kind: int
    user: bytes = b""
    line: bytes = b"pts/0"
    host: bytes = b""
    address: str | None = None
    seconds: int = AT

    def packed(self, form: str) -> bytes:
        """``<384``, ``>384``, ``<400`` or ``>400``: byte order and size."""
        order, wide = form[0], form[1:] == "400"
        address = ipaddress.ip_address(self.address).packed if self.address else b""
        head = struct.pack(f"{order}hxxi32s4s32s256shh", self.kind, 1234, self.line, b"ts/0", self.user, self.host, 0, 0)
        times = struct.pack(f"{order}{'qqq' if wide else 'iii'}", 5, self.seconds, 123456)
        return (head + times + address.ljust(16, b"\0")).ljust(400 if wide else 384, b"\0")


FORMS = ("<384", ">384", "<400", ">400")
DAY = [
    Record(BOOT, b"reboot", b"~", b"6.1.0-18-amd64"),
    Record(LOGIN, b"LOGIN", b"tty1"),
    Record(USER, b"u1", host=b"client.example.com", address="192.0.2.9"),
    Record(USER, b"\xe8\xa1\xa8", line=b"pts/1", host=b"2001:db8::9", address="2001:db8::9"),
    Record(DEAD, seconds=AT + 60),
    Record(DEAD, line=b"tty1"),  # nobody was logged in there
    Record(USER, b"u2", line=b"tty2", host=b":0"),
    Record(RUN_LVL, b"shutdown", b"~"),
    Record(BOOT, b"reboot", b"~"),
    Record(DEAD, line=b"pts/1"),  # the start of the system had ended all
]


def ingested(tmp_path: Path, name: str, content: bytes) -> tuple[Case, Source, list[dict[str, Any]]]:
    (tmp_path / name).write_bytes(content)
    case = Case.create_or_open(tmp_path / f"{name}.case")
    source = ingest(case, [tmp_path / name], IngestOptions(only_format="utmp"), Silent()).added[0]
    return case, source, [row for path in case.event_files("auth") for row in pq.read_table(path).to_pylist()]


def told(events: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(e["line"], e["action"], e["outcome"], e["user"], e["client_ip"]) for e in events]


@pytest.mark.parametrize("form", FORMS)
def test_wtmp_tells_who_came_from_where_and_went(tmp_path: Path, form: str) -> None:
    case, source, events = ingested(tmp_path, "wtmp", b"".join(r.packed(form) for r in DAY))
    assert told(events) == [
        (3, "logon", "success", "u1", "192.0.2.9"),
        (4, "logon", "success", "表", "2001:db8::9"),
        (5, "logoff", "success", "u1", None),
        (7, "logon", "success", "u2", None),
    ]
    assert source.skipped == {"utmp: no login": 3, "utmp: the run level changed, or the system went down": 1, "utmp: the system started": 2}
    assert (source.lines, source.rejected, source.problem) == (len(DAY), 0, None)
    assert events[0]["ts"] == datetime(2026, 3, 2, 1, 15, 4, 123456, tzinfo=UTC)
    raw = json.loads(read_raw_line(case, events[0]["event_id"]).text)
    assert (raw["type"], raw["user"], raw["host"], raw["pid"], raw["session"]) == ("USER_PROCESS", "u1", "client.example.com", 1234, 5)
    assert any(f"{form[1:]} bytes" in note for note in source.notes)


def test_btmp_holds_failed_logins_whatever_type_they_have(tmp_path: Path) -> None:
    tries = [
        Record(LOGIN, b"root", b"ssh:notty", b"192.0.2.66", "192.0.2.66"),  # sshd
        Record(LOGIN, b"LOGIN", b"ssh:notty", b"192.0.2.66", "192.0.2.66"),  # a name that somebody tried
        Record(USER, b"u1", b"tty1"),  # login of shadow
        Record(LOGIN, b"u2", b"tty2"),  # login of util-linux
        Record(USER, b"u3", b"ssh:notty", b"192.0.2.67", "192.0.2.67"),
    ]
    content = b"".join(t.packed("<384") for t in tries)
    expected = [("root", "192.0.2.66"), ("LOGIN", "192.0.2.66"), ("u1", None), ("u2", None), ("u3", "192.0.2.67")]
    for name, failures in (("btmp", {1, 2, 3, 4, 5}), ("btmp-20260301", {1, 2, 3, 4, 5}), ("unnamed", {1, 2, 4, 5})):
        _, _, events = ingested(tmp_path, name, content)
        assert [(e["user"], e["client_ip"]) for e in events] == expected
        assert {e["line"] for e in events if e["outcome"] == "failure"} == failures, "only its name tells of shadow's tries that they failed"


@pytest.mark.parametrize("cut", [1, 100, 383])
def test_a_last_record_that_is_cut_is_told(tmp_path: Path, cut: int) -> None:
    _, source, events = ingested(tmp_path, "wtmp", DAY[2].packed("<384") * 2 + DAY[3].packed("<384")[:cut])
    assert len(events) == 2
    assert (source.lines, source.rejected) == (3, 1)
    assert any(f"ends inside a record, {cut} bytes after its beginning" in note for note in source.notes)


def test_what_is_no_record_is_refused_with_its_place_and_bytes(tmp_path: Path) -> None:
    bad = b"\xff" * 384
    case, source, events = ingested(tmp_path, "wtmp", DAY[2].packed("<384") * 12 + bad + DAY[4].packed("<384"))
    assert [e["line"] for e in events] == [*range(1, 13), 14]
    row = pq.read_table(case.reject_files()[0]).to_pylist()
    assert [(r["line"], r["raw"].decode()) for r in row] == [(13, f"utmp bytes 4,608 to 4,991 are no record: {bad.hex()}")]
    assert source.lines == 14


def test_a_login_ends_where_it_does_whatever_pieces_the_file_is_read_in(tmp_path: Path) -> None:
    content = b"".join(r.packed("<384") for r in DAY)
    path = tmp_path / "wtmp"
    whole = UtmpRecords.of(content, path)
    assert whole is not None
    expected = b"".join(whole.lines(iter([content])))
    for size in (1, 384, 500):
        records = UtmpRecords.of(content, path)
        assert records is not None
        assert b"".join(records.lines(content[n : n + size] for n in range(0, len(content), size))) == expected


def test_bytes_that_are_no_text_neither_break_the_line_nor_pass_for_another_name(tmp_path: Path) -> None:
    names = [b'x","type":"BOOT_TIME', b"a\nb", b"\xff\xfe", b"old\0remains", b"[7] [1]"]
    _, source, events = ingested(tmp_path, "btmp", b"".join(Record(LOGIN, n, b"ssh:notty", b"192.0.2.9").packed("<384") for n in names))
    assert [e["user"] for e in events] == ['x","type":"BOOT_TIME', "a\nb", "\\xff\\xfe", "old", "[7] [1]"]
    assert source.lines == len(names)


@settings(max_examples=40)
@given(st.binary(max_size=1200) | st.text(max_size=400).map(str.encode))
def test_nothing_but_login_records_is_taken_for_them(data: bytes) -> None:
    assert UtmpRecords.of(data, Path("wtmp")) is None or (data[1] == 0 or data[0] == 0)
    assert UtmpRecords.of(bytes(400 * 4), Path("wtmp")) is None


def last_login(form: str, seconds: int, line: bytes = b"pts/0", host: bytes = b"192.0.2.9") -> bytes:
    """``<i``, ``>i``, ``<q`` or ``>q``: byte order and width of the time."""
    return struct.pack(f"{form}32s256s", seconds, line, host)


@pytest.mark.parametrize("form", ["<i", ">i", "<q", ">q"])
def test_lastlog_tells_the_last_login_of_each_user_by_number(tmp_path: Path, form: str) -> None:
    never = last_login(form, 0, b"", b"")
    content = last_login(form, AT, b"tty1", b"") + never * 999 + last_login(form, AT + 60) + never * 8 + last_login(form, AT + 120, host=b"2001:db8::9")
    (tmp_path / "lastlog").write_bytes(content)
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "lastlog"], IngestOptions(), Silent()).added[0]
    rows = [row for path in case.event_files("auth") for row in pq.read_table(path).to_pylist()]
    assert [(e["line"], e["user"], e["client_ip"], int(e["ts"].timestamp()) - AT, e["outcome"]) for e in rows] == [
        (1, "uid=0", None, 0, "success"),
        (2, "uid=1000", "192.0.2.9", 60, "success"),
        (3, "uid=1009", "2001:db8::9", 120, "success"),
    ]
    assert (source.lines, source.event_lines, source.rejected) == (3, 3, 0)
    assert json.loads(read_raw_line(case, rows[1]["event_id"]).text)["lastlog"]["line"] == "pts/0"


@settings(max_examples=40)
@given(st.lists(st.integers(1_500_000_000, 1_800_000_000), min_size=4, max_size=9, unique=True), st.sampled_from(["<i", ">i", "<q", ">q"]))
def test_the_order_of_bytes_is_that_in_which_times_lie_near(times: list[int], form: str) -> None:
    content = b"".join(last_login(form, seconds) for seconds in times)
    records = LastlogRecords.of(content, Path("host1-lastlog.1"))
    assert records is not None
    assert [json.loads(line)["lastlog"]["time"] for line in b"".join(records.lines(iter([content]))).splitlines()] == times


def test_a_last_login_that_is_damaged_or_cut_is_told_with_its_place(tmp_path: Path) -> None:
    good = last_login("<i", AT)
    head = good * ((1 << 20) // len(good) + 1)  # what the file is was told by its first megabyte
    records = LastlogRecords.of(head, Path("lastlog"))
    assert records is not None
    content = head + b"\1" * 292 + good[:100]
    for size in (1 << 20, 1000):
        lines = b"".join(records.lines(content[n : n + size] for n in range(0, len(content), size))).splitlines()
        assert len(lines) == len(head) // 292 + 2
        assert lines[-2] == f"lastlog bytes {len(head):,} to {len(head) + 291:,} are no record: {'01' * 292}".encode()
        assert lines[-1].startswith(f"lastlog bytes {len(head) + 292:,} to {len(head) + 391:,} are no record".encode())


def test_a_lastlog_that_claims_to_be_endless_is_refused_at_once(tmp_path: Path) -> None:
    with (tmp_path / "lastlog").open("wb") as handle:
        handle.write(last_login("<i", AT))
        handle.truncate(292 * 4_294_967_295)
    result = ingest(Case.create_or_open(tmp_path / "case"), [tmp_path / "lastlog"], IngestOptions(), Silent())
    assert not result.added
    assert "is a lastlog of 1,254,130,450,140 bytes" in str(result.errors[0])


@settings(max_examples=40)
@given(st.binary(max_size=900) | st.text(max_size=900).map(str.encode))
def test_nothing_but_last_logins_is_taken_for_them(data: bytes) -> None:
    assert LastlogRecords.of(data, Path("lastlog")) is None
    assert LastlogRecords.of(bytes(292 * 4), Path("lastlog")) is None


@pytest.mark.parametrize("name", ["wtmp", "lastlog2.db", "mylastlogs", "access.log"])
def test_a_file_of_another_name_is_no_lastlog(name: str) -> None:
    assert LastlogRecords.of(last_login("<i", AT) * 4, Path(name)) is None
